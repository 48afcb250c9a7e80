"""Accuracy, and whether networks of many filters are one model."""

from __future__ import annotations

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import FilterCounts, Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, count_seeds, only
from filtertwins.claims.judging import Outcome, combine, in_words, listed, margin_parts, network_parts, range_parts
from filtertwins.measures.statistics import EquivalenceTest
from filtertwins.settings import Name


@test("inside", "outside")
def accuracy_in_range(
    runs: Table, *, level: float, architecture: Name, filters: FilterCounts, lowest: Share, highest: Share
) -> Outcome:
    """Is the mean test accuracy within a range, ends included, for each number of filters?"""
    accuracy = {
        str(count): by_seed(chosen(runs, architecture=architecture, filters=count), "test_accuracy")
        for count in filters
    }
    parts = range_parts(accuracy, lowest, highest, level)
    shown = {part: f"{part.name} ({in_words(part.effect, 'accuracy')})" for part in parts}
    return combine(
        parts,
        "accuracy",
        inside=listed([shown[part] for part in parts if part.holds]),
        outside=listed([shown[part] for part in parts if part.holds is False]),
    )


@test("apart")
def equal_accuracy(
    equivalence: Table,
    *,
    level: float,
    architecture: Name,
    filters: FilterCounts,
    other_filters: FilterCounts,
    margin: PositiveFloat,
) -> Outcome:
    """Is the test accuracy the same within a margin, for each pair of a smaller and a larger number of filters?"""
    tests, p_holm = {}, []
    for first, second in [(i, j) for i in filters for j in other_filters if i < j]:
        row = only(equivalence, margin=margin, architecture=architecture, filters=first, other_filters=second)
        values = (row["difference"], row["low"], row["high"], margin, row["p_value"])
        tests[f"{first} against {second}"] = EquivalenceTest(*values, equivalent=None, n=int(row["n"]))
        p_holm.append(row["p_holm"])
    parts = margin_parts(tests, p_holm, level)
    return combine(parts, "points of accuracy", apart=listed([part.name for part in parts if part.holds is False]))


@test()
def logits_change_when_merged(
    merging: Table, *, architecture: Name, filters_kept: PositiveInt, at_least: float = 0.0, at_most: float = np.inf
) -> Outcome:
    """Is the largest change of a logit within a range for every network that is merged into fewer filters?"""
    rows = chosen(merging, architecture=architecture, filters_kept=filters_kept)
    rows = rows[rows["filters"] > filters_kept]
    return combine(network_parts(rows["largest_logit_change"], at_least, at_most, count_seeds(rows)), "logits")
