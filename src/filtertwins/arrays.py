"""NumPy's files as anybody writes them: what they hold, and their arrays. Nothing is ever unpickled.

:mod:`filtertwins.files` reads the study's own files, which are not compressed and have known arrays.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from filtertwins.errors import StudyError

MOST_BYTES = 8 * 2**30
"""An array with more bytes is not read, since all images are in memory at once."""

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class ArrayFileError(StudyError, ValueError):
    """A file holds no such arrays; the message names file and array, and says what is allowed."""


@dataclass(frozen=True)
class Header:
    """What a file says of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    checksum: int = 0  # CRC-32 of the array with its header, where the file keeps it


def npz_headers(path: Path) -> dict[str, Header]:
    """What an npz file says of its arrays, by name; their elements are not read.

    Raises:
        ArrayFileError: it is no npz file, or holds something else than arrays of numbers.
    """
    with _archive(path) as archive:
        return {
            member.filename.removesuffix(".npy"): _header_of_member(archive, member, path)
            for member in archive.infolist()
        }


def read_npz_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Some arrays of an npz file, compressed or not; their checksums are compared.

    Raises:
        ArrayFileError: an array is not there, or can't be read.
    """
    with _archive(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        found = {}
        for name in names:
            if name not in members:
                raise ArrayFileError(f"{path}: no array {name!r}; it holds {', '.join(members) or 'none'}")
            _header_of_member(archive, members[name], path)
            with archive.open(members[name]) as stream:
                found[name] = _read(stream, f"{path}: array {name!r}")
        return found


def read_npy(path: Path) -> np.ndarray:
    """The array of an npy file.

    Raises:
        ArrayFileError: it holds no array of numbers, or not all of it.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        _header(stream, size, str(path))
    with path.open("rb") as stream:
        return _read(stream, str(path))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ArrayFileError(f"{path}: not a whole npz file ({error}); save it anew with numpy.savez") from error
    except OSError as error:
        raise ArrayFileError(f"{path}: can't be read: {error.strerror or error}") from error


def _header_of_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Header:
    with archive.open(member) as stream:
        found = _header(stream, member.file_size, f"{path}: array {member.filename.removesuffix('.npy')!r}")
    return Header(found.shape, found.dtype, member.CRC)


def _header(stream: IO[bytes], size: int, where: str) -> Header:
    """What an array's header says, held against how many bytes there are with it."""
    try:
        version = np.lib.format.read_magic(stream)
        shape, _, dtype = _READERS[version](stream)
    except Exception as error:  # NumPy raises errors of several kinds.
        raise ArrayFileError(f"{where}: no array as NumPy saves it ({error})") from error
    if dtype.hasobject:
        raise ArrayFileError(f"{where}: Python objects, which are never unpickled; allowed: numbers; save it as such")
    if any(length < 0 for length in shape) or size > MOST_BYTES:
        raise ArrayFileError(f"{where}: shape {shape}, {size:,} bytes; at most {MOST_BYTES:,} are read")
    if (expected := stream.tell() + math.prod(shape) * dtype.itemsize) != size:
        raise ArrayFileError(f"{where}: {size:,} bytes where its shape {shape} takes {expected:,}; save it anew")
    return Header(shape, dtype)


def _read(stream: IO[bytes], where: str) -> np.ndarray:
    try:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # At the end of a member zipfile compares its checksum.
    except Exception as error:  # zipfile, zlib and NumPy raise errors of a dozen kinds.
        raise ArrayFileError(f"{where}: damaged ({error}); save it anew") from error
    return array
