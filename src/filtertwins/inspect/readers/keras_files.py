"""Keras's files: the archives and weights of Keras 3, and the HDF5 files of Keras 2."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from filtertwins.inspect.readers.bounded import Tensor, member_bytes
from filtertwins.inspect.readers.findings import Findings
from filtertwins.inspect.readers.hdf5 import Arrays, arrays_of
from filtertwins.inspect.readers.keras_config import from_config, named
from filtertwins.inspect.readers.named import from_names


def read_archive(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], findings: Findings) -> str:
    """List what a ``.keras`` file holds; returns the format's name."""
    config = json.loads(member_bytes(archive, members["config.json"]))
    arrays = arrays_of(member_bytes(archive, members["model.weights.h5"]), findings)
    _list(config, _keras_3(arrays), findings)
    return "Keras 3"


def read_hdf5(path: Path, findings: Findings) -> str:
    """List what an HDF5 file holds, of Keras 3 or of Keras 2; returns the format's name."""
    arrays = arrays_of(path, findings)
    if any(re.search(r"(^|/)vars/\d+$", tensor.name) for tensor in arrays.tensors):
        _list(None, _keras_3(arrays), findings)
        return "Keras 3 weights"
    text = arrays.texts.get(("", "model_config"))
    _list(json.loads(text) if text else None, _keras_2(arrays), findings)
    return "Keras 2"


def _list(config: Any, tensors: list[Tensor], findings: Findings) -> None:
    """List by the config, and what it tells nothing of by names."""
    if isinstance(config, dict) and (isinstance(config.get("config"), list) or "layers" in config.get("config", {})):
        tensors = from_config(config, tensors, findings)
    from_names(tensors, findings, "last")


def _keras_3(arrays: Arrays) -> list[Tensor]:
    """Arrays named by layer and number. A path holds the names of classes; the layers' names are attributes."""
    tensors = []
    for tensor in arrays.tensors:
        *parts, number = tensor.name.split("/")
        parts = parts[:-1] if parts and parts[-1] == "vars" else parts
        kind = parts[-1] if parts else ""
        places = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        names = [arrays.texts.get((f"{place}/vars", "name")) for place in places]
        known = "/".join(name for name in names if name) if names and names[-1] else "/".join(parts)
        if parts[:1] == ["optimizer"]:
            known = "/".join(parts)
        tensors.append(replace(tensor, name=f"{known}/{named(number, kind)}", hint="/".join(parts)))
    return _natural(tensors)


def _keras_2(arrays: Arrays) -> list[Tensor]:
    """Arrays named by layer and variable. A path begins with the layer, and goes on with the variable's own path."""
    tensors = []
    for tensor in arrays.tensors:
        first, *parts = tensor.name.removeprefix("model_weights/").split("/")
        if first == "optimizer_weights" or not parts:
            tensors.append(tensor)
            continue
        inner, variable = (first, *parts)[-2:]
        tensors.append(replace(tensor, name=f"{first}/{variable}" if inner == first else f"{first}/{inner}/{variable}"))
    return _natural(tensors)


def _natural(tensors: list[Tensor]) -> list[Tensor]:
    """In the order of the numbers in their names: HDF5 puts conv2d_10 before conv2d_2."""
    return sorted(tensors, key=lambda tensor: [part.zfill(9) for part in re.split(r"(\d+)", tensor.name)])
