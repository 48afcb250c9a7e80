"""IDX files: what makes one whole and genuine, and how to decode it strictly.

What is verified is the decompressed payload, since mirrors recompress the files.
"""

import gzip
import hashlib
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from filtertwins.errors import StudyError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08  # the element type in an IDX magic number
_MAX_RANK = 32  # numpy has had this limit the longest


class PayloadError(StudyError, ValueError):
    """A file does not hold the payload it should; the message says how."""


class IdxError(StudyError, ValueError):
    """A payload is not a valid IDX array of unsigned bytes; the message names the file and the field."""


@dataclass(frozen=True)
class IdxFile:
    """One IDX file of a dataset.

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
    """The four files of an IDX dataset, each in its role."""

    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile


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
            return sized_payload(stream, size)
        except PayloadError as error:
            raise PayloadError(f"{path}: {error}") from error


def sized_payload(stream: IO[bytes], size: int) -> bytes:
    """The payload at the start of a stream, if it has exactly `size` bytes; see :func:`read_payload`."""
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


def verified_payload(stream: IO[bytes], file: IdxFile) -> bytes:
    """The payload at the start of a stream, if it is the file's, by size and checksum.

    Raises:
        PayloadError: When it is not; the message says how it differs.
    """
    payload = sized_payload(stream, file.size)
    found = hashlib.sha256(payload).hexdigest()
    if found != file.sha256.lower():
        raise PayloadError(f"other content: sha256 of the decompressed payload is {found}, expected {file.sha256}")
    return payload


def stored_names(file: IdxFile) -> tuple[str, ...]:
    """The names under which a folder may hold the file: as served, and decompressed."""
    return tuple(dict.fromkeys((file.name, file.name.removesuffix(".gz"))))


def find_verified(folder: Path, file: IdxFile) -> tuple[Path | None, list[str]]:
    """Return the file in the folder that verifies, if any, and why others that are there do not."""
    reasons: list[str] = []
    for name in stored_names(file):
        path = folder / name
        if not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                verified_payload(stream, file)
            return path, reasons
        except PayloadError as error:
            reasons.append(f"{path}: is {error}")
        except OSError as error:
            reasons.append(f"{path}: cannot be read: {error.strerror}")
    return None, reasons


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
