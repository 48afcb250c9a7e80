"""Downloading: each IDX file from the first mirror that serves it intact. Nothing partial stays behind."""

import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from filtertwins import __version__
from filtertwins.data.idx import IdxFile, PayloadError, find_verified, stored_names, verified_payload
from filtertwins.errors import StudyError
from filtertwins.files import atomic_write

SITE_MIRROR_VARIABLE = "FILTERTWINS_MIRROR"
"""The environment variable that names a mirror to try before all others."""
_MAX_COMPRESSION_OVERHEAD = 2**20
_MAX_REDIRECTS = 5
_MAX_BACKOFF_S = 30.0
_CHUNK_BYTES = 2**16


class DownloadError(StudyError, RuntimeError):
    """No mirror had a file that verifies; the message lists every file, every mirror and its reason."""


def mirrors_with_site_mirror(mirrors: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Put the mirror that ``FILTERTWINS_MIRROR`` names, when set and not empty, before the others."""
    site_mirror = environment.get(SITE_MIRROR_VARIABLE, "").strip()
    if not site_mirror:
        return tuple(mirrors)
    return (site_mirror, *(mirror for mirror in mirrors if mirror != site_mirror))


def fetch_idx_files(
    files: Sequence[IdxFile],
    mirrors: Sequence[str],
    folder: Path,
    *,
    timeout_s: float = 20.0,
    retries: int = 3,
    backoff_s: float = 0.5,
    progress: bool | None = None,
) -> None:
    """Bring IDX files into a folder, each from the first mirror whose payload verifies.

    A file that is there already, compressed or not, and verifies is not fetched. A mirror that gave no
    connection or no answer is not asked for the other files. A file takes its name in the folder only once
    its decompressed payload was verified; what did not verify is removed.

    Args:
        files: The files to have.
        mirrors: Tried in this order: a folder (``~`` allowed), a ``file://`` or an ``http(s)://`` address.
        folder: Where the files go.
        timeout_s: The longest wait for a connection, and for the next byte.
        retries: How often a failed connection, or an answer of 429 or 5xx, is tried again at one mirror.
        backoff_s: The wait before the second retry; it doubles from one to the next, up to 30 s.
        progress: Whether to draw a progress bar on stderr rather than print a line; None to draw it when
            stderr is a terminal.

    Raises:
        DownloadError: When no mirror gave some file; it lists each with its reason and the ways out.
        OSError: When the folder cannot be written.
    """
    folder = Path(folder)
    bar = sys.stderr.isatty() if progress is None else progress
    unreachable: dict[str, str] = {}  # mirror: reason
    failures: dict[str, list[str]] = {}  # file name: a line per place
    with _session(retries, backoff_s) as session:
        for file in files:
            path, reasons = find_verified(folder, file)
            if path is not None:
                continue
            for mirror in mirrors:
                try:
                    if mirror in unreachable:
                        raise _MirrorFailure(f"{unreachable[mirror]} (not asked again)")
                    _fetch_from(session, mirror, file, folder / file.name, timeout_s=timeout_s, bar=bar)
                    break
                except _MirrorFailure as failure:
                    if failure.unreachable:
                        unreachable[mirror] = failure.reason
                    reasons.append(f"{_shown(mirror)}: {failure.reason}")
                    _say(f"{file.name}: not from {reasons[-1]}")
            else:
                failures[file.name] = reasons or ["no mirror is given"]
    if failures:
        raise DownloadError(_download_message(failures, files, folder))


def _download_message(failures: Mapping[str, list[str]], files: Sequence[IdxFile], folder: Path) -> str:
    lines = [f"{len(failures)} of {len(files)} data files could not be had:"]
    for name, reasons in failures.items():
        lines += [f"  {name}", *(f"    {reason}" for reason in reasons)]
    lines += [
        "Two ways out:",
        f"  put the {len(files)} files into {folder}/ ({', '.join(file.name for file in files)}), or",
        "  run on the embedded data: --config dataset=digits",
    ]
    return "\n".join(lines)


class _MirrorFailure(Exception):  # noqa: N818 - never leaves this module
    """Why a mirror did not give a file; `unreachable` when it will not give another one either."""

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unreachable = unreachable


def _fetch_from(
    session: requests.Session, mirror: str, file: IdxFile, target: Path, *, timeout_s: float, bar: bool
) -> None:
    """Store one file from one mirror, or raise _MirrorFailure and leave nothing."""
    with _open_mirror(session, mirror, file, timeout_s) as source, atomic_write(target, "w+b") as stored:
        _copy(source, stored, file, shown_mirror=_shown(mirror), bar=bar)
        stored.seek(0)
        try:
            verified_payload(stored, file)
        except PayloadError as error:
            raise _MirrorFailure(f"sent {error}") from error


class _Source(NamedTuple):
    chunks: Iterable[bytes]
    size: int | None  # bytes the mirror announces, where it does


def _copy(source: _Source, stored: IO[bytes], file: IdxFile, *, shown_mirror: str, bar: bool) -> None:
    limit = file.size + _MAX_COMPRESSION_OVERHEAD  # a compressed file is never much longer than its content
    if source.size is not None and source.size > limit:
        raise _MirrorFailure(f"announces {source.size:,} bytes; allowed are {limit:,}")
    if not bar:
        _say(f"{file.name}: fetching from {shown_mirror}")
    copied = 0
    with tqdm(desc=file.name, total=source.size, unit="B", unit_scale=True, file=sys.stderr, disable=not bar) as drawn:
        for chunk in source.chunks:
            copied += len(chunk)
            if copied > limit:
                raise _MirrorFailure(f"sent more than {limit:,} bytes")
            stored.write(chunk)
            drawn.update(len(chunk))


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)  # not print: it would tear a bar that is drawn


def _shown(mirror: str) -> str:
    """Return the mirror as it may be logged: without a user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", mirror)


@contextmanager
def _open_mirror(session: requests.Session, mirror: str, file: IdxFile, timeout_s: float) -> Iterator[_Source]:
    scheme = mirror.partition("://")[0].lower() if "://" in mirror else ""
    if scheme in ("http", "https"):
        with _get(session, f"{mirror.rstrip('/')}/{quote(file.name)}", timeout_s) as response:
            announced = response.headers.get("Content-Length", "")
            size = int(announced) if announced.isdecimal() else None
            yield _Source(_body(response, size, timeout_s), size)
    elif scheme in ("", "file"):
        path = _file_in(_mirror_folder(mirror), file)
        try:
            opened = path.open("rb")
        except OSError as error:
            raise _MirrorFailure(f"cannot read {path.name}: {error.strerror}") from error
        with opened:
            yield _Source(_file_chunks(opened), path.stat().st_size)
    else:
        raise _MirrorFailure(f"scheme {scheme!r}; allowed are a folder, file://, http:// and https://")


def _mirror_folder(mirror: str) -> Path:
    if "://" not in mirror:
        try:
            return Path(mirror).expanduser()
        except RuntimeError as error:  # ~nobody
            raise _MirrorFailure(str(error)) from error
    # By hand: urlsplit would cut a folder's name at # and ?.
    host, slash, path = mirror.partition("://")[2].partition("/")
    if host not in ("", "localhost"):
        raise _MirrorFailure(f"host {host!r}; allowed in a file:// address are none and localhost")
    return Path(urllib.request.url2pathname(slash + path))


def _file_in(folder: Path, file: IdxFile) -> Path:
    """Return the file as it lies in a folder, compressed or not."""
    if not folder.is_dir():
        raise _MirrorFailure("no such folder", unreachable=True)
    for name in stored_names(file):
        if (folder / name).is_file():
            return folder / name
    raise _MirrorFailure(f"no {' or '.join(stored_names(file))} in this folder")


def _file_chunks(opened: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = opened.read(_CHUNK_BYTES)
        except OSError as error:
            raise _MirrorFailure(f"cannot be read: {error.strerror}") from error
        if not chunk:
            return
        yield chunk


def _session(retries: int, backoff_s: float) -> requests.Session:
    retry = Retry(
        total=retries,
        read=False,  # a silent server has had its time; the next mirror is quicker
        other=0,
        backoff_factor=backoff_s,
        backoff_max=_MAX_BACKOFF_S,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,  # the last answer is the reason to report
        respect_retry_after_header=False,  # it may ask for hours
    )
    session = requests.Session()
    session.headers.update(
        {
            "User-Agent": f"filter-twins/{__version__}",
            "Accept-Encoding": "identity",  # compressed once more, a file would not verify
            "Connection": "close",  # a kept one may be gone when the next file is asked for
        }
    )
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


def _get(session: requests.Session, url: str, timeout_s: float) -> requests.Response:
    """Ask for an address; follow redirects by hand, since requests would follow one from https to http."""
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            response = session.get(url, stream=True, timeout=timeout_s, allow_redirects=False)
            redirect = session.get_redirect_target(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
            raise _http_failure(error, timeout_s) from error
        if redirect is None:
            if response.status_code != HTTPStatus.OK:
                response.close()
                raise _MirrorFailure(_status_text(response.status_code))
            return response
        response.close()
        url = _allowed_redirect(url, redirect)
    raise _MirrorFailure(f"redirects more than {_MAX_REDIRECTS} times")


def _allowed_redirect(origin: str, location: str) -> str:
    """Return the address a redirect leads to; refuse to leave https, and all but http(s)."""
    try:
        target = urljoin(origin, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise _MirrorFailure(f"redirects to no address: {error}") from error
    allowed = ("https",) if urlsplit(origin).scheme == "https" else ("http", "https")
    if scheme not in allowed:
        raise _MirrorFailure(f"redirects to {_shown(target)}, refused; allowed is {' or '.join(allowed)}")
    return target


def _body(response: requests.Response, size: int | None, timeout_s: float) -> Iterator[bytes]:
    received = 0
    try:
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            received += len(chunk)
            yield chunk
    except urllib3.exceptions.ReadTimeoutError as error:
        raise _MirrorFailure(f"no byte for {timeout_s:g} s", unreachable=True) from error
    except urllib3.exceptions.HTTPError as error:
        expected = "" if size is None else f" of {size:,}"
        raise _MirrorFailure(f"truncated: the connection ended after {received:,}{expected} bytes") from error


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def _http_failure(error: Exception, timeout_s: float) -> _MirrorFailure:
    if isinstance(error, requests.ConnectTimeout):
        return _MirrorFailure(f"no connection within {timeout_s:g} s", unreachable=True)
    if isinstance(error, requests.ReadTimeout):
        return _MirrorFailure(f"no byte for {timeout_s:g} s", unreachable=True)
    if isinstance(error, requests.ConnectionError):
        return _MirrorFailure(f"no connection: {_root_reason(error)}", unreachable=True)
    return _MirrorFailure(f"{type(error).__name__}: {error}")


def _root_reason(error: BaseException) -> str:
    """Return what the system said, from under the layers of libraries: "Connection refused"."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
