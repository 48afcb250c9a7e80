"""Twins that are planted: whether they separate, and what a network with two of them is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import test
from filtertwins.claims.evidence.rows import chosen, conditions, count_seeds
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    combine,
    direction_parts,
    equivalence_parts,
    holm_of,
    in_words,
    listed,
    network_parts,
)
from filtertwins.measures.statistics import paired_equivalence
from filtertwins.settings import Activation, Name, SecondFilter

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]  # momentum: sgd with it

_IN_WORDS: dict[Optimizer, str] = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "adamw": "AdamW"}


@test("optimizers", "steps")
def twins_stay_equal(twins: pd.DataFrame, *, optimizers: tuple[Optimizer, ...]) -> Outcome:
    """Do filters that start as exact twins stay equal to the last bit, in every network without dropout?"""
    rows = chosen(twins, second_filter="twin", epsilon=0.0, dropout=0.0)
    used = set(rows["optimizer"].mask(rows["momentum"] > 0, "momentum"))
    if missing := [name for name in optimizers if name not in used]:
        raise NotMeasured(f"no twins were trained with {listed([_IN_WORDS[name] for name in missing])}")
    if rows["step"].max() == 0:
        raise NotMeasured("no step after the start is recorded")
    separation = rows[["separation", "outgoing_separation"]].max(axis=1)
    separation = separation.where(rows["equal"].eq(True), separation.clip(lower=np.finfo(float).tiny))
    largest = separation.groupby([rows[name] for name in ("architecture", "filters", "seed")]).max()
    return combine(
        network_parts(largest, 0.0, 0.0, count_seeds(rows)),
        "distance",
        optimizers=listed([_IN_WORDS[name] for name in optimizers]),
        steps=f"{int(rows['step'].max()):,}",
    )


@test("step", "together")
def twins_separate(
    twins: pd.DataFrame,
    *,
    activation: Activation,
    second_filter: SecondFilter,
    with_dropout: bool,
    step: PositiveInt | None = None,
) -> Outcome:
    """Do two filters that start with equal kernels and biases have different ones in every network, at a step?

    By default at the last step that is recorded. Not a question for ReLU: filters that never fire never move.
    """
    rows = chosen(twins, activation=activation, second_filter=second_filter, epsilon=0.0)
    rows = rows[(rows["dropout"] > 0) == with_dropout]
    if rows.empty:
        raise NotMeasured(f"no {second_filter} trained with{'' if with_dropout else 'out'} dropout")
    rows = chosen(rows, step=step) if step else rows[rows["step"] == rows["step"].max()]
    parts = network_parts(rows["separation"], np.nextafter(0.0, 1.0), np.inf, count_seeds(rows))
    together = sum(not part.holds for part in parts)
    return combine(parts, "distance", step=f"{int(rows['step'].iloc[0]):,}", together=str(together))


@test("margin")
def same_loss(
    one_fewer: pd.DataFrame,
    *,
    level: float,
    architecture: Name,
    first: SecondFilter,
    second: SecondFilter,
    margin: PositiveFloat,
    fewest_filters: PositiveInt = 2,
) -> Outcome:
    """Is the training loss with one kind of second filter that with another, within a margin?"""
    tests = {
        name: paired_equivalence(losses[first], losses[second], margin)
        for name, losses in _losses(one_fewer, architecture, first, second, fewest_filters)
    }
    return combine(equivalence_parts(tests, holm_of(tests), level), "nats", margin=in_words(margin, "nats"))


@test()
def larger_loss(
    one_fewer: pd.DataFrame,
    *,
    level: float,
    architecture: Name,
    first: SecondFilter,
    second: SecondFilter,
    fewest_filters: PositiveInt = 2,
) -> Outcome:
    """Is the training loss with one kind of second filter larger than with another?"""
    losses = _losses(one_fewer, architecture, first, second, fewest_filters)
    differences = {name: of_start[first] - of_start[second] for name, of_start in losses}
    return combine(direction_parts(differences, 0.0, level), "nats")


def _losses(
    one_fewer: pd.DataFrame, architecture: Name, first: SecondFilter, second: SecondFilter, fewest_filters: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each condition's training losses: one row a seed, one column a kind of second filter."""
    rows = chosen(one_fewer, architecture=architecture, second_filter=(first, second))
    if rows["twins_equal"].eq(False).any():
        raise NotMeasured("the planted twins did not stay equal")
    for name, own in conditions(rows[rows["filters"] >= fewest_filters]):
        losses = own.pivot_table(index="seed", columns="second_filter", values="train_loss")
        yield name, losses.reindex(columns=[first, second])
