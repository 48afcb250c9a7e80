"""Rows about pruning: importances, pruned networks and small ones, their cost, and deleted weights.

These functions are apart from :mod:`filtertwins.tables.pruning`, so that no job that trains depends on statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from filtertwins.measures.redundancy import Floats
from filtertwins.names import RUN, Row
from filtertwins.networks.rows import network_scores, run_names
from filtertwins.networks.weights import Chunk, Parameters, Scores
from filtertwins.pruning.cost import network_cost
from filtertwins.pruning.weights import Deletion

IMPORTANCE_COLUMNS = (*RUN, "criterion", "filter", "importance")


def importance_rows(run: Row, importances: Mapping[str, Floats]) -> list[Row]:
    """``importance.csv``: one row a criterion and filter of one network.

    Args:
        run: what names the network: dataset, architecture, filters, seed.
        importances: by criterion, (filter,).
    """
    return [
        {**run, "criterion": name, "filter": place, "importance": float(value)}
        for name, values in importances.items()
        for place, value in enumerate(values)
    ]


def pruning_rows(names: Sequence[Row], fine_tuning_steps: int, scores: Scores) -> pd.DataFrame:
    """``pruning.csv``: one row a network, after so many more steps of training. Losses are in nats.

    Networks of one name, as of several random choices of filters, have one row with their means.
    """
    named = [
        name | {"fine_tuning_steps": fine_tuning_steps} | own
        for name, own in zip(names, network_scores(scores), strict=True)
    ]
    return pd.DataFrame(named).groupby([*names[0], "fine_tuning_steps"], sort=False, as_index=False).mean()


def from_scratch_table(chunks: Iterable[Chunk], compared: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """``from_scratch.csv`` of small networks, and what each architecture is compared with, by ``pruning/<name>``."""
    return [
        row
        for chunk in chunks
        for row in from_scratch_rows(chunk, compared[f"pruning/{chunk.condition['architecture']}"])
    ]


def from_scratch_rows(chunk: Chunk, compared: Mapping[str, Any]) -> list[Row]:
    """``from_scratch.csv``: one row a small network and budget.

    Args:
        chunk: small networks, trained from scratch.
        compared: ``architecture`` and ``filters`` of the large network, and the ``budgets`` by name, each with the
            steps that it pays for.
    """
    return [
        {"dataset": run["dataset"], "architecture": compared["architecture"]}
        | {"activation": chunk.condition["model"]["activation"], "filters": compared["filters"]}
        | {"kept": run["filters"], "seed": run["seed"], "budget": budget, "steps": steps}
        | {key: value for key, value in own.items() if key != "train_loss"}
        for budget, steps in compared["budgets"].items()
        for run, own in zip(run_names(chunk), network_scores(chunk.scores_at(steps)), strict=True)
    ]


def cost_rows(
    dataset: str,
    networks: Sequence[Mapping[str, Any]],
    image_shape: tuple[int, ...],
    classes: int,
    batch: int,
    latency_s: NDArray[Any],
) -> list[Row]:
    """``cost.csv``: one row a network and round.

    Args:
        dataset: the dataset's name.
        networks: ``architecture``, ``filters``, ``kept``, ``kernel`` and ``activation`` of each.
        image_shape: rows, columns and channels.
        classes: how many classes the dataset has.
        batch: the images of a call.
        latency_s: the time of a call, (network, round).
    """
    names = ("architecture", "activation", "filters", "kept")
    return [
        {"dataset": dataset}
        | {name: network[name] for name in names}
        | asdict(network_cost(tuple(network["kernel"]), network["kept"], image_shape, classes))
        | {"batch": batch, "round": turn, "latency_s": seconds}
        for network, of_network in zip(networks, latency_s.tolist(), strict=True)
        for turn, seconds in enumerate(of_network)
    ]


def obd_rows(
    deletions: Sequence[tuple[Row, Deletion, Parameters]], retraining_steps: int, before: Scores, after: Scores
) -> list[Row]:
    """``obd.csv``: one row a network, ranking and share of its weights. Losses are in nats.

    Args:
        deletions: each network's name, what is deleted of it, and the network with zeros there.
        retraining_steps: for how many steps the other weights were trained on.
        before: the scores of the networks with deleted weights, in the same order.
        after: their scores after training on.
    """
    measured = ("gradient_increase", "predicted_increase", "quadratic_increase", "actual_increase", "loss")
    scores = zip(network_scores(before), network_scores(after), strict=True)
    return [
        name
        | {"ranking": deletion.ranking, "share": deletion.share, "deleted": deletion.deleted}
        | {"parameters": network.count}
        | {column: getattr(deletion, column) for column in measured}
        | {"test_accuracy": old["test_accuracy"], "test_accuracy_retrained": new["test_accuracy"]}
        | {"test_images": old["test_images"], "retraining_steps": retraining_steps}
        for (name, deletion, network), (old, new) in zip(deletions, scores, strict=True)
    ]
