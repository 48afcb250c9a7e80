"""Controls: filters that are not trained, and labels that mean nothing."""

from __future__ import annotations

from functools import partial

from filtertwins.names import Row
from filtertwins.networks.rows import network_scores
from filtertwins.networks.weights import AnyChunk
from filtertwins.tables.nulls import Nulls, beside_nulls
from filtertwins.tables.redundancy import redundancy_rows

_MEASURES = ("mean_nearest_cosine", "null_mean_nearest_cosine", "null_sd", "excess", "cosine_to_initial")


def control_rows(chunk: AnyChunk, nulls: Nulls) -> list[Row]:
    """``controls.csv``: one row a network, what it learnt beside how redundant its filters are.

    Losses and accuracies are on the true labels, also where training saw permuted ones.

    Args:
        chunk: trained runs.
        nulls: what chance gives.
    """
    measured = redundancy_rows(chunk, nulls, sets=0).redundancy
    initial = [row for row in measured if row["stage"] == "initial"]
    trained = [row for row in measured if row["stage"] == "trained"]
    return [
        {name: row[name] for name in ("dataset", "architecture", "activation", "filters", "seed")}
        | {name: scores[name] for name in ("train_loss", "test_accuracy")}
        | {"initial_mean_nearest_cosine": before["mean_nearest_cosine"]}
        | {name: row[name] for name in _MEASURES}
        for row, before, scores in zip(trained, initial, network_scores(chunk.scores), strict=True)
    ]


control_table = partial(beside_nulls, control_rows)
"""``controls.csv``; see :func:`~filtertwins.tables.nulls.beside_nulls`."""
