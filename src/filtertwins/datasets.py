"""Image data sets: fetch and verify IDX files, decode them strictly, or load the embedded digits.

What is verified is the decompressed payload, since mirrors recompress the files. Nothing here takes another
data set when one cannot be had.
"""

import gzip
import hashlib
import math
import re
import sys
import urllib.request
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn
from urllib.parse import quote, urljoin, urlsplit

import numpy as np
import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from filtertwins import __version__
from filtertwins.files import Shape, atomic_write

SITE_MIRROR_VARIABLE = "FILTERTWINS_MIRROR"
"""The environment variable that names a mirror to try before all others."""

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08  # the element type in an IDX magic number
_MAX_RANK = 32  # numpy has had this limit the longest
_MAX_COMPRESSION_OVERHEAD = 2**20
_MAX_REDIRECTS = 5
_MAX_BACKOFF_S = 30.0
_CHUNK_BYTES = 2**16
_CLASSES = 10
_DIGITS_MAXIMUM = 16  # scikit-learn's scans count the dark ones of 4 x 4 pixels
_DIGITS_RANDOM_STATE = 20200401


class DownloadError(RuntimeError):
    """No mirror had a file that verifies; the message lists every file, every mirror and its reason."""


class PayloadError(ValueError):
    """A file does not hold the payload it should; the message says how."""


class IdxError(ValueError):
    """A payload is not a valid IDX array of unsigned bytes; the message names the file and the field."""


@dataclass(frozen=True)
class IdxFile:
    """One IDX file of a data set.

    Attributes:
        name: The file's name at the mirrors and in the data folder, such as ``train-images-idx3-ubyte.gz``.
        sha256: SHA-256 of the decompressed payload, 64 hexadecimal digits.
        size: Bytes of the decompressed payload.

    Raises:
        ValueError: When the name is more than a file name, or the checksum or size cannot be one.
    """

    name: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        # The name comes from a config and becomes part of a path: it must not lead out of the folder.
        if not re.fullmatch(r"[^/\\:\0]+", self.name) or self.name.startswith("."):
            raise ValueError(f"name: {self.name!r}; allowed is a plain file name")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            raise ValueError(f"sha256 of {self.name}: {self.sha256!r}; allowed are 64 hexadecimal digits")
        if self.size < 1:
            raise ValueError(f"size of {self.name}: {self.size}; allowed is a count of bytes, at least 1")


class IdxFiles(NamedTuple):
    """The four files of an IDX data set, each in its role."""

    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile


DATASET_SHAPES: dict[str, Shape] = {
    "train_images": ("train", "row", "column"),
    "train_labels": ("train",),
    "validation_images": ("validation", "row", "column"),
    "validation_labels": ("validation",),
    "test_images": ("test", "row", "column"),
    "test_labels": ("test",),
}
"""The shapes of :meth:`Dataset.to_arrays`, for :func:`filtertwins.files.read_npz`."""


@dataclass(frozen=True, eq=False)  # comparing arrays with == has no single truth value
class Dataset:
    """Images and labels in three splits, all uint8.

    Attributes:
        train_images: Shape (image, row, column).
        train_labels: Shape (image,), values 0 to 9.
        validation_images: As the training images; what choices are made on.
        validation_labels: As the training labels.
        test_images: As the training images; looked at once.
        test_labels: As the training labels.

    Raises:
        ValueError: When an array has another dtype or rank, a split is empty, images and labels differ in
            number, a label is above 9, or the splits differ in image size. The message names the array.
    """

    train_images: np.ndarray  # (image, row, column)
    train_labels: np.ndarray  # (image,)
    validation_images: np.ndarray  # (image, row, column)
    validation_labels: np.ndarray  # (image,)
    test_images: np.ndarray  # (image, row, column)
    test_labels: np.ndarray  # (image,)

    def __post_init__(self) -> None:
        for split in ("train", "validation", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            _check_array(f"{split}_images", images, ("image", "row", "column"))
            _check_array(f"{split}_labels", labels, ("image",))
            if len(images) != len(labels):
                raise ValueError(
                    f"{split}: {len(images)} images but {len(labels)} labels; allowed is one each"
                )
            if labels.max() >= _CLASSES:
                raise ValueError(f"{split}_labels: label {labels.max()}; allowed are 0 to {_CLASSES - 1}")
            if images.shape[1:] != self.train_images.shape[1:]:
                raise ValueError(
                    f"{split}_images: images of {_size_text(images)} pixels; allowed is one size, that of "
                    f"train_images, {_size_text(self.train_images)}"
                )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the six arrays by name, for :func:`filtertwins.files.write_npz`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Dataset":
        """Build a data set from the arrays of :meth:`to_arrays`; others are left aside.

        Raises:
            ValueError: When an array is missing, or as the class says.
        """
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in arrays]:
            raise ValueError(
                f"arrays missing: {', '.join(missing)}; found: {', '.join(sorted(arrays)) or 'none'}"
            )
        return cls(**{name: arrays[name] for name in names})


def _check_array(name: str, array: np.ndarray, axes: tuple[str, ...]) -> None:
    if array.dtype != np.uint8:
        raise ValueError(f"{name}: dtype {array.dtype}; allowed is uint8")
    if array.ndim != len(axes) or array.size == 0:
        raise ValueError(f"{name}: shape {array.shape}; allowed is ({', '.join(axes)}), none of them 0")


def _size_text(images: np.ndarray) -> str:
    return "x".join(map(str, images.shape[1:]))


# Fetching


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
            path, reasons = _find_verified(folder, file)
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
            _verified_payload(stored, file)
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
    with tqdm(
        desc=file.name, total=source.size, unit="B", unit_scale=True, file=sys.stderr, disable=not bar
    ) as drawn:
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
def _open_mirror(
    session: requests.Session, mirror: str, file: IdxFile, timeout_s: float
) -> Iterator[_Source]:
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


# A folder as mirror


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
    for name in _stored_names(file):
        if (folder / name).is_file():
            return folder / name
    raise _MirrorFailure(f"no {' or '.join(_stored_names(file))} in this folder")


def _file_chunks(opened: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = opened.read(_CHUNK_BYTES)
        except OSError as error:
            raise _MirrorFailure(f"cannot be read: {error.strerror}") from error
        if not chunk:
            return
        yield chunk


# A web server as mirror


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


# Verifying


def read_payload(path: Path, size: int) -> bytes:
    """Read a file's payload, decompressed if it is a gzip file, never holding more than size + 1 bytes.

    Args:
        path: The file, compressed or not; its first bytes tell, not its name.
        size: Bytes the payload must have.

    Raises:
        PayloadError: When it is no whole gzip file or the payload has another size; the message names it.
        OSError: When the file cannot be read.
    """
    with Path(path).open("rb") as stream:
        try:
            return _sized_payload(stream, size)
        except PayloadError as error:
            raise PayloadError(f"{path}: {error}") from error


def _sized_payload(stream: IO[bytes], size: int) -> bytes:
    head = stream.read(512)
    stream.seek(0)
    if not head.startswith(_GZIP_MAGIC):
        if re.match(rb"\s*<(!doctype|html|\?xml)", head, re.IGNORECASE):
            raise PayloadError("an HTML page, not a gzip file")
        payload = stream.read(size + 1)
        if len(payload) != size:
            found = f"{len(payload):,}" if len(payload) < size else f"more than {size:,}"
            raise PayloadError(f"neither a gzip file nor the bare payload: {found} bytes, expected {size:,}")
        return payload
    try:
        with gzip.GzipFile(fileobj=stream) as decompressed:
            payload = decompressed.read(size + 1)
    except EOFError as error:
        raise PayloadError("a truncated gzip file") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise PayloadError(f"a damaged gzip file ({error})") from error
    if len(payload) > size:
        raise PayloadError(f"a gzip file that decompresses to more than the expected {size:,} bytes")
    if len(payload) < size:
        raise PayloadError(f"a gzip file that decompresses to {len(payload):,} bytes, expected {size:,}")
    return payload


def _verified_payload(stream: IO[bytes], file: IdxFile) -> bytes:
    payload = _sized_payload(stream, file.size)
    found = hashlib.sha256(payload).hexdigest()
    if found != file.sha256.lower():
        raise PayloadError(
            f"other content: sha256 of the decompressed payload is {found}, expected {file.sha256}"
        )
    return payload


def _stored_names(file: IdxFile) -> tuple[str, ...]:
    return tuple(dict.fromkeys((file.name, file.name.removesuffix(".gz"))))


def _find_verified(folder: Path, file: IdxFile) -> tuple[Path | None, list[str]]:
    """Return the file in the folder that verifies, if any, and why others that are there do not."""
    reasons: list[str] = []
    for name in _stored_names(file):
        path = folder / name
        if not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                _verified_payload(stream, file)
            return path, reasons
        except PayloadError as error:
            reasons.append(f"{path}: is {error}")
        except OSError as error:
            reasons.append(f"{path}: cannot be read: {error.strerror}")
    return None, reasons


# Decoding


def decode_idx(payload: bytes, name: str) -> np.ndarray:
    """Decode an IDX payload of unsigned bytes, refusing whatever departs from the format.

    The format, as the MNIST page described it: two zero bytes, the element type (0x08 for unsigned bytes),
    the rank, then each dimension as a big-endian 32-bit number, then the elements, the last axis fastest.

    Args:
        payload: The decompressed bytes.
        name: The file's name, for the messages.

    Returns:
        A writable uint8 array of the rank and dimensions in the header.

    Raises:
        IdxError: When the magic, element type, rank, a dimension or the size is wrong. Nothing is allocated
            before the size in the header was found to be that of the payload.
    """

    def refuse(field: str, found: object, allowed: str) -> NoReturn:
        raise IdxError(f"{name}: {field} is {found}; allowed is {allowed}")

    if len(payload) < 4:
        refuse("size", f"{len(payload)} bytes", "at least 4, the magic number")
    if payload[:2] != b"\0\0":
        refuse("magic", f"0x{payload[:4].hex()}", "two zero bytes first")
    if payload[2] != _UNSIGNED_BYTE:
        refuse("element type", f"0x{payload[2]:02x}", f"0x{_UNSIGNED_BYTE:02x}, unsigned bytes")
    rank = payload[3]
    if not 1 <= rank <= _MAX_RANK:
        refuse("rank", rank, f"1 to {_MAX_RANK}")
    header_bytes = 4 + 4 * rank
    if len(payload) < header_bytes:
        refuse("size", f"{len(payload)} bytes", f"at least {header_bytes}, the header of rank {rank}")
    dimensions = [int.from_bytes(payload[at : at + 4], "big") for at in range(4, header_bytes, 4)]
    if 0 in dimensions:
        refuse(f"dimension {dimensions.index(0)}", 0, "1 or more")
    # math.prod counts in Python's integers, which do not overflow.
    if len(payload) != (expected := header_bytes + math.prod(dimensions)):
        sizes = "x".join(map(str, dimensions))
        refuse("size", f"{len(payload):,} bytes", f"{expected:,}, as the dimensions {sizes} say")
    return np.frombuffer(payload, np.uint8, offset=header_bytes).reshape(dimensions).copy()


def decode_idx_dataset(folder: Path, files: Sequence[IdxFile], *, validation_images: int) -> Dataset:
    """Decode four verified IDX files into a data set.

    Args:
        folder: Where :func:`fetch_idx_files` put them.
        files: An :class:`IdxFiles`, or four files in its order: training images, training labels, test
            images, test labels.
        validation_images: How many of the training images, the last ones, become the validation split.

    Raises:
        PayloadError: When a file is not there, or is not the verified one.
        IdxError: When a file is no IDX array, or of another rank than its role has.
        ValueError: When there are not four files, images and labels do not agree, or the validation split
            would leave no training image.
    """
    if len(files) != len(IdxFiles._fields):
        raise ValueError(f"files: {len(files)} are given; allowed are 4: {', '.join(IdxFiles._fields)}")
    roles = IdxFiles(*files)
    train_images = _decode_file(folder, roles.train_images, rank=3)  # (image, row, column)
    train_labels = _decode_file(folder, roles.train_labels, rank=1)  # (image,)
    _check_counts(roles.train_images, train_images, roles.train_labels, train_labels)
    test_images = _decode_file(folder, roles.test_images, rank=3)  # (image, row, column)
    test_labels = _decode_file(folder, roles.test_labels, rank=1)  # (image,)
    _check_counts(roles.test_images, test_images, roles.test_labels, test_labels)
    if not 1 <= validation_images < len(train_images):
        raise ValueError(
            f"validation_images: {validation_images}; allowed is 1 to {len(train_images) - 1}, fewer than "
            f"the images in {roles.train_images.name}"
        )
    split = len(train_images) - validation_images
    return Dataset(
        train_images=train_images[:split],
        train_labels=train_labels[:split],
        validation_images=train_images[split:],
        validation_labels=train_labels[split:],
        test_images=test_images,
        test_labels=test_labels,
    )


def _decode_file(folder: Path, file: IdxFile, *, rank: int) -> np.ndarray:
    path, reasons = _find_verified(Path(folder), file)
    if path is None:
        raise PayloadError("; ".join(reasons) or f"{Path(folder) / file.name}: no such file; fetch it first")
    array = decode_idx(read_payload(path, file.size), file.name)
    if array.ndim != rank:
        raise IdxError(f"{file.name}: rank is {array.ndim}; allowed is {rank} in this role")
    return array


def _check_counts(images_file: IdxFile, images: np.ndarray, labels_file: IdxFile, labels: np.ndarray) -> None:
    if len(images) != len(labels):
        raise ValueError(
            f"{images_file.name} has {len(images):,} images but {labels_file.name} {len(labels):,} labels; "
            "allowed is one label for each image"
        )


# The embedded data


def load_digits() -> Dataset:
    """Return scikit-learn's bundled handwritten digits (Alpaydin & Kaynak 1998), brought to MNIST's form.

    The 1,797 scans of 8x8 pixels with values 0 to 16 are scaled to 0 to 255, each pixel enlarged three times
    to 24x24, and padded with two zeros on each side to 28x28. The split is always the same, and stratified
    by class: 1,257 training, 180 validation and 360 test images.
    """
    from sklearn import datasets, model_selection  # here, since it is slow to import and not needed otherwise

    bunch: Any = datasets.load_digits()
    images = _as_mnist_form(bunch.images)  # (image, row, column)
    labels = bunch.target.astype(np.uint8)  # (image,)

    def split_off(indices: np.ndarray, images_off: int) -> list[np.ndarray]:
        return list(
            model_selection.train_test_split(
                indices, test_size=images_off, stratify=labels[indices], random_state=_DIGITS_RANDOM_STATE
            )
        )

    rest, test = split_off(np.arange(len(labels)), 360)
    train, validation = split_off(rest, 180)
    return Dataset(
        train_images=images[train],
        train_labels=labels[train],
        validation_images=images[validation],
        validation_labels=labels[validation],
        test_images=images[test],
        test_labels=labels[test],
    )


def _as_mnist_form(scans: np.ndarray) -> np.ndarray:
    """Bring scans (image, 8, 8) with values 0 to 16 to uint8 images (image, 28, 28)."""
    scaled = np.rint(scans * (255 / _DIGITS_MAXIMUM)).astype(np.uint8)
    enlarged = scaled.repeat(3, axis=1).repeat(3, axis=2)
    return np.pad(enlarged, ((0, 0), (2, 2), (2, 2)))
