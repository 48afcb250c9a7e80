"""Downloading: each IDX file from the first mirror that serves it intact.

pooch does the downloading, the retries and the progress bar. Here is what it lacks: other mirrors, a check of the
decompressed payload, a limit of size, no way from https to http, and one error that says why each mirror failed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

import pooch
import requests

from filtertwins import __version__
from filtertwins.data.idx import PayloadError, find_verified, verified_payload
from filtertwins.errors import StudyError
from filtertwins.files import atomic_write

if TYPE_CHECKING:
    from filtertwins.settings import IdxFile

SITE_MIRROR_VARIABLE = "FILTERTWINS_MIRROR"
"""The environment variable that names a mirror to try before all others."""

_MAX_COMPRESSION_OVERHEAD = 2**20  # A compressed file is never much longer than its content.
_CHUNK_BYTES = 2**16
_TRANSIENT = (429, 500, 502, 503, 504)
_HEADERS = {"User-Agent": f"filter-twins/{__version__}", "Accept-Encoding": "identity"}


class DownloadError(StudyError, RuntimeError):
    """No mirror had a file that verifies; the message lists every file, every mirror and its reason."""


class _MirrorFailure(Exception):  # noqa: N818 - It never leaves this module.
    """Why a mirror did not give a file; `gone` when it will not give another file either."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


def mirrors_with_site_mirror(mirrors: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The mirrors in their order, after the one that ``FILTERTWINS_MIRROR`` names, if it names one."""
    site_mirror = environment.get(SITE_MIRROR_VARIABLE, "").strip()
    return tuple(dict.fromkeys([site_mirror, *mirrors] if site_mirror else mirrors))


def fetch_idx_files(
    files: Sequence[IdxFile], mirrors: Sequence[str], folder: Path, *, timeout_s: float = 20.0, retries: int = 3
) -> None:
    """Bring IDX files into a folder, each from the first mirror whose payload verifies.

    A file that is there already, compressed or not, and verifies is not fetched. A mirror that gave no connection or
    no answer is not asked for the other files. A file takes its name in the folder only when its decompressed payload
    has been verified; whatever does not verify is removed.

    Args:
        files: the files to have.
        mirrors: tried in this order; each a folder (``~`` allowed), a ``file://`` or an ``http(s)://`` address.
        folder: where the files go.
        timeout_s: the longest wait for a connection, and for the next byte.
        retries: how often a broken connection, or an answer of 429 or 5xx, is tried again at one mirror.

    Raises:
        DownloadError: when no mirror gave some file; it lists each with its reason and the ways out.
        OSError: when the folder cannot be written.
    """
    for file in files:  # The names come from a config, and become a part of paths.
        if not re.fullmatch(r"[^./\\:\0][^/\\:\0]*", file.name):
            raise DownloadError(f"name: {file.name!r}; allowed is a plain file name")
    folder = Path(folder)
    gone: dict[str, str] = {}  # each mirror that gave no connection, and the reason
    failures: dict[str, list[str]] = {}  # each file that no mirror gave, and the reasons
    for file in files:
        path, reasons = find_verified(folder, file)
        if path is not None:
            continue
        for mirror in mirrors:
            shown = _shown(mirror)
            try:
                if mirror in gone:
                    raise _MirrorFailure(f"{gone[mirror]} (not asked again)")
                print(f"{file.name}: fetching from {shown}", file=sys.stderr)
                if mirror.lower().startswith(("http://", "https://")):
                    _download(f"{mirror.rstrip('/')}/{quote(file.name)}", file, folder, timeout_s, retries)
                else:
                    _copy(mirror, file, folder)
                break
            except _MirrorFailure as failure:
                if failure.gone:
                    gone[mirror] = str(failure)
                reasons.append(f"{shown}: {failure}")
                print(f"{file.name}: not from {reasons[-1]}", file=sys.stderr)
        else:
            failures[file.name] = reasons or ["no mirror is given"]
    if failures:
        lines = [f"{len(failures)} of {len(files)} data files could not be had:"]
        for name, reasons in failures.items():
            lines += [f"  {name}", *(f"    {reason}" for reason in reasons)]
        lines += [
            "Two ways out:",
            f"  put the {len(files)} files into {folder}/ ({', '.join(file.name for file in files)}), or",
            "  run on the embedded data: --config dataset=digits",
        ]
        raise DownloadError("\n".join(lines))


def _copy(mirror: str, file: IdxFile, folder: Path) -> None:
    if mirror.startswith("file://"):
        mirror = urllib.request.url2pathname(mirror.removeprefix("file://").removeprefix("localhost"))
    source = Path(os.path.expanduser(mirror))  # noqa: PTH111 - Path.expanduser fails for a user who does not exist.
    if not source.is_dir():
        raise _MirrorFailure("neither a folder nor an http(s) address", gone=True)
    path, reasons = find_verified(source, file)
    if path is None:
        raise _MirrorFailure("; ".join(reasons) or f"no {file.name} in this folder, compressed or not")
    with atomic_write(folder / file.name) as target, path.open("rb") as content:
        shutil.copyfileobj(content, target)


def _download(url: str, file: IdxFile, folder: Path, timeout_s: float, retries: int) -> None:
    limit = file.size + _MAX_COMPRESSION_OVERHEAD

    def check_redirect(response: requests.Response, *_: object, **__: object) -> None:
        """Refuse a redirect before it is followed."""
        if response.is_redirect:
            target = urljoin(response.url, response.headers["Location"])
            allowed = ("https",) if urlsplit(response.url).scheme == "https" else ("http", "https")
            if urlsplit(target).scheme not in allowed:
                raise _MirrorFailure(f"redirects to {_shown(target)}, refused; allowed is {' or '.join(allowed)}")
            response.close()  # requests would read the page that comes with the redirect, however long it is.

    get = pooch.HTTPDownloader(
        sys.stderr.isatty(), _CHUNK_BYTES, timeout=timeout_s, headers=_HEADERS, hooks={"response": check_redirect}
    )

    def download(url: str, output: str, _: object) -> None:
        try:
            with Path(output).open("wb") as stream:
                get(url, _Limited(stream, limit), None)
        except requests.RequestException as error:
            failure, transient = _failure(error, timeout_s)
            if transient:
                raise  # pooch tries again after such an error.
            raise failure from error

    scratch = folder / ".download"
    shutil.rmtree(scratch, ignore_errors=True)  # A killed run may have left it.
    pooch.get_logger().setLevel("WARNING")  # Its other messages tell the address with the password.
    try:
        scratch.mkdir(parents=True)
        cache = pooch.Pooch(scratch, "", {file.name: None}, {file.name: url}, retries)
        path = Path(cache.fetch(file.name, downloader=download))
        verified_payload(path, file)
        path.replace(folder / file.name)
    except PayloadError as error:
        raise _MirrorFailure(f"sent {error}") from error
    except (requests.RequestException, ValueError) as error:
        raise _failure(error, timeout_s)[0] from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder / file.name)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Limited:
    """A file that takes no more than so many bytes of an answer."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self.flush = stream, limit, stream.flush

    def write(self, chunk: bytes) -> None:
        if self._stream.tell() + len(chunk) > self._limit:
            raise _MirrorFailure(f"sent more than {self._limit:,} bytes")
        self._stream.write(chunk)


def _failure(error: Exception, timeout_s: float) -> tuple[_MirrorFailure, bool]:
    """What happened, without the address and what it may contain; and whether another try may help."""
    root: BaseException = error  # What the system said lies under the layers of libraries.
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    said = (isinstance(root, OSError) and root.strerror) or str(root) or type(root).__name__
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return _MirrorFailure(f"{status} {error.response.reason}"), status in _TRANSIENT
    if isinstance(error, requests.ConnectTimeout):
        return _MirrorFailure(f"no connection within {timeout_s:g} s", gone=True), False
    if isinstance(root, TimeoutError):  # The server has had its time; the next mirror is quicker.
        return _MirrorFailure(f"no byte for {timeout_s:g} s", gone=True), False
    if isinstance(error, requests.ConnectionError):
        return _MirrorFailure(f"no connection: {said}", gone=True), True
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return _MirrorFailure(f"truncated: {said}"), True
    return _MirrorFailure(f"unusable address or answer ({type(error).__name__})"), False


def _shown(address: str) -> str:
    """The address as it may be logged: without a user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
