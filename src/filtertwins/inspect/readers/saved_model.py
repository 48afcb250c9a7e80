"""SavedModels, without TensorFlow: the checkpoint's index (a table of sorted keys, as of LevelDB) and its data."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import MOST_NAMES, Tensor, as_array, file_bytes
from filtertwins.inspect.readers.findings import Findings
from filtertwins.inspect.readers.keras_config import from_config
from filtertwins.inspect.readers.named import from_names
from filtertwins.inspect.readers.protobuf import Message, varint

MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "<u1", 5: "<i2", 6: "<i1", 9: "<i8", 10: "?", 14: "BF16", 17: "<u2", 19: "<f2",
    22: "<u4", 23: "<u8",
}  # fmt: skip
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


def read_folder(folder: Path, findings: Findings) -> str:
    """List what a SavedModel's folder holds; returns the format's name."""
    places = (folder / "variables" / "variables.index", folder / "variables.index")
    index = next((path for path in places if path.exists()), None)
    if index is None:
        raise ModelError("the folder has no variables/variables.index: it is no SavedModel; name the model's file")
    return read_checkpoint(index, file_bytes(index), findings)


def read_checkpoint(index: Path, content: memoryview, findings: Findings) -> str:
    """List what a checkpoint holds, given its index; returns the format's name."""
    entries = {key.decode(): Message(value) for key, value in _entries(content)}
    shards = entries.pop("").integer(1, 1)
    tensors = [_tensor(index, shards, key, entry) for key, entry in entries.items()]
    saved = _saved_objects(index.parent.parent / "saved_model.pb")
    names = _names(next((tensor for tensor in tensors if tensor.name == OBJECTS), None))
    found: list[tuple[str, str, Tensor]] = []
    stored: dict[tuple[str, bytes], str] = {}  # by name and content, where it was stored first
    # Keras 3 stores copies under this name, which tells less than that of the originals.
    for tensor in sorted(tensors, key=lambda each: each.name.startswith("_all_variables/")):
        if tensor.name == OBJECTS:
            continue
        place = tensor.name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        name = names.get(tensor.name) or _variable_name(saved, place.split("/")) or place
        if "OPTIMIZER_SLOT" in place or place.startswith("optimizer/"):
            name = place
        digest = hashlib.sha256(repr(tensor.shape).encode() + tensor.read().tobytes()).digest()
        first = stored.setdefault((name, digest), place)
        if first.split("/")[0] != place.split("/")[0] and not tensor.refusal:
            findings.leave_out(place, "Its content is stored twice, and was read under the other name.")
        else:
            found.append((name, place, tensor))
    times = Counter(name for name, _, _ in found)
    left = [replace(tensor, name=place if times[name] > 1 else name) for name, place, tensor in found]
    for config in _configs(index.parent.parent / "keras_metadata.pb", saved):
        if "layers" in config.get("config", {}):
            left = from_config(config, left, findings)
            break
    from_names(left, findings, "last")
    return "SavedModel"


def _entries(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of a table."""
    _, at = varint(content, len(content) - 48)
    _, at = varint(content, at)
    place, at = varint(content, at)
    length, _ = varint(content, at)
    count = end = 0
    for _, handle in _block(content, place, length):
        place, at = varint(handle, 0)
        if place < end:
            raise ModelError("its index has a block twice; get the folder anew")
        end = place + varint(handle, at)[0]
        for entry in _block(content, place, end - place):
            count += 1
            if count > MOST_NAMES:
                raise ModelError(f"it names more than {MOST_NAMES:,} arrays, more than are read")
            yield entry


def _block(content: memoryview, place: int, length: int) -> Iterator[tuple[bytes, memoryview]]:
    """The keys and values of one block; a key says how much of the one before it repeats."""
    if place + length + 5 > len(content) or length < 4:
        raise ModelError("its index is cut off; get the folder anew")
    if content[place + length]:
        raise ModelError("its index is compressed, as TensorFlow doesn't write it; save the model again")
    block = content[place : place + length]
    end = length - 4 - 4 * int.from_bytes(block[-4:], "little")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + own + size > end:
            raise ModelError("its index is damaged; get the folder anew")
        key = key[:shared] + bytes(block[at : at + own])
        yield key, block[at + own : at + own + size]
        at += own + size


def _tensor(index: Path, shards: int, key: str, entry: Message) -> Tensor:
    shape = tuple(dim.integer(1) for shape in entry.messages(2) for dim in shape.messages(2))
    shard, offset, size = (entry.integer(number) for number in (3, 4, 5))
    dtype = "S" if key == OBJECTS else DTYPES.get(entry.integer(1))
    if dtype is None or 7 in entry:
        return Tensor(key, shape, refusal="Its elements are no numbers, or in several parts.")

    def piece() -> memoryview:
        data = index.with_name(f"{index.stem}.data-{shard:05d}-of-{shards:05d}")
        if data.is_symlink() or not data.is_file():
            raise ModelError(f"its data {data.name} is not beside its index; copy it there")
        content = file_bytes(data)
        if not 0 <= offset <= offset + size <= len(content):
            raise ModelError(f"array {key!r} is cut off; get the folder anew")
        return content[offset : offset + size]

    if key == OBJECTS:
        return Tensor(key, (), lambda: np.frombuffer(piece(), np.uint8))
    return Tensor(key, shape, lambda: as_array(key, piece(), dtype, shape))


def _names(objects: Tensor | None) -> dict[str, str]:
    """The variables' own names by the checkpoint's keys, which hold places in the model instead."""
    if objects is None:
        return {}
    content = memoryview(objects.read().tobytes())
    length, at = varint(content, 0)
    graph = Message(content[at + 4 : at + 4 + length])  # A checksum of the length is between.
    attributes = [attribute for node in graph.messages(1) for attribute in node.messages(2)]
    return {attribute.text(3): attribute.text(2) for attribute in attributes if attribute.text(2)}


def _saved_objects(path: Path) -> list[Message]:
    """The objects of a SavedModel's graph, of which the first is the model; none where there is no such file."""
    graphs = Message(file_bytes(path)).messages(2) if path.is_file() and not path.is_symlink() else []
    return [node for graph in graphs[:1] for objects in graph.messages(7) for node in objects.messages(1)]


def _variable_name(saved: Sequence[Message], place: Sequence[str]) -> str:
    """The name of the variable at a place in the model, or an empty one."""
    node = saved[0] if saved else None
    for part in place if node else ():
        children = {child.text(2): child.integer(1) for child in node.messages(1)} if node else {}
        node = saved[children[part]] if children.get(part, -1) in range(len(saved)) else None
    return next((variable.text(6) for variable in node.messages(7)), "") if node else ""


def _configs(metadata: Path, saved: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """The configs of the model and its layers that Keras 2 left beside the variables, or within the graph."""
    if metadata.is_file() and not metadata.is_symlink():
        texts = [node.text(5) for node in Message(file_bytes(metadata)).messages(1)]
    else:
        texts = [user.text(3) for node in saved for user in node.messages(4)]
    for text in texts:
        if text.startswith("{"):
            yield json.loads(text, object_hook=_plain)


def _plain(value: dict[str, Any]) -> Any:
    """Tuples are written as objects."""
    return value.get("items") if value.get("class_name") == "__tuple__" else value
