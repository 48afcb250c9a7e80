"""Files that are either whole or absent: atomic writing, tidy CSV and safe npz."""

from __future__ import annotations

import csv
import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filtertwins.errors import StudyError

if TYPE_CHECKING:  # `inspect` does without it.
    import pandas as pd

Shape: TypeAlias = tuple[int | str | None, ...]
"""An expected shape: each axis a length, a symbol that stands for one length, or None for any."""

TEMPORARY_SUFFIX = ".filtertwins-tmp"
"""How the hidden temporary files of :func:`atomic_write` end; one that a kill left behind may be deleted."""
_REMEDY = "delete it and run again"
_ASCII = str.maketrans({"\N{MULTIPLICATION SIGN}": "x", "\N{EN DASH}": "-", "\N{MINUS SIGN}": "-"})


class DamagedFile(StudyError, ValueError):  # noqa: N818 - the name says what is wrong, and where
    """A file of ours that cannot be what was written: truncated, altered, or of another layout."""


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    The content goes to a hidden temporary file in the same folder, is synced to the disk, and takes the name in one
    step. On any exception, an interrupt included, the temporary file is removed, and a file that had the name before
    stays as it was. What a kill left behind is overwritten by the next attempt: Snakemake locks the folder, so no other
    process writes the same file meanwhile. A symbolic link is written through, as by ``open``.

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

    Floats narrower than 64 bits are widened first, since a reader sees 64 bits. Truth values are written ``TRUE`` and
    ``FALSE``, which pandas, R and spreadsheets understand. The signs beyond ASCII in the study's own words are spelled
    in ASCII, since a spreadsheet misreads them. Lines end with ``"\n"`` on every platform. The index is not written.
    """
    narrow = [name for name in table if table[name].dtype in (np.float16, np.float32)]
    table = table.astype(dict.fromkeys(narrow, np.float64))
    for name in [name for name in table if table[name].dtype.kind in "bO"]:
        truths_or_texts = table[name].astype(object)
        table[name] = truths_or_texts.map(lambda it: str(it).upper() if isinstance(it, bool | np.bool_) else it)
    write_text(path, table.to_csv(index=False, lineterminator="\n").translate(_ASCII))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of :func:`write_csv`.

    Only an empty field is missing: the texts ``NA``, ``nan`` or ``None`` stay texts.

    Raises:
        FileNotFoundError: when there is no such file.
        DamagedFile: when the file is empty, ends in the middle of a line, has lines of different length, or
            is no UTF-8 text. (pandas would fill the missing fields in silence.)
    """
    import pandas as pd

    with _open_existing(path) as file:
        content = file.read()
    with _damaged_unless(path, "a CSV table"):
        text = content.decode("utf-8")
        if not text.endswith("\n") or "\0" in text:
            raise ValueError("zero bytes in the text" if "\0" in text else "empty, or cut off within a line")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if not header or not all(header):
            raise ValueError(f"the header {header} has a column without a name")
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise ValueError(f"row {number} has {len(row)} fields, expected {len(header)} as in the header")
        return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], index_col=False)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays atomically as an npz file; the same arrays give the same bytes.

    The members are sorted by name and not compressed: compressed bytes would depend on the version of zlib, and weights
    hardly shrink. NumPy does not date them. Memory order does not matter.

    Raises:
        ValueError: when an array is of dtype object, which could only be pickled.
    """
    plain = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} has dtype object; allowed are numbers and text")
    with atomic_write(path) as file:
        np.savez(file, **plain)  # type: ignore[arg-type]  # mypy takes an array for the option allow_pickle


def read_npz(path: Path, shapes: Mapping[str, Shape] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file, by name, without ever unpickling; check their checksums and shapes.

    Args:
        path: the file to read.
        shapes: for each array that must be there, its axes: a length, None for any, or a symbol that must stand for
            one length in the whole file, as in ``{"kernels": ("seed", 3, 1, "filter"), "biases": ("seed", "filter")}``.
            Arrays that are not named here are returned unchecked.

    Raises:
        FileNotFoundError: when there is no such file.
        DamagedFile: when the file is truncated or altered, holds an object array, lacks an array, or one has
            another shape. The message names file, array, what was found, what was expected, and what to do.
    """
    with _open_existing(path) as file:
        with _damaged_unless(path, "a whole npz file"):
            archive = _open_archive(file)
        arrays = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            with _damaged_unless(f"{path}: array {name!r}", "a whole array"):
                arrays[name] = _read_member(archive, member)
    check_shapes(path, arrays, shapes or {})
    return arrays


@contextmanager
def _damaged_unless(where: Path | str, expected: str) -> Iterator[None]:
    """Whatever fails within is a sign of damage: zipfile, numpy and pandas raise errors of a dozen kinds."""
    try:
        yield
    except Exception as error:
        raise DamagedFile(f"{where}: found bytes that are not {expected} ({error}); {_REMEDY}") from error


def _open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    # write_npz does not compress. A compressed member could take any amount of memory.
    if sum(max(member.file_size, member.compress_size) for member in archive.infolist()) > file.seek(0, os.SEEK_END):
        raise zipfile.BadZipFile("compressed, or members longer than the file")
    return archive


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
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


def check_shapes(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Shape]) -> None:
    """Check arrays as :func:`read_npz` does."""
    lengths: dict[Any, int] = {}  # what each symbol stands for, since its first use
    for name, axes in shapes.items():
        if name not in arrays:
            raise DamagedFile(f"{path}: array {name!r}: found only {', '.join(sorted(arrays))}; {_REMEDY}")
        found = arrays[name].shape
        lengths = {axis: n for axis, n in zip(axes, found, strict=False) if isinstance(axis, str)} | lengths
        expected = [lengths.get(axis, axis) for axis in axes]
        if len(found) != len(axes) or any(axis not in (n, None) for n, axis in zip(found, expected, strict=True)):
            wanted = ", ".join("any" if axis is None else str(axis) for axis in expected)
            raise DamagedFile(f"{path}: array {name!r}: found shape {found}, expected ({wanted}); {_REMEDY}")


def _open_existing(path: Path) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        reason = "no such file; the step that writes it has not run, or it was deleted"
        raise FileNotFoundError(error.errno, reason, str(path)) from error
