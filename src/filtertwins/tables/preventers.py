"""What keeps filters apart, and what pulls them together (H14)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.redundancy import filter_vectors, similarity_matrix
from filtertwins.names import Row
from filtertwins.networks.rows import layers_of, network_scores
from filtertwins.networks.weights import AnyChunk
from filtertwins.tables.nulls import Nulls, beside_nulls
from filtertwins.tables.redundancy import redundancy_rows

_NAMES = ("dataset", "architecture", "kernel_height", "kernel_width", "activation", "filters", "seed")
_MEASURES = ("mean_nearest_cosine", "redundant_share", "near_duplicate_pairs", "live_filters", "never_active_filters")
_NULLS = ("null_mean_nearest_cosine", "null_redundant_share", "null_near_duplicate_pairs")


def preventer_rows(chunk: AnyChunk, nulls: Nulls) -> list[Row]:
    """``preventers.csv``: one row a network, how well it does beside how redundant its filters are.

    ``mean_absolute_cosine`` is the mean over all pairs of filters, which Keras's ``OrthogonalRegularizer`` reduces.

    Args:
        chunk: trained runs.
        nulls: what chance gives.
    """
    preventer, strength = preventer_of(chunk.condition["model"])
    [layer] = layers_of(chunk)
    trained = [row for row in redundancy_rows(chunk, nulls, sets=0).redundancy if row["stage"] == "trained"]
    return [
        {name: row[name] for name in _NAMES}
        | {"preventer": preventer, "strength": strength}
        | {name: scores[name] for name in ("train_loss", "test_accuracy")}
        | {name: row[name] for name in (*_MEASURES, *_NULLS)}
        | {"mean_absolute_cosine": _mean_absolute_cosine(kernels)}
        for row, scores, kernels in zip(trained, network_scores(chunk.scores), layer.kernels[1], strict=True)
    ]


preventer_table = partial(beside_nulls, preventer_rows)
"""``preventers.csv``; see :func:`~filtertwins.tables.nulls.beside_nulls`."""


def preventer_of(model: Mapping[str, Any]) -> tuple[str, float]:
    """What a model has that may keep filters apart or pull them together, and how strong it is; one thing at most."""
    penalty = model.get("kernel_regularizer", {}).get("OrthogonalRegularizer", {})
    found = {
        "orthogonality": penalty.get("factor"),
        "dropout": model["dropout"],
        "weight_decay": model["weight_decay"],
        "small_weights": model.get("scale"),
    }
    return next(((name, strength) for name, strength in found.items() if strength), ("none", 0.0))


def _mean_absolute_cosine(kernels: NDArray[np.float32]) -> float:
    """The mean absolute cosine of all pairs of nonzero filters; kernels are (row, column, channel, filter)."""
    similarity = similarity_matrix(filter_vectors(kernels, None, "nonzero_scale"), "nonzero_scale")
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    return float(pairs.mean()) if len(pairs) else np.nan
