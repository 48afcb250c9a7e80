"""Planted twins and filters taken out: whether twins separate, what a network with two is worth, what removal costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, conditions, count_seeds
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    combine,
    direction_parts,
    equivalence_parts,
    listed,
    network_parts,
)
from filtertwins.settings import Activation, Name, SecondFilter

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]  # "momentum" is SGD with momentum

_NAMES: dict[Optimizer, str] = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "adamw": "AdamW"}


@test("optimizers", "steps")
def twins_stay_equal(twins: Table, *, optimizers: tuple[Optimizer, ...]) -> Outcome:
    """Do filters that start as exact twins stay equal to the last bit, in every network without dropout?"""
    rows = chosen(twins, second_filter="twin", epsilon=0.0, dropout=0.0)
    used = set(rows["optimizer"].mask(rows["momentum"] > 0, "momentum"))
    if missing := [name for name in optimizers if name not in used]:
        raise NotMeasured(f"no twins were trained with {listed([_NAMES[name] for name in missing])}")
    if rows["step"].max() == 0:
        raise NotMeasured("no step after the start is recorded")
    separation = rows[["separation", "outgoing_separation"]].max(axis=1)
    separation = separation.where(rows["equal"].eq(True), separation.clip(lower=np.finfo(float).tiny))
    largest = separation.groupby([rows[name] for name in ("architecture", "filters", "seed")]).max()
    return combine(
        network_parts(largest, 0.0, 0.0, count_seeds(rows)),
        "distance",
        optimizers=listed([_NAMES[name] for name in optimizers]),
        steps=f"{int(rows['step'].max()):,}",
    )


@test("step", "together")
def twins_separate(
    twins: Table,
    *,
    activation: Activation,
    second_filter: SecondFilter,
    with_dropout: bool,
    step: PositiveInt | None = None,
) -> Outcome:
    """Do two filters that start with equal kernels and biases have different ones in every network, at a step?

    By default at the last step that is recorded. ReLU is no case for it, since filters that never fire never move.
    """
    rows = chosen(twins, activation=activation, second_filter=second_filter, epsilon=0.0)
    rows = rows[(rows["dropout"] > 0) == with_dropout]
    if rows.empty:
        raise NotMeasured(f"no {second_filter} trained with{'' if with_dropout else 'out'} dropout")
    rows = chosen(rows, step=step) if step else rows[rows["step"] == rows["step"].max()]
    parts = network_parts(rows["separation"], np.nextafter(0.0, 1.0), np.inf, count_seeds(rows))
    together = sum(not part.holds for part in parts)
    return combine(parts, "distance", step=f"{int(rows['step'].iloc[0]):,}", together=str(together))


@test()
def same_loss(
    one_fewer: Table,
    *,
    level: float,
    architecture: Name,
    first: SecondFilter,
    second: SecondFilter,
    margin: PositiveFloat,
    fewest_filters: PositiveInt = 2,
) -> Outcome:
    """Is the training loss with one kind of second filter that with another, within a margin?"""
    differences = _differences_of_loss(one_fewer, architecture, first, second, fewest_filters)
    return combine(equivalence_parts(differences, margin, level), "nats")


@test()
def larger_loss(
    one_fewer: Table, *, level: float, architecture: Name, first: SecondFilter, second: SecondFilter
) -> Outcome:
    """Is the training loss with one kind of second filter larger than with another?"""
    differences = _differences_of_loss(one_fewer, architecture, first, second, fewest_filters=2)
    return combine(direction_parts(differences, 0.0, level), "nats")


def _differences_of_loss(
    one_fewer: Table, architecture: Name, first: SecondFilter, second: SecondFilter, fewest_filters: int
) -> dict[str, pd.Series[float]]:
    """By condition: the training losses with one kind of second filter minus those with another, by seed."""
    rows = chosen(one_fewer, architecture=architecture, second_filter=(first, second))
    if rows["twins_equal"].eq(False).any():
        raise NotMeasured("the planted twins did not stay equal")
    differences = {}
    for name, own in conditions(rows[rows["filters"] >= fewest_filters]):
        losses = own.pivot_table(index="seed", columns="second_filter", values="train_loss")
        losses = losses.reindex(columns=[first, second])
        differences[name] = losses[first] - losses[second]
    return differences


@test()
def removal_costs_nothing(removal: Table, *, level: float, margin: PositiveFloat, merged: bool) -> Outcome:
    """Is the accuracy the same, within a margin, without one near duplicate? Mean over those of a network.

    It is just taken out, or merged: then its nearest filter takes over its outgoing weights. Only conditions count in
    which most networks have near duplicates.
    """
    cost = "accuracy_decrease_merged" if merged else "accuracy_decrease"
    decreases = {name: costs["near"] for name, costs in _removal_costs(removal, cost, ["near"])}
    return combine(equivalence_parts(decreases, margin, level), "points of accuracy")


@test()
def removal_costs_less(removal: Table, *, level: float) -> Outcome:
    """Does the loss grow less without one near duplicate than without one other filter? Means over those of a network.

    Filters are just taken out: nothing takes over their outgoing weights. Only conditions count in which most networks
    have both kinds of filters.
    """
    costs = _removal_costs(removal, "loss_increase", ["near", "other"])
    differences = {name: own["near"] - own["other"] for name, own in costs}
    return combine(direction_parts(differences, 0.0, level, below=True), "nats")


@test()
def similarity_predicts_cost(
    removal_correlations: Table,
    *,
    level: float,
    fewest_filters: Annotated[int, Field(ge=3)],
    below: Annotated[float, Field(gt=-1, lt=0)],
) -> Outcome:
    """Is each network's rank correlation of nearest cosine and loss increase on removal below a line, on average?

    In the conditions of enough filters.
    """
    rows = removal_correlations[removal_correlations["filters"] >= fewest_filters]
    correlations = {name: by_seed(own, "rank_correlation") for name, own in conditions(rows)}
    return combine(direction_parts(correlations, below, level, below=True), "correlation")


def _removal_costs(removal: Table, cost: str, needed: list[str]) -> Iterator[tuple[str, Table]]:
    """Mean cost of removing one filter, in each condition: one row a seed, columns near and other.

    Filters that never fire don't count: they are useless for another reason. A condition is left out unless most of its
    networks have all that is needed; the others of its networks have missing values.
    """
    for name, rows in conditions(removal[~removal["never_active"].astype(bool)]):
        kind = rows["near_duplicate"].map({True: "near", False: "other"})
        costs = rows.pivot_table(index="seed", columns=kind, values=cost).reindex(columns=["near", "other"])
        if costs[needed].notna().all(axis=1).mean() > 0.5:
            yield name, costs
