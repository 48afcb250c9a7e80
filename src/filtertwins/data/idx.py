"""IDX files: what makes one genuine, and how to decode it strictly.

The decompressed payload is what is verified, since mirrors compress the files anew.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from filtertwins.errors import StudyError

if TYPE_CHECKING:  # The config's models are slow to import, and only their attributes are needed here.
    from filtertwins.settings import IdxFile

_UNSIGNED_BYTE = 0x08  # the element type in an IDX magic number
_MAX_RANK = 32  # Every version of numpy allows that many axes.


class PayloadError(StudyError, ValueError):
    """A file does not hold the payload it should; the message says how."""


class IdxError(StudyError, ValueError):
    """A payload is no IDX array of unsigned bytes; the message names the file and the field."""


def sized_payload(stream: IO[bytes], size: int) -> bytes:
    """The payload in a stream, decompressed if it is a gzip file; never more than size + 1 bytes are held.

    Raises:
        PayloadError: when it is no whole gzip file, or the payload has another size.
    """
    head = stream.read(512)
    stream.seek(0)
    if re.match(rb"\s*<(!doctype|html|\?xml)", head, re.IGNORECASE):
        raise PayloadError("an HTML page, not a gzip file")
    packed = head.startswith(b"\x1f\x8b")
    try:
        payload = (gzip.GzipFile(fileobj=stream) if packed else stream).read(size + 1)
    except EOFError as error:
        raise PayloadError("a truncated gzip file") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise PayloadError(f"a damaged gzip file ({error})") from error
    if len(payload) != size:
        kind = "a gzip file that decompresses to" if packed else "neither a gzip file nor the bare payload:"
        found = f"{len(payload):,} bytes," if len(payload) < size else "more than the"
        raise PayloadError(f"{kind} {found} expected {size:,} bytes")
    return payload


def verified_payload(path: Path, file: IdxFile) -> bytes:
    """The payload of a stored file, compressed or not, if its size and checksum are right.

    Raises:
        PayloadError: when they are not; the message completes a sentence such as "the mirror sent ...".
        OSError: when the file cannot be read.
    """
    with path.open("rb") as stream:
        payload = sized_payload(stream, file.size)
    found = hashlib.sha256(payload).hexdigest()
    if found != file.sha256:
        raise PayloadError(f"other content: sha256 of the decompressed payload is {found}, expected {file.sha256}")
    return payload


def find_verified(folder: Path, file: IdxFile) -> tuple[Path | None, list[str]]:
    """The path of the file in a folder, as served or decompressed, and a sentence about each that does not verify."""
    reasons: list[str] = []
    for name in dict.fromkeys((file.name, file.name.removesuffix(".gz"))):
        path = folder / name
        if path.is_file():
            try:
                verified_payload(path, file)
                return path, reasons
            except PayloadError as error:
                reasons.append(f"{path} is {error}")
            except OSError as error:
                reasons.append(f"{path} cannot be read: {error.strerror}")
    return None, reasons


def decode_idx(payload: bytes, name: str) -> np.ndarray:
    """Decode an IDX payload of unsigned bytes, and refuse whatever departs from the format.

    The format is that of the MNIST page: two zero bytes, the element type (0x08 for unsigned bytes), the rank, then
    each dimension as a big-endian 32-bit number, then the elements, the last axis fastest.

    Returns:
        A writable uint8 array of the rank and dimensions in the header.

    Raises:
        IdxError: when the header or the size is wrong; the message names the file and the field. Nothing is allocated
            before the size that the header promises was found to be that of the payload.
    """

    def check(right: bool, field: str, found: object, allowed: str) -> None:
        if not right:
            raise IdxError(f"{name}: {field} is {found}; allowed is {allowed}")

    size = f"{len(payload):,} bytes"
    check(len(payload) >= 4, "size", size, "at least 4, the magic number")
    check(payload[:2] == b"\0\0", "magic", f"0x{payload[:4].hex()}", "two zero bytes first")
    check(payload[2] == _UNSIGNED_BYTE, "element type", f"0x{payload[2]:02x}", "0x08, unsigned bytes")
    rank = payload[3]
    check(1 <= rank <= _MAX_RANK, "rank", rank, f"1 to {_MAX_RANK}")
    header = 4 + 4 * rank
    check(len(payload) >= header, "size", size, f"at least {header}, the header of rank {rank}")
    dimensions = [int.from_bytes(payload[at : at + 4], "big") for at in range(4, header, 4)]
    check(0 not in dimensions, "a dimension", 0, "1 or more")
    whole = header + math.prod(dimensions)  # Python's integers do not overflow.
    check(len(payload) == whole, "size", size, f"{whole:,}, as the dimensions {dimensions} say")
    return np.frombuffer(payload, np.uint8, offset=header).reshape(dimensions).copy()
