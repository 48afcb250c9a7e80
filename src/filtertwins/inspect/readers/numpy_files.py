"""NumPy's files: one array, or a zip file of arrays."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from typing import Any

import numpy as np

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import Tensor, as_array, member_bytes
from filtertwins.inspect.readers.findings import Findings
from filtertwins.inspect.readers.named import from_names
from filtertwins.inspect.readers.pickles import Pickle, named_tensors

MAGIC = b"\x93NUMPY"


def read_npy(content: memoryview, findings: Findings) -> str:
    """List what an npy file holds; returns the format's name."""
    from_names(_tensors("array", content), findings)
    return "NumPy"


def read_npz(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], findings: Findings) -> str:
    """List what an npz file holds; returns the format's name."""
    tensors = []
    for name, member in members.items():
        tensors += _tensors(name.removesuffix(".npy"), memoryview(member_bytes(archive, member)))
    from_names(tensors, findings)
    return "NumPy"


def _tensors(name: str, content: memoryview) -> list[Tensor]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read_header(stream)
    shape, columns_first, dtype = header
    if dtype.hasobject:
        # Early converters left dictionaries of arrays, pickled. Such a pickle is interpreted, and never run.
        if shape != ():
            raise ModelError(f"array {name!r} holds Python objects; save its arrays with numpy.savez")
        found = Pickle(stream).result()
        return named_tensors(found.content[0] if getattr(found, "content", None) else found)
    if dtype.kind not in "fiub" or dtype.fields or dtype.subdtype:
        return [Tensor(name, (), refusal=f"Its elements are of type {dtype}, and no numbers.")]
    piece = content[stream.tell() :]
    return [Tensor(name, shape, partial(as_array, name, piece, dtype, shape, columns_first))]
