"""IDX files: what makes one genuine, and how to decode it strictly.

The decompressed payload is what is verified, since mirrors compress the files anew.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from filtertwins.errors import StudyError

if TYPE_CHECKING:  # The config's models are slow to import, and only their attributes are needed here.
    from filtertwins.sources import IdxFile


class PayloadError(StudyError, ValueError):
    """A file does not hold the payload it should; the message says how."""


class IdxError(StudyError, ValueError):
    """A payload is no IDX array of whole numbers; the message names the file and the field."""


TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
"""The types of whole numbers that an IDX file may have."""


def sized_payload(stream: IO[bytes], size: int, *, unpack: bool = True) -> bytes:
    """The payload in a stream, decompressed if it is a gzip file; never more than size + 1 bytes are held.

    Args:
        stream: an open file.
        size: the payload's.
        unpack: False where the payload is the file as it is, also if it is a gzip file.

    Raises:
        PayloadError: when it is no whole gzip file, or the payload has another size.
    """
    head = stream.read(512)
    stream.seek(0)
    if re.match(rb"\s*<(!doctype|html|\?xml)", head, re.IGNORECASE):
        raise PayloadError("an HTML page, not a gzip file")
    packed = unpack and head.startswith(b"\x1f\x8b")
    if not unpack and (found_size := stream.seek(0, 2)) != size:
        raise PayloadError(f"a file of {found_size:,} bytes, expected {size:,}")
    stream.seek(0)
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
    """The payload of a stored file, compressed or not; a PayloadError when its size or checksum is wrong."""
    with path.open("rb") as stream:
        payload = sized_payload(stream, file.size, unpack=file.unpacked)
    found = hashlib.sha256(payload).hexdigest()
    if found != file.sha256:
        what = "the decompressed payload" if file.unpacked else "the file"
        raise PayloadError(f"other content: sha256 of {what} is {found}, expected {file.sha256}")
    return payload


def find_verified(folder: Path, file: IdxFile) -> tuple[Path | None, list[str]]:
    """Find a file in a folder by its payload, whatever it is called: programs that unpack it rename it.

    Returns:
        The path, or None; and a sentence about each file that is called much like it, but does not verify.
    """
    reasons: list[str] = []
    try:
        entries = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    except OSError as error:
        return None, [f"{folder} cannot be read: {error.strerror}"]
    visible = [path for path in entries if not path.name.startswith(".")]  # A kill may have left hidden ones.
    for path in sorted(visible, key=lambda path: (not _alike(path.name, file.name), path)):
        try:
            verified_payload(path, file)
            return path, reasons
        except PayloadError as error:
            reason = f"{path} is {error}"
        except OSError as error:
            reason = f"{path} cannot be read: {error.strerror}"
        if _alike(path.name, file.name):
            reasons.append(reason)
    return None, reasons


def _alike(name: str, other: str) -> bool:
    """Whether one name begins like the other, but for punctuation and case: ``train-images.idx3-ubyte (1).gz``."""
    short, long = sorted(re.sub(r"\.gz$|[^a-z0-9]", "", name.lower()) for name in (name, other))
    return long.startswith(short)


def decode_idx(payload: bytes, name: str) -> np.ndarray:
    """Decode an IDX payload of whole numbers, and refuse whatever departs from the format.

    The format is that of the MNIST page: two zero bytes, the element type (0x08 for unsigned bytes; see ``TYPES``), the
    rank, then each dimension as a big-endian 32-bit number, then the elements, the last axis fastest.

    Returns:
        A writable array of the type, rank and dimensions in the header.

    Raises:
        IdxError: when the header or the size is wrong; the message names the file and says what is wrong.
    """
    try:
        zeros, element, rank = struct.unpack_from(">HBB", payload)
        if zeros or element not in TYPES:
            kinds = ", ".join(f"{kind:02x}" for kind in TYPES)
            raise ValueError(f"it begins with 0x{payload[:4].hex()}; allowed is 0x0000, one of {kinds}, and the rank")
        dimensions = struct.unpack_from(f">{rank}I", payload, 4)
        return np.frombuffer(payload, TYPES[element], offset=4 + 4 * rank).reshape(dimensions).copy()
    except (struct.error, ValueError) as error:
        raise IdxError(f"{name}: no IDX array of whole numbers: {error}") from error


def decode_file(folder: Path, file: IdxFile) -> np.ndarray:
    """The array of a verified IDX file in a folder.

    Raises:
        PayloadError: when it is not there, or is not the verified one.
        IdxError: when it is no IDX array of whole numbers.
    """
    path, reasons = find_verified(folder, file)
    if path is None:
        raise PayloadError("; ".join(reasons) or f"{folder / file.name}: no such file; fetch it first")
    return decode_idx(verified_payload(path, file), file.name)
