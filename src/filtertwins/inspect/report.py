"""What was found in some networks: as tables, as JSON, and in words."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from filtertwins.errors import StudyError
from filtertwins.inspect.model import LeftOut, Model
from filtertwins.inspect.readers.findings import KINDS, Findings, one_row_a_filter
from filtertwins.inspect.sameness import NEAR
from filtertwins.inspect.several import compare_networks
from filtertwins.inspect.verdicts import DRAWS, Layer, Verdict, judge_layers
from filtertwins.measures.shape import VECTORS_PER_DIMENSION
from filtertwins.names import Row

WORDS: dict[Verdict, str] = {
    "twins": "twins beyond its shape",
    "alike": "as alike as its shape makes them",
    "undecidable": "undecidable",
}
NOTE = (
    "p: corrected for the number of layers; isotropic: the same against random directions. near: pairs of cosine "
    f"{NEAR} and more. redundant: filters beyond the first of each cluster, and the same by the null. What one network "
    "cannot tell: whether filters are twins because of each other, or because every network of this kind learns the "
    "same popular types of filters. Several networks that differ in the seed alone can."
)
NOTE_ON_STRANGERS = (
    " g: how many times as often filters of one network are near each other as filters of different networks are, with "
    "its 95 % interval over networks."
)
PAIRS_SHOWN = 5
NAMES_SHOWN = 2

_KEYS = ("file", "name", "kind", "filters", "dimension", "activation", "verdict")
_HEADS = {
    **{"file": "file", "name": "layer", "kind": "kind", "filters": "n", "dimension": "d", "activation": "activation"},
    **{"verdict": "verdict", "p_value": "p", "isotropic_p_value": "isotropic", "near_pairs": "near"},
    **{"redundant_share": "redundant", "null_redundant_share": "by the null", "dead": "dead"},
}


@dataclass(frozen=True)
class Report:
    """What was found in the layers of some networks, what was left out, and rows on how networks compare."""

    files: tuple[str, ...]
    layers: tuple[Layer, ...]
    left_out: tuple[tuple[str, LeftOut], ...]  # with its file
    strangers: tuple[Row, ...]
    changes: tuple[Row, ...]

    def tables(self) -> dict[str, list[Row]]:
        """The tables by name, as rows, without those that have none; ``docs/inspect.md`` has their columns."""
        layers = [_row(layer) for layer in self.layers]
        rows = {"layers": layers, "pairs": _pairs(self.layers), "left_out": self._left_out()}
        return {name: own for name, own in (rows | self._compared()).items() if own}

    def shown(self) -> dict[str, list[dict[str, str]]]:
        """The tables that people read, as rows of text, by their titles; those without a row are left out."""
        twins = [layer for layer in self.layers if layer.verdict == "twins"]
        shown: dict[str, Sequence[Row]] = {
            "Layers": [_headed(layer) for layer in self.layers],
            "Nearest pairs of twins": _pairs(twins, PAIRS_SHOWN),
            "Remarks": _by_text([(each.file, each.name, line) for each in self.layers for line in _remarks(each)]),
            "Networks of one architecture": self.strangers,
            "What training changed": self.changes,
            "Left out": _by_text([(file, one.name, one.reason) for file, one in self.left_out]),
        }
        return {
            title: [{name: _text(value) for name, value in row.items()} for row in rows]
            for title, rows in shown.items()
            if rows
        }

    def note(self) -> str:
        """What the tables' columns mean, and what they cannot tell."""
        return NOTE + (NOTE_ON_STRANGERS if self.strangers else "") if self.layers else "No convolution was found."

    def to_text(self) -> str:
        """The report for a terminal; long names lose their middle, and a single file is not named in each line."""
        parts = []
        one_file = len({*self.files, *(file for file, _ in self.left_out)}) < 2
        for title, rows in self.shown().items():
            columns = [name for name in rows[0] if not (one_file and name == "file")]
            lines = [columns, *([shortened(row[name]) for name in columns] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            texts = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
            parts.append("\n".join([f"{title}:", *texts]))
        return "\n\n".join([*parts, textwrap.fill(self.note(), 100)]) + "\n"

    def to_json(self) -> str:
        """The report for scripts. What is missing is null; filters are counted from 0."""
        layers = [
            {name: _row(layer)[name] for name in _KEYS}
            | {"p_pairs": layer.test.pairs_p_value, "p_maximum": layer.test.maximum_p_value}
            | {"pairs": [asdict(pair) for pair in layer.pairs], "clusters": layer.clustered, "dead": list(layer.dead)}
            for layer in self.layers
        ]
        content: Row = {"files": list(self.files), "layers": layers, "left_out": self._left_out()} | self._compared()
        return json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n"

    def _compared(self) -> Row:
        return {name: list(rows) for name in ("strangers", "changes") if (rows := getattr(self, name))}

    def _left_out(self) -> list[Row]:
        return [{"file": file} | asdict(one) for file, one in self.left_out]


def inspect_models(
    models: Sequence[Model],
    *,
    before: str | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Judge each layer of some networks, and compare those of one architecture.

    Args:
        models: the networks.
        before: the path of the network that the others of its architecture were trained from.
        seed: for all draws.
        draws: how many sets of filters a null has, at least.
        progress: is told of each layer before it is looked at.
    """
    with threadpool_limits(1):  # Last bits depend on the number of threads, and threads that wait for others cost time.
        layers = [judge_layers(own.path, own.convolutions, seed=seed, draws=draws, progress=progress) for own in models]
        strangers, changes = compare_networks([found for found in layers if found], before)
    return Report(
        files=tuple(own.path for own in models),
        layers=tuple(layer for found in layers for layer in found),
        left_out=tuple((own.path, one) for own in models for one in own.left_out),
        strangers=strangers,
        changes=changes,
    )


def inspect_arrays(
    kernels: Mapping[str, ArrayLike],
    biases: Mapping[str, ArrayLike] | None = None,
    *,
    activation: str | None = None,
    layout: str = "keras",
    seed: int = 0,
    draws: int = DRAWS,
) -> Report:
    """Judge the convolutions of one network by their arrays.

    Args:
        kernels: by layer, of one dimension or more.
        biases: (filter,), by layer, of those that have some.
        activation: what follows each of these layers: "linear", "relu", "tanh", "gelu", ...; None if unknown.
        layout: "keras", where kernels are (..., channel, filter), or "torch", where they are (filter, channel, ...).
        seed: for all draws.
        draws: how many sets of filters a null has, at least.

    Raises:
        StudyError: for another layout, or arrays whose shapes do not fit.
    """
    if layout not in ("keras", "torch"):
        raise StudyError(f"layout: {layout!r}; allowed: keras, torch")
    findings = Findings()
    for name, values in kernels.items():
        array = np.asarray(values)
        if array.ndim not in KINDS or array.dtype.kind not in "biuf":
            allowed = "real numbers of filters, channels, and one to three axes of taps"
            raise StudyError(f"{name}: {array.dtype} of shape {array.shape}; allowed: {allowed}")
        array = array.astype(np.float64)
        kind = KINDS[array.ndim]
        rows = one_row_a_filter(array, "first" if layout == "torch" else "last", kind)
        own = None if biases is None or name not in biases else np.asarray(biases[name], dtype=np.float64)
        if own is not None and own.shape != rows.shape[:1]:
            raise StudyError(f"{name}: biases of shape {own.shape}; allowed: {rows.shape[:1]}")
        findings.add(name, rows, kind, own, activation=activation)
    return inspect_models([findings.model("arrays", "arrays")], seed=seed, draws=draws)


def _names(layer: Layer) -> Row:
    return {"file": layer.file, "name": layer.name}


def _pairs(layers: Sequence[Layer], most: int | None = None) -> list[Row]:
    return [_names(layer) | asdict(pair) for layer in layers for pair in layer.pairs[:most]]


def _row(layer: Layer) -> Row:
    """A layer's row of ``layers.csv``."""
    own = layer.convolution
    return (
        _names(layer)
        | {"kind": own.kind, "filters": layer.filters, "dimension": layer.test.dimension, "groups": own.groups}
        | {"activation": own.activation or "unknown", "compared_by": layer.same.words, "folded": own.folded}
        | {"verdict": layer.verdict, "reason": layer.reason, "p_value": layer.p_value, "draws": layer.draws}
        | {"isotropic_p_value": layer.isotropic_p_value}
        | {name: value for name, value in asdict(layer.test).items() if name not in ("form", "filters", "dimension")}
        | {"near_pairs": layer.near_pairs, "mean_nearest_cosine": layer.mean_nearest}
        | {"clusters": int(layer.clusters.max(initial=-1)) + 1, "dead": len(layer.dead)}
        | {"redundant_share": layer.share, "null_redundant_share": layer.null_share}
        | {"shared_by": own.shared_by, "residual": own.residual, "notes": " ".join(own.notes)}
    )


def _remarks(layer: Layer) -> list[str]:
    """What is said of a layer besides what the table says."""
    own = layer.convolution
    shared = [f"Its kernel is used in {own.shared_by} places."] if own.shared_by > 1 else []
    return [*([layer.reason] if layer.reason and not _is_small(layer) else []), *shared, *own.notes]


def _is_small(layer: Layer) -> bool:
    """Whether its numbers of filters and of weights are why it is undecidable."""
    return layer.verdict == "undecidable" and layer.filters <= VECTORS_PER_DIMENSION * layer.test.dimension


def _headed(layer: Layer) -> Row:
    """A layer's row as people read it."""
    row = _row(layer)
    words = WORDS[layer.verdict] + (f" (n < {VECTORS_PER_DIMENSION} d)" if _is_small(layer) else "")
    small = {name: "<0.001" for name in ("p_value", "isotropic_p_value") if row[name] < 0.001}
    shown = row | small | {"verdict": words}
    return {head: shown[name] for name, head in _HEADS.items()}


def _by_text(rows: Sequence[tuple[str, str, str]]) -> list[Row]:
    """Of (file, name, text), a row for each text of a file, with the names that it is about."""
    names: dict[tuple[str, str], list[str]] = {}
    for file, name, text in rows:
        names.setdefault((file, text), []).append(name)
    return [{"file": file, "name": _listed(own), "text": text} for (file, text), own in names.items()]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(shortened(name, 40) for name in names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shortened(text: str, longest: int = 60) -> str:
    """A name without its middle if it is long, as the names of some formats are; sentences stay whole."""
    return text if len(text) <= longest or " " in text else f"{text[:20]}...{text[-(longest - 23) :]}"


def _text(value: Any) -> str:
    """A cell of a table that people read."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3g}"
    return str(value)


def to_csv(rows: Sequence[Row]) -> str:
    """A table as CSV: every float reads back exactly, a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        cells = [_without_nan(value) for value in row.values()]
        writer.writerow([str(cell).upper() if isinstance(cell, bool) else cell for cell in cells])
    return text.getvalue()


def _without_nan(value: Any) -> Any:
    """A value for JSON, where what is missing is None."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
