"""What removing one filter costs, near duplicates against the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, PositiveFloat

from filtertwins.claims.evidence.registry import test
from filtertwins.claims.evidence.rows import conditions
from filtertwins.claims.judging import Outcome, combine, direction_parts, equivalence_parts, holm_of, in_words
from filtertwins.measures.statistics import paired_equivalence, rank_correlation


@test("margin")
def removal_costs_nothing(removal: pd.DataFrame, *, level: float, margin: PositiveFloat, merged: bool) -> Outcome:
    """Is the accuracy the same, within a margin, without one near duplicate? Mean over those of a network.

    It is just taken out, or merged: then its nearest filter takes over its outgoing weights. In the conditions where
    most networks have near duplicates. Filters that never fire don't count: they are useless for another reason.
    """
    cost = "accuracy_decrease_merged" if merged else "accuracy_decrease"
    tests = {
        name: paired_equivalence(costs["near"], np.zeros(len(costs)), margin)
        for name, costs in _removal_costs(removal, cost, ["near"])
    }
    shown = in_words(margin, "points of accuracy")
    return combine(equivalence_parts(tests, holm_of(tests), level), "points of accuracy", margin=shown)


@test()
def removal_costs_less(removal: pd.DataFrame, *, level: float) -> Outcome:
    """Does the loss grow less without one near duplicate than without one other filter? Means over those of a network.

    Filters are just taken out: nothing takes over their outgoing weights. In the conditions where most networks have
    both. Filters that never fire don't count.
    """
    costs = _removal_costs(removal, "loss_increase", ["near", "other"])
    differences = {name: own["near"] - own["other"] for name, own in costs}
    return combine(direction_parts(differences, 0.0, level, below=True), "nats")


@test("line")
def similarity_predicts_cost(
    removal: pd.DataFrame,
    *,
    level: float,
    fewest_filters: Annotated[int, Field(ge=3)],
    below: Annotated[float, Field(gt=-1, lt=0)],
) -> Outcome:
    """Is the rank correlation of nearest cosine and loss increase on removal below a line? Spearman's, in each network.

    In the conditions of enough filters. Filters that never fire don't count.
    """
    rows = _active(removal[removal["filters"] >= fewest_filters])
    correlations = {
        name: pd.Series(
            {seed: rank_correlation(run["nearest_cosine"], run["loss_increase"]) for seed, run in own.groupby("seed")}
        )
        for name, own in conditions(rows)
    }
    parts = direction_parts(correlations, below, level, below=True)
    return combine(parts, "correlation", line=in_words(below, "correlation"))


def _removal_costs(removal: pd.DataFrame, cost: str, needed: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Mean cost of removing one filter, in each condition: one row a seed, columns near and other.

    Of the conditions where most networks have all that is needed; in the others of their networks it is missing.
    """
    for name, rows in conditions(_active(removal)):
        kind = rows["near_duplicate"].map({True: "near", False: "other"})
        costs = rows.pivot_table(index="seed", columns=kind, values=cost).reindex(columns=["near", "other"])
        if costs[needed].notna().all(axis=1).mean() > 0.5:
            yield name, costs


def _active(removal: pd.DataFrame) -> pd.DataFrame:
    return removal[~removal["never_active"].astype(bool)]
