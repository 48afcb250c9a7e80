"""What reads HDF5 files in a process of its own, as far as arrays need it.

What could lead out of a file or load other code is refused unread. The library itself, in C, may crash or never come
back on a damaged file: then this process ends, and not the one that asked.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import MOST_NAMES, Tensor, checked_size

FILTERS = (1, 2, 3, 32000)  # deflate, shuffle, fletcher32, lzf; others may be plugins
MOST_DEPTH = 50
MOST_TEXT = 2**26
BYTES_A_SECOND = 10**7  # how much a slow disk gives


class Arrays:
    """The arrays of an open HDF5 file by their paths, and those attributes of its groups that are texts."""

    def __init__(self, root: h5py.File) -> None:
        self.tensors: list[Tensor] = []
        self.texts: dict[tuple[str, str], str] = {}  # by path and attribute
        self._seen: dict[int, str] = {}
        self.aliases: list[tuple[str, str]] = []  # an object's further names, each with its first
        self._collect(root.id, "", 0)

    def _collect(self, group: Any, path: str, depth: int) -> None:
        self._read_texts(group, path)
        names: list[bytes] = list(group)
        if len(self._seen) + len(names) > MOST_NAMES or depth > MOST_DEPTH:
            raise ModelError(f"it has more than {MOST_NAMES:,} objects or {MOST_DEPTH} levels, more than are read")
        for raw in names:
            name = f"{path}/{raw.decode()}".lstrip("/")
            if group.links.get_info(raw).type != h5py.h5l.TYPE_HARD:
                raise ModelError(f"{name!r} is a link, which may lead out of the file; it is not followed")
            address = h5py.h5o.get_info(group, raw).addr
            if address in self._seen:
                self.aliases.append((name, self._seen[address]))
                continue
            self._seen[address] = name
            inner = h5py.h5o.open(group, raw)
            if isinstance(inner, h5py.h5g.GroupID):
                self._collect(inner, name, depth + 1)
            elif isinstance(inner, h5py.h5d.DatasetID):
                self.tensors.append(self._tensor(inner, name))

    def _read_texts(self, group: Any, path: str) -> None:
        for index in range(h5py.h5a.get_num_attrs(group)):
            attribute = h5py.h5a.open(group, index=index)
            kind = attribute.get_type()
            if kind.get_class() == h5py.h5t.STRING and attribute.shape == () and kind.get_size() < MOST_TEXT:
                value = h5py.AttributeManager(h5py.Group(group))[attribute.name.decode()]
                self.texts[path, attribute.name.decode()] = value.decode() if isinstance(value, bytes) else str(value)

    def _tensor(self, dataset: Any, name: str) -> Tensor:
        properties = dataset.get_create_plist()
        layout = properties.get_layout()
        if layout == h5py.h5d.VIRTUAL or properties.get_external_count():
            raise ModelError(f"array {name!r} is stored in other files, which are not read")
        filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
        if set(filters) - set(FILTERS):
            raise ModelError(f"array {name!r} is packed by a filter that could be anybody's code; save it without one")
        shape, kind = dataset.shape, dataset.get_type()
        brain_floats = kind.get_class() == h5py.h5t.OPAQUE and kind.get_size() == 2
        if shape is None or not (brain_floats or kind.get_class() in (h5py.h5t.FLOAT, h5py.h5t.INTEGER)):
            return Tensor(name, (), refusal="Its elements are no numbers.")
        if len(shape) == 2:  # No reader looks at them, and they are the largest.
            return Tensor(name, shape, refusal="It has 2 axes, and a kernel has 3 to 5.")
        stored = dataset.get_storage_size()
        checked_size(name, shape, kind.get_size(), stored)
        if layout == h5py.h5d.CHUNKED:
            checked_size(name, properties.get_chunk(), kind.get_size(), max(stored, 2**20))

        def read() -> NDArray[Any]:
            array: NDArray[Any] = h5py.Dataset(dataset)[()]
            if brain_floats:  # HDF5 lacks them; they are the upper half of a float32.
                return (array.view("<u2").astype("<u4") << 16).view("<f4")
            return array

        return Tensor(name, shape, read)


def answer(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """What a file holds, as plain data; and the elements of those arrays that are not refused.

    Args:
        request: the file's ``path``, or None.
        content: of the file where it has no path.
    """
    try:
        with h5py.File(request["path"] or io.BytesIO(content), "r") as file:
            found = Arrays(file)
            elements = [tensor.read() for tensor in found.tensors if not tensor.refusal]
    except ModelError as error:
        return {"error": str(error)}, []
    except Exception as error:
        return {"error": f"it is damaged ({' '.join(str(error).split())[:200]}); get it anew"}, []
    kinds = iter(elements)
    tensors = [
        [each.name, each.shape, each.refusal, "" if each.refusal else next(kinds).dtype.newbyteorder("<").str]
        for each in found.tensors
    ]
    texts = [[*key, text] for key, text in found.texts.items()]
    return {"tensors": tensors, "texts": texts, "aliases": found.aliases}, elements


def main() -> None:
    """Answer requests, each a line of JSON and perhaps a file's content, until there are none."""
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    while line := incoming.readline():
        request = json.loads(line)
        content = incoming.read(request["bytes"] if request["path"] is None else 0)
        if hasattr(signal, "setitimer"):  # A library that doesn't come back on a damaged file is ended by the system.
            signal.setitimer(signal.ITIMER_PROF, 1 + request["bytes"] / BYTES_A_SECOND)
        said, elements = answer(request, content)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        outgoing.write(json.dumps(said).encode() + b"\n")
        for array in elements:
            outgoing.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        outgoing.flush()


if __name__ == "__main__":
    main()
