"""Files that are either whole or absent: atomic writing, checksums, tidy CSV and safe npz."""

import csv
import hashlib
import io
import math
import os
import re
import secrets
import struct
import tokenize
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

_NAME_KEPT = 40  # characters of a file's name in that of its temporary file
_ATOMIC_MODES = ("wb", "w", "w+b")
_DELETE_AND_RERUN = "delete it and run again"

# The zip format has no notion of "no date": this is the earliest it can hold.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ZIP_REGULAR_FILE = 0o100644 << 16
_ZIP_UNIX = 3

# What zipfile and numpy raise, between them, on bytes that are no archive of arrays.
_UNREADABLE_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


class DamagedFile(StudyError, ValueError):  # noqa: N818 - the name says what is wrong, and where
    """A file of ours that cannot be what was written: truncated, altered, or of another layout."""


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file that appears under its name only when it is complete.

    The content goes to a hidden temporary file in the same folder, is synced to the disk, and then takes
    the name in one step. On any exception, a keyboard interrupt included, the temporary file is removed and
    a file that had the name before stays as it was. What a kill left of an earlier attempt is removed too.
    A symbolic link is written through, as by ``open``.

    Args:
        path: The file to write. Its folder is created.
        mode: ``"wb"``, ``"w"`` (UTF-8, line ends as given) or ``"w+b"`` (to read back before it is final).

    Yields:
        The open temporary file.

    Raises:
        ValueError: On another mode.
        OSError: When the file cannot be written; it names the file, also where the disk is full.
    """
    if mode not in _ATOMIC_MODES:
        raise ValueError(f"{path}: mode {mode!r} is not one of {', '.join(map(repr, _ATOMIC_MODES))}")
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    # The name is cut, so that a long one does not pass the file system's limit through our additions.
    temporary = target.with_name(f".{target.name[:_NAME_KEPT]}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        with _open_new(temporary, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # the name that a reader knows
        raise


def _remove_abandoned(target: Path) -> None:
    """Remove what killed processes left of this file. No other one can be writing it: Snakemake's lock sees to that."""
    if len(target.name) > _NAME_KEPT:
        return  # another file's name may begin alike
    temporary = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}{re.escape(TEMPORARY_SUFFIX)}")
    for path in target.parent.iterdir():
        if temporary.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _open_new(path: Path, mode: str) -> IO[Any]:
    # Not `tempfile`: its files are 0600 and would stay so, unreadable to colleagues on a shared disk.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    return os.fdopen(descriptor, mode, **text)  # type: ignore[call-overload, no-any-return]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 lower-case hexadecimal digits.

    Raises:
        OSError: When the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    r"""Write a text file atomically, in UTF-8, with its line ends as given (``"\n"`` on every platform)."""
    with atomic_write(path, "w") as file:
        file.write(text)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    r"""Write a tidy table atomically; every float reads back exactly, a missing value is an empty field.

    Floats narrower than 64 bits are widened first, since a reader sees 64 bits. Lines end with ``"\n"`` on
    every platform. The row numbers are not written.

    Raises:
        ValueError: When a column has no name of its own, or the index carries a name (it would be lost).
    """
    names = list(table.columns)
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{path}: columns are {names}; allowed are distinct, non-empty names")
    if any(name is not None for name in table.index.names):
        raise ValueError(f"{path}: the index is named {list(table.index.names)}; reset_index() keeps it")
    narrow = [name for name in names if table[name].dtype in (np.float16, np.float32)]
    text = table.astype(dict.fromkeys(narrow, np.float64)).to_csv(index=False, lineterminator="\n")
    write_text(path, text)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_csv`.

    Only an empty field is missing: the texts ``NA``, ``nan`` or ``None`` stay texts.

    Raises:
        FileNotFoundError: When there is no such file.
        DamagedFile: When the file is empty, ends in the middle of a line, has lines of different length, or
            is no UTF-8 text. (pandas would fill the missing fields in silence.)
    """
    path = Path(path)
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
    except ValueError as error:  # pandas' own parser errors are among these
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

    The members are sorted by name, undated and not compressed (the bytes would depend on the zlib version,
    and weights hardly shrink). Memory order does not matter.

    Args:
        path: The file to write.
        arrays: Any shapes; any dtype but object.

    Raises:
        ValueError: When there is no array, an object dtype (it could only be pickled), or an unusable name.
    """
    if not arrays:
        raise ValueError(f"{path}: no array to write")
    for name, array in arrays.items():
        if not name or name.endswith(".npy") or "\0" in name or "\\" in name:
            raise ValueError(f"{path}: array name {name!r}; allowed is a plain name without .npy")
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} has dtype object; allowed are numbers and text")
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            _write_member(archive, name, np.asarray(arrays[name], order="C"))


def _write_member(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    member = zipfile.ZipInfo(f"{name}.npy", date_time=_ZIP_EPOCH)
    member.create_system = _ZIP_UNIX  # else Windows would write other bytes
    member.external_attr = _ZIP_REGULAR_FILE
    with archive.open(member, "w", force_zip64=array.nbytes > 2**30) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def read_npz(path: Path, shapes: Mapping[str, Shape] | None = None) -> dict[str, np.ndarray]:
    """Read an npz file without ever unpickling; check its checksums and shapes.

    Args:
        path: The file to read.
        shapes: For each array that must be there, its axes: a length, None for any, or a symbol that must
            stand for one length in the whole file, as in ``{"kernels": ("seed", 3, 1, "filter"),
            "biases": ("seed", "filter")}``. Arrays not named here are returned unchecked.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: When there is no such file.
        DamagedFile: When the file is truncated or altered, holds an object array, lacks an array, or one has
            another shape. The message names file, array, what was found, what was expected, and what to do.
    """
    path = Path(path)
    arrays = {}
    with _open_existing(path) as file:
        try:
            archive = _open_archive(file)
        except _UNREADABLE_ARCHIVE as error:
            raise DamagedFile(
                f"{path}: found bytes that are not a whole npz file ({error}), expected one; {_DELETE_AND_RERUN}"
            ) from error
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
    # No checksum covers the archive's directory, and zipfile does not look at its count of members: an
    # altered length there can hide a member. The count stands 12 bytes before the end.
    file.seek(-12, os.SEEK_END)
    (members,) = struct.unpack("<H", file.read(2))
    if members != len(archive.infolist()):
        raise zipfile.BadZipFile(f"{len(archive.infolist())} of {members} members")
    # Not in a file of write_npz, which does not compress; and it could take any amount of memory.
    if sum(max(member.file_size, member.compress_size) for member in archive.infolist()) > file.seek(0, os.SEEK_END):
        raise zipfile.BadZipFile("compressed, or members longer than the file")
    return archive


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> np.ndarray:
    try:
        # The whole member first: its CRC is compared before anything in it is believed, its shape above all.
        stream = io.BytesIO(archive.read(member))
        shape, column_by_column, dtype = _read_header(stream)
        elements = stream.read()
        expected = math.prod(shape) * dtype.itemsize  # in Python's integers, which do not overflow
        if len(elements) != expected:
            raise ValueError(f"{len(elements):,} bytes for {expected:,} of shape {shape}")
        return np.frombuffer(elements, dtype).reshape(shape, order="F" if column_by_column else "C").copy()
    except _UNREADABLE_ARCHIVE as error:
        raise DamagedFile(
            f"{where}: found bytes that are not a whole array ({error}), expected a plain array with a "
            f"matching checksum; {_DELETE_AND_RERUN}"
        ) from error


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in columns, and dtype of an array in numpy's format: nothing is allocated for it yet."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of numpy's format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, column_by_column, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("object arrays are pickled, and never loaded")
    if not dtype.itemsize:
        raise ValueError(f"elements of no size, {dtype}")
    return shape, column_by_column, dtype


def _check_shapes(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> None:
    lengths: dict[str, int] = {}  # what each symbol stands for, from its first use
    for name, expected in shapes.items():
        if name not in arrays:
            raise DamagedFile(
                f"{path}: array {name!r}: found only {', '.join(sorted(arrays))}, expected it with shape "
                f"{_shape_text(expected, lengths)}; {_DELETE_AND_RERUN}"
            )
        found = arrays[name].shape
        matches = len(found) == len(expected) and all(
            axis is None or length == (lengths.setdefault(axis, length) if isinstance(axis, str) else axis)
            for length, axis in zip(found, expected, strict=True)
        )
        if not matches:
            raise DamagedFile(
                f"{path}: array {name!r}: found shape {found}, expected {_shape_text(expected, lengths)}; "
                f"{_DELETE_AND_RERUN}"
            )


def _shape_text(shape: Shape, lengths: Mapping[str, int]) -> str:
    def axis_text(axis: int | str | None) -> str:
        if axis is None:
            return "any"
        return f"{axis}={lengths[axis]}" if isinstance(axis, str) and axis in lengths else str(axis)

    return f"({', '.join(map(axis_text, shape))})"


def _open_existing(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        reason = "no such file; the step that writes it has not run, or it was deleted"
        raise FileNotFoundError(error.errno, reason, str(path)) from error
