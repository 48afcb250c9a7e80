"""Bytes of model files, within bounds: no size is believed before it is held against what is stored."""

from __future__ import annotations

import math
import mmap
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.model import ModelError

MOST_BYTES = 4 * 2**30
MOST_GROWTH = 1000
MOST_NAMES = 100_000


@dataclass(frozen=True)
class Tensor:
    """A named array of a model file, whose elements are read when they are asked for."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]] = lambda: np.zeros(0)
    refusal: str = ""  # why its elements can't be read, as a plain sentence
    hint: str = ""  # what the file says of the classes of its layer and of those around it


def file_bytes(path: Path) -> memoryview:
    """A file's content, which the system reads where it is looked at."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise ModelError("the file is empty; get it anew")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def checked_size(name: str, shape: Sequence[int], item_bytes: int, stored_bytes: int) -> int:
    """How many bytes an array takes.

    Raises:
        ModelError: it says that it is larger than anything that is read, or much larger than what is stored of it.
    """
    if any(not isinstance(length, int) or isinstance(length, bool) or length < 0 for length in shape):
        raise ModelError(f"array {name!r} has an impossible shape; get the file anew")
    declared = math.prod(shape) * item_bytes
    if declared > MOST_BYTES or declared > MOST_GROWTH * stored_bytes:
        raise ModelError(
            f"array {name!r} says that it has {declared:,} bytes, of which {stored_bytes:,} are stored; "
            f"at most {MOST_BYTES:,} are read, and {MOST_GROWTH} times what is stored, since more would fill the memory"
        )
    return declared


def as_array(
    name: str,
    content: bytes | memoryview,
    dtype: np.dtype[Any] | str,
    shape: Sequence[int],
    columns_first: bool = False,
) -> NDArray[Any]:
    """Bytes as an array; the dtype "BF16" is widened to float32.

    Raises:
        ModelError: there are more or fewer bytes than the shape takes.
    """
    stored = element(dtype)
    expected = checked_size(name, shape, stored.itemsize, len(content))
    if len(content) != expected:
        raise ModelError(f"array {name!r} has {len(content):,} bytes, and {expected:,} by its shape; get the file anew")
    array = np.frombuffer(content, stored).reshape(tuple(shape), order="F" if columns_first else "C")
    return (array.astype("<u4") << 16).view("<f4") if isinstance(dtype, str) and dtype == "BF16" else array


def element(dtype: np.dtype[Any] | str) -> np.dtype[Any]:
    """How one element is stored; NumPy lacks "BF16", the upper half of a float32."""
    return np.dtype("<u2" if isinstance(dtype, str) and dtype == "BF16" else dtype)


def open_archive(file: Any) -> dict[str, zipfile.ZipInfo]:
    """The members of an open zip file, by name.

    Raises:
        ModelError: a member's name leads out of the archive or is there twice, or it would grow beyond all measure.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in file.infolist():
        name = member.filename
        if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
            raise ModelError(f"member {name!r} leads out of the archive, so that nothing of it is read; get it anew")
        if name in members:
            raise ModelError(f"member {name!r} is there twice, which is never meant; get the file anew")
        checked_size(name, (member.file_size,), 1, member.compress_size)
        members[name] = member
    return members


def member_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """What a member holds, which is as long as it says and has the checksum that it says (zipfile holds both)."""
    content = archive.read(member)
    if len(content) != member.file_size:
        raise ModelError(f"member {member.filename!r} has another length than it says; get the file anew")
    return content
