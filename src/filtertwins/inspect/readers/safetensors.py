"""Files of safetensors: a JSON header with each array's dtype, shape and place, then the arrays."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise
from typing import Any

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import Tensor, as_array
from filtertwins.inspect.readers.findings import Axes, Findings
from filtertwins.inspect.readers.named import from_names

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "BF16", "BOOL": "?"} | {
    f"{kind}{bits}": f"<{kind.lower()}{bits // 8}" for kind in "IU" for bits in (8, 16, 32, 64)
}
AXES: dict[str, Axes] = {"mlx": "middle", "tf": "last", "flax": "last", "jax": "last", "keras": "last"}


def is_safetensors(content: memoryview) -> bool:
    """Whether a file begins with the length of a JSON header, and the header."""
    return len(content) > 8 and int.from_bytes(content[:8], "little") <= len(content) - 8 and content[8] == ord("{")


def read_safetensors(content: memoryview, findings: Findings) -> str:
    """List what a file of safetensors holds; returns the format's name."""
    start = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(bytes(content[8:start]))
    made_by = header.pop("__metadata__", {}).get("format", "pt")
    tensors, places = [], []
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        if not 0 <= first <= last <= len(content) - start:
            raise ModelError(f"array {name!r} lies outside the file; get the file anew")
        if dtype := DTYPES.get(entry["dtype"]):
            piece = content[start + first : start + last]
            read = partial(as_array, name, piece, dtype, entry["shape"])
            tensors.append(Tensor(name, tuple(entry["shape"]), read))
        else:
            tensors.append(Tensor(name, (), refusal=f"Its elements are {entry['dtype']}, which is not read."))
        places.append((first, last))
    if any(after[0] < before[1] for before, after in pairwise(sorted(places))):
        raise ModelError("two arrays share bytes, as nothing writes them; get the file anew")
    from_names(tensors, findings, AXES.get(made_by, "first"))
    return "safetensors"
