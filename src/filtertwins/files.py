"""Files that are either whole or absent: atomic writing, tidy CSV and safe npz."""

from __future__ import annotations

import csv
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import pandas as pd

from filtertwins.errors import StudyError

Shape: TypeAlias = tuple[int | str | None, ...]
"""An expected shape: each axis a length, a symbol that stands for one length, or None for any."""

TEMPORARY_SUFFIX = ".filtertwins-tmp"
"""How the hidden temporary files of :func:`atomic_write` end; one that a kill left behind may be deleted."""

_DELETE_AND_RERUN = "delete it and run again"

# Every member of an archive needs a date, and this is the earliest that the zip format can hold.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_REGULAR_FILE = 0o100644 << 16
_ZIP_UNIX = 3


class DamagedFile(StudyError, ValueError):  # noqa: N818 - the name says what is wrong, and where
    """A file of ours that cannot be what was written: truncated, altered, or of another layout."""


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    The content goes to a hidden temporary file in the same folder, is synced to the disk, and then takes the name in
    one step. On any exception, a keyboard interrupt included, the temporary file is removed, and a file that had the
    name before stays as it was. A temporary file that a kill left behind is overwritten by the next attempt. No other
    process writes the same file meanwhile, since Snakemake locks the folder. A symbolic link is written through, as by
    ``open``.

    Args:
        path: the file to write. Its folder is created.
        mode: ``"wb"``, or ``"w"`` for UTF-8 text whose line ends are written as given.

    Yields:
        The open temporary file.

    Raises:
        OSError: when the file cannot be written; it names the file, also where the disk is full.
    """
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Long names are cut, since file systems allow some 255 bytes; the checksum keeps those apart that begin alike.
    checksum = zlib.crc32(target.name.encode())
    temporary = target.with_name(f".{target.name[:40]}.{checksum:08x}{TEMPORARY_SUFFIX}")
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": ""}
    try:
        with temporary.open(mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # A reader knows this name.
        raise


def write_text(path: Path, text: str) -> None:
    r"""Write a text file atomically, in UTF-8, with its line ends as given (``"\n"`` on every platform)."""
    with atomic_write(path, "w") as file:
        file.write(text)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    r"""Write a tidy table atomically; every float reads back exactly, a missing value is an empty field.

    Floats narrower than 64 bits are widened first, since a reader sees 64 bits. Lines end with ``"\n"`` on every
    platform. The index is not written.
    """
    narrow = [name for name in table if table[name].dtype in (np.float16, np.float32)]
    write_text(path, table.astype(dict.fromkeys(narrow, np.float64)).to_csv(index=False, lineterminator="\n"))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_csv`.

    Only an empty field is missing: the texts ``NA``, ``nan`` or ``None`` stay texts.

    Raises:
        FileNotFoundError: when there is no such file.
        DamagedFile: when the file is empty, ends in the middle of a line, has lines of different length, or
            is no UTF-8 text. (pandas would fill the missing fields in silence.)
    """
    with _open_existing(path) as file:
        raw = file.read()
    if not raw:
        raise DamagedFile(f"{path}: the file is empty, expected a header line; {_DELETE_AND_RERUN}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"{path}: not UTF-8 text ({error}); {_DELETE_AND_RERUN}") from error
    if problem := _table_problem(text):
        raise DamagedFile(f"{path}: {problem}; {_DELETE_AND_RERUN}")
    try:
        return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], index_col=False)
    except ValueError as error:  # The errors of pandas' parser are among these.
        raise DamagedFile(f"{path}: not a CSV table ({error}); {_DELETE_AND_RERUN}") from error


def _table_problem(text: str) -> str | None:
    if "\0" in text:
        return "there are zero bytes in the text"
    if not text.endswith("\n"):
        return "the last line has no end, so the file is cut off"
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return f"not a CSV table ({error})"
    width = len(rows[0])
    if not rows[0] or not all(rows[0]):
        return f"the header {rows[0]} has a column without a name"
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            return f"row {number} has {len(row)} fields, expected {width} as in the header"
    return None


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays atomically as an npz file; the same arrays give the same bytes.

    The members are sorted by name, undated and not compressed: compressed bytes would depend on the version of zlib,
    and weights hardly shrink. Memory order does not matter.

    Args:
        path: the file to write.
        arrays: of any shapes, and of any dtype but object.

    Raises:
        ValueError: when an array is of dtype object, which could only be pickled.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} has dtype object; allowed are numbers and text")
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            _write_member(archive, name, np.asarray(arrays[name], order="C"))


def _write_member(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    member = zipfile.ZipInfo(f"{name}.npy", date_time=_ZIP_EPOCH)
    member.create_system = _ZIP_UNIX  # Windows would otherwise write other bytes.
    member.external_attr = _ZIP_REGULAR_FILE
    with archive.open(member, "w", force_zip64=array.nbytes > 2**30) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def read_npz(path: Path, shapes: Mapping[str, Shape] | None = None) -> dict[str, np.ndarray]:
    """Read an npz file without ever unpickling; check its checksums and shapes.

    Args:
        path: the file to read.
        shapes: for each array that must be there, its axes: a length, None for any, or a symbol that must stand for
            one length in the whole file, as in ``{"kernels": ("seed", 3, 1, "filter"), "biases": ("seed", "filter")}``.
            Arrays that are not named here are returned unchecked.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: when there is no such file.
        DamagedFile: when the file is truncated or altered, holds an object array, lacks an array, or one has
            another shape. The message names file, array, what was found, what was expected, and what to do.
    """
    arrays = {}
    with _open_existing(path) as file:
        try:
            archive = _open_archive(file)
        except Exception as error:  # On damaged bytes zipfile raises errors of a dozen kinds.
            found = f"found bytes that are not a whole npz file ({error}), expected one"
            raise DamagedFile(f"{path}: {found}; {_DELETE_AND_RERUN}") from error
        with archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                arrays[name] = _read_member(archive, member, f"{path}: array {name!r}")
    if not arrays:
        raise DamagedFile(f"{path}: found no array, expected at least one; {_DELETE_AND_RERUN}")
    _check_shapes(path, arrays, shapes or {})
    return arrays


def _open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    # No checksum covers the archive's directory, where an altered length can hide a member. zipfile does not look at
    # the count of members, which stands 12 bytes before the end.
    file.seek(-12, os.SEEK_END)
    (members,) = struct.unpack("<H", file.read(2))
    if members != len(archive.infolist()):
        raise zipfile.BadZipFile(f"{len(archive.infolist())} of {members} members")
    # write_npz does not compress. A compressed member could take any amount of memory.
    if sum(max(member.file_size, member.compress_size) for member in archive.infolist()) > file.seek(0, os.SEEK_END):
        raise zipfile.BadZipFile("compressed, or members longer than the file")
    return archive


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    try:
        # The whole member is read first, so that its CRC is compared before its shape is believed.
        stream = io.BytesIO(archive.read(member))
        if (version := np.lib.format.read_magic(stream)) != (1, 0):
            raise ValueError(f"version {version} of numpy's format")
        shape, column_by_column, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.hasobject:
            raise ValueError("object arrays are pickled, and never loaded")
        if not dtype.itemsize:
            raise ValueError(f"elements of no size, {dtype}")
        elements = stream.read()
        expected = math.prod(shape) * dtype.itemsize  # Python's integers do not overflow.
        if len(elements) != expected:
            raise ValueError(f"{len(elements):,} bytes for {expected:,} of shape {shape}")
        return np.frombuffer(elements, dtype).reshape(shape, order="F" if column_by_column else "C").copy()
    except Exception as error:  # zipfile and numpy raise errors of a dozen kinds.
        found = f"found bytes that are not a whole array ({error}), expected a plain one with a matching checksum"
        raise DamagedFile(f"{where}: {found}; {_DELETE_AND_RERUN}") from error


def _check_shapes(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> None:
    lengths: dict[str, int] = {}  # what each symbol stands for, since its first use
    for name, expected in shapes.items():
        found = arrays[name].shape if name in arrays else ()
        matches = (
            name in arrays
            and len(found) == len(expected)
            and all(
                axis is None or length == (lengths.setdefault(axis, length) if isinstance(axis, str) else axis)
                for length, axis in zip(found, expected, strict=True)
            )
        )
        if not matches:
            what = f"found shape {found}" if name in arrays else f"found only {', '.join(sorted(arrays))}"
            wanted = _shape_text(expected, lengths)
            raise DamagedFile(f"{path}: array {name!r}: {what}, expected {wanted}; {_DELETE_AND_RERUN}")


def _shape_text(shape: Shape, lengths: Mapping[str, int]) -> str:
    def axis_text(axis: int | str | None) -> str:
        if axis is None:
            return "any"
        return f"{axis}={lengths[axis]}" if isinstance(axis, str) and axis in lengths else str(axis)

    return f"({', '.join(map(axis_text, shape))})"


def _open_existing(path: Path) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        reason = "no such file; the step that writes it has not run, or it was deleted"
        raise FileNotFoundError(error.errno, reason, str(path)) from error
