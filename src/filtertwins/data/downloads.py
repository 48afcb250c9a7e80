"""Downloading: each IDX file from the first mirror that serves it intact.

pooch downloads, tries again and shows progress. Here is what it lacks: other mirrors, a check of the decompressed
payload, a limit of size, no way from https to http, and one error that says why each mirror failed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import url2pathname

import pooch
import requests

from filtertwins import __version__
from filtertwins.data.idx import PayloadError, find_verified, verified_payload
from filtertwins.errors import StudyError
from filtertwins.files import atomic_write

if TYPE_CHECKING:
    from filtertwins.sources import IdxFile

_MAX_COMPRESSION_OVERHEAD = 2**20  # A compressed file is never much longer than its content.
_HEADERS = {"User-Agent": f"filter-twins/{__version__}", "Accept-Encoding": "identity"}


class DownloadError(StudyError, RuntimeError):
    """No mirror had a file that verifies; the message lists every file, every mirror and its reason."""


class _MirrorError(Exception):
    """Why a mirror did not give a file."""


class _PassingError(_MirrorError, ValueError):
    """Another try may help; pooch tries again after any ValueError."""


def mirrors_with_site_mirror(mirrors: Sequence[str], dataset: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The mirrors in their order, after the one that ``FILTERTWINS_MIRROR`` names, if it names one.

    That one may serve several datasets, whose files often have the same names. So it is asked for a folder of the
    dataset's name first.
    """
    site_mirror = environment.get("FILTERTWINS_MIRROR", "").strip()
    return tuple(
        dict.fromkeys([f"{site_mirror.rstrip('/')}/{dataset}", site_mirror, *mirrors] if site_mirror else mirrors)
    )


def fetch_idx_files(
    files: Sequence[IdxFile], mirrors: Sequence[str], folder: Path, *, timeout_s: float = 20.0, retries: int = 3
) -> None:
    """Bring IDX files into a folder, each from the first mirror whose decompressed payload verifies.

    A file that is there already, compressed or not and under any name, is not fetched. A mirror that could not be
    reached is not asked for the other files. Whatever does not verify never takes a file's name, and is removed.

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
    names = [file.name for file in files]
    for name in names:  # The names come from a config, and become a part of paths.
        if not re.fullmatch(r"[^./\\:\0][^/\\:\0]*", name) or names.count(name) > 1:
            raise DownloadError(f"name: {name!r}; allowed is a plain file name, of one file only")
    unreachable: dict[str, str] = {}  # each machine that gave no connection or no answer, and the reason
    failures: list[str] = []
    for file in files:
        path, reasons = find_verified(Path(folder), file)
        if path is not None:
            if path.name != file.name:
                print(f"{file.name}: found as {path}", file=sys.stderr)
            continue
        for mirror in mirrors:
            machine = urlsplit(mirror).netloc or mirror
            try:
                if machine in unreachable:
                    raise _MirrorError(f"{unreachable[machine]} (not asked again)")
                print(f"{file.name}: fetching from {_shown(mirror)}", file=sys.stderr)
                _fetch(mirror, file, Path(folder), timeout_s, retries)
                break
            except _MirrorError as failure:
                reasons.append(f"{_shown(mirror)}: {failure}")
                print(f"{file.name}: not from {reasons[-1]}", file=sys.stderr)
                if isinstance(failure.__cause__, requests.ConnectionError | requests.Timeout):
                    unreachable[machine] = str(failure)
        else:
            failures.append("\n    ".join([f"  {file.name}", *(reasons or ["no mirror is given"])]))
    if failures:
        raise DownloadError(
            f"{len(failures)} of {len(files)} data files could not be had:\n" + "\n".join(failures) + "\nTwo ways out:"
            f"\n  put the {len(files)} files into {folder}/ ({', '.join(names)}), or"
            "\n  run on the embedded data: --config dataset=digits"
        )
    if any(find_verified(Path(folder), file)[0] is None for file in files):  # One had the name of a fetched one.
        fetch_idx_files(files, mirrors, folder, timeout_s=timeout_s, retries=retries)


def _fetch(mirror: str, file: IdxFile, folder: Path, timeout_s: float, retries: int) -> None:
    """Bring one file from one mirror, verified, to its place in the folder."""
    target = folder / file.name
    if not mirror.lower().startswith(("http://", "https://")):
        source = _find_in_folder(mirror, file)
        with atomic_write(target) as copy, source.open("rb") as content:
            shutil.copyfileobj(content, copy)
        return
    scratch = folder / ".download"
    shutil.rmtree(scratch, ignore_errors=True)  # A killed run may have left it.
    try:
        scratch.mkdir(parents=True)
        path = _download(f"{mirror.rstrip('/')}/{quote(file.name)}", scratch, file, timeout_s, retries)
        verified_payload(path, file)
        path.replace(target)
    except PayloadError as error:
        raise _MirrorError(f"sent {error}") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _find_in_folder(mirror: str, file: IdxFile) -> Path:
    if mirror.startswith("file://"):
        mirror = url2pathname(mirror.removeprefix("file://").removeprefix("localhost"))
    folder = Path(os.path.expanduser(mirror))  # noqa: PTH111 - Path.expanduser fails for a user who does not exist.
    if not folder.is_dir():
        raise _MirrorError("neither a folder nor an http(s) address")
    path, reasons = find_verified(folder, file)
    if path is None:
        raise _MirrorError("; ".join(reasons) or f"no {file.name} in this folder, compressed or not")
    return path


def _download(url: str, scratch: Path, file: IdxFile, timeout_s: float, retries: int) -> Path:
    hooks = {"response": _check_redirect}
    get = pooch.HTTPDownloader(sys.stderr.isatty(), 2**16, timeout=timeout_s, headers=_HEADERS, hooks=hooks)

    def download(url: str, output: str, _: object) -> None:
        try:
            with Path(output).open("wb") as stream:
                get(url, _Limited(stream, file.size + _MAX_COMPRESSION_OVERHEAD), None)
        except (requests.RequestException, ValueError) as error:
            raise _failure(error, timeout_s) from error

    pooch.get_logger().setLevel("WARNING")  # Its other messages tell the address with the password.
    cache = pooch.Pooch(scratch, "", {file.name: None}, {file.name: url}, retries)
    return Path(cache.fetch(file.name, downloader=download))


def _check_redirect(response: requests.Response, *_: object, **__: object) -> None:
    """Refuse a redirect from https to http, or to another kind of address, before it is followed."""
    if response.is_redirect:
        target = urljoin(response.url, response.headers["Location"])
        allowed = dict.fromkeys((urlsplit(response.url).scheme, "https"))
        if urlsplit(target).scheme not in allowed:
            raise _MirrorError(f"redirects to {_shown(target)}, refused; allowed is {' or '.join(allowed)}")
        response.close()  # requests would read the page that comes with the redirect, however long it is.


class _Limited:
    """A file that takes no more than so many bytes of an answer."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self.flush = stream, limit, stream.flush

    def write(self, chunk: bytes) -> None:
        if self._stream.tell() + len(chunk) > self._limit:
            raise _MirrorError(f"sent more than {self._limit:,} bytes")
        self._stream.write(chunk)


def _failure(error: Exception, timeout_s: float) -> _MirrorError:
    """What happened, without the address, which may contain a password."""
    root: BaseException = error  # What the system said lies under the layers of libraries.
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    if isinstance(error, requests.HTTPError):
        kind = _PassingError if error.response.status_code in (429, 500, 502, 503, 504) else _MirrorError
        return kind(f"{error.response.status_code} {error.response.reason}")
    if isinstance(root, TimeoutError):  # The server has had its time; the next mirror is quicker.
        what = "no connection within" if isinstance(error, requests.ConnectTimeout) else "no byte for"
        return _MirrorError(f"{what} {timeout_s:g} s")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        what = "no connection" if isinstance(error, requests.ConnectionError) else "truncated"
        return _PassingError(f"{what}: {getattr(root, 'strerror', None) or str(root) or type(root).__name__}")
    kind = _MirrorError if isinstance(error, requests.RequestException) else _PassingError
    return kind(f"unusable address or answer ({type(error).__name__})")


def _shown(address: str) -> str:
    """The address as it may be logged: without a user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
