"""Torch's files, zip and legacy, without torch: a pickle that tells of tensors, and the storages that they view."""

from __future__ import annotations

import io
import pickletools
import zipfile
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import as_array, element, member_bytes
from filtertwins.inspect.readers.findings import Findings
from filtertwins.inspect.readers.named import from_names
from filtertwins.inspect.readers.pickles import Pickle, Storage, named_tensors

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def is_legacy(content: memoryview) -> bool:
    """Whether a file begins with the pickle of torch's number."""
    try:
        return any(value == LEGACY_MAGIC for _, value, _ in pickletools.genops(bytes(content[:40])))
    except ValueError:
        return False


def read_zip(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], findings: Findings) -> str:
    """List what a zip file of torch holds; returns the format's name."""
    (pickle,) = (name for name in members if name.endswith("data.pkl") and name.count("/") <= 1)
    folder = pickle.removesuffix("data.pkl")
    order = members.get(f"{folder}byteorder")
    if order and member_bytes(archive, order) != b"little":
        raise ModelError("its numbers are big-endian, which is not read; save it on a little-endian machine")

    @lru_cache(maxsize=2)  # Several tensors may view one storage, and mostly do so one after another.
    def elements_of(storage: Storage) -> NDArray[Any]:
        content = member_bytes(archive, members[f"{folder}data/{storage.key}"])
        return _elements(storage, memoryview(content))

    value = Pickle(io.BytesIO(member_bytes(archive, members[pickle]))).result()
    from_names(named_tensors(value, elements_of), findings, "first")
    return "PyTorch"


def read_legacy(content: memoryview, findings: Findings) -> str:
    """List what a legacy file of torch holds: five pickles, then each storage's length and elements."""
    stream = io.BytesIO(content)
    pickles = [Pickle(stream) for _ in range(5)]
    _, version, system, value, keys = (pickle.result() for pickle in pickles)
    if version != 1001 or not system.get("little_endian", True):
        raise ModelError("it is of a version, or of a byte order, that is not read; save it with torch.save again")
    storages, places = pickles[3].storages, {}
    at = stream.tell()
    for key in keys:
        count = int.from_bytes(content[at : at + 8], "little")
        end = at + 8 + count * element(storages[key].dtype).itemsize
        if end > len(content):
            raise ModelError(f"storage {key!r} is cut off; get the file anew")
        places[key], at = content[at + 8 : end], end
    from_names(named_tensors(value, lambda storage: _elements(storage, places[storage.key])), findings, "first")
    return "PyTorch"


def _elements(storage: Storage, content: memoryview) -> NDArray[Any]:
    return as_array(f"storage {storage.key}", content, storage.dtype, (storage.count,))
