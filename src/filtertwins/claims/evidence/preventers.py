"""What keeps filters apart, what pulls them together, and what that does to accuracy."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import PositiveInt

from filtertwins.architectures import Name
from filtertwins.claims.evidence.likeness import beside_strangers
from filtertwins.claims.evidence.registry import Names, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, condition, only
from filtertwins.claims.judging import NotMeasured, Outcome, combine, range_parts, same_parts
from filtertwins.claims.words import in_words
from filtertwins.settings import Margins


@test("measured", "other")
def preventer_changes_likeness(
    preventers: Table,
    *,
    architecture: Name,
    without: Name,
    filters: PositiveInt,
    moves: Literal["apart", "together"],
    margins: Margins,
) -> Outcome:
    """Is the mean cosine to the nearest filter lower than without, or higher, by as much as matters?"""
    name, measured, other = _with_and_without(preventers, "mean_nearest_cosine", architecture, without, filters)
    change = [(name, measured - other)]
    apart = moves == "apart"
    parts = range_parts(change, highest=-margins.cosine) if apart else range_parts(change, lowest=margins.cosine)
    numbers = {key: in_words(own.mean(), "cosine") for key, own in (("measured", measured), ("other", other))}
    return combine(parts, "change of cosine", **numbers)


@test()
def preventer_makes_redundant(
    preventers: Table, *, architectures: Names, without: Names, filters: PositiveInt, margins: Margins
) -> Outcome:
    """Is the share of redundant filters larger than without, in each of some architectures?"""
    if len(architectures) != len(without):
        raise NotMeasured("as many networks without are needed as there are architectures")
    changes = []
    for pair in zip(architectures, without, strict=True):
        name, measured, other = _with_and_without(preventers, "redundant_share", *pair, filters)
        changes.append((name, measured - other))
    return combine(range_parts(changes, lowest=margins.share), "share")


@test()
def preventer_costs_nothing(
    preventers: Table, *, architecture: Name, without: Name, filters: PositiveInt, margins: Margins
) -> Outcome:
    """Is the test accuracy the same as without, within a margin on both sides?"""
    name, measured, other = _with_and_without(preventers, "test_accuracy", architecture, without, filters)
    return combine(same_parts([(name, measured - other)], margins.accuracy), "points of accuracy")


@test()
def close_pairs_with_a_preventer(
    preventers_strangers: Table, *, architecture: Name, filters: PositiveInt, margins: Margins
) -> Outcome:
    """Are close pairs more than those of strangers, by as much as matters? By the table's jackknife interval."""
    row = only(preventers_strangers, architecture=architecture, filters=filters, stage="trained")
    return combine([beside_strangers(row, margins.ratio)], "ratio")


def _with_and_without(
    table: Table, column: str, architecture: str, without: str, filters: int
) -> tuple[str, pd.Series[float], pd.Series[float]]:
    """A condition in words; and a column by seed, of its networks and of those that lack what these have."""
    having, lacking = (chosen(table, architecture=name, filters=filters) for name in (architecture, without))
    return condition(having.iloc[0]), by_seed(having, column), by_seed(lacking, column)
