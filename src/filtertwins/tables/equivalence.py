"""Is test accuracy the same for two numbers of filters?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import combinations

import pandas as pd

from filtertwins.measures.multiplicity import holm
from filtertwins.measures.statistics import EquivalenceTest, paired_equivalence
from filtertwins.names import Row

NETWORK = ("dataset", "architecture", "activation", "filters")
VERDICT = ("difference", "low", "high", "margin", "p_value", "p_holm", "equivalent", "n")
"""The columns of an equivalence test, in both tables that have some."""


def compare_filter_counts(runs: pd.DataFrame, margin: float, *, alpha: float = 0.05) -> pd.DataFrame:
    """``equivalence.csv``: is test accuracy the same for two numbers of filters? One row a pair of each architecture.

    Paired TOST over the seeds that both numbers have; p-values Holm-corrected over the pairs of an architecture.

    Args:
        runs: ``runs.csv``.
        margin: of accuracy, decided before the run.
        alpha: level of the tests; low and high are the interval of confidence 1 - 2 alpha, without correction.

    Returns:
        ``difference`` is the mean accuracy of ``filters`` minus that of ``other_filters``, the larger number.
        ``equivalent`` is missing where there are too few seeds.

    Raises:
        ValueError: for a margin that is not positive.
    """
    rows = [row for _, own in runs.groupby("architecture", sort=False) for row in _pair_rows(own, margin, alpha)]
    # The columns are named because a study of a single number of filters has no row.
    return pd.DataFrame(rows, columns=[*NETWORK, "other_filters", *VERDICT]).astype({"equivalent": "boolean"})


def _pair_rows(runs: pd.DataFrame, margin: float, alpha: float) -> Iterator[Row]:
    """The rows of one architecture."""
    by_filters = {filters: own.set_index("seed")["test_accuracy"] for filters, own in runs.groupby("filters")}
    accuracies = pd.DataFrame(by_filters)  # (seed, filters), missing where there is no run
    pairs = list(combinations(sorted(accuracies.columns), 2))
    tests = [paired_equivalence(accuracies[few], accuracies[many], margin, alpha=alpha) for few, many in pairs]
    names = {name: runs[name].iloc[0] for name in NETWORK[:-1]}
    cases = [names | {"filters": few, "other_filters": many} for few, many in pairs]
    yield from verdict_rows(cases, tests, alpha)


def verdict_rows(cases: Iterable[Row], tests: Sequence[EquivalenceTest], alpha: float) -> Iterator[Row]:
    """One row a test, after the columns of its case; p-values are Holm-corrected over all of them."""
    adjusted = holm([test.p_value for test in tests])
    for case, test, p_holm in zip(cases, tests, adjusted, strict=True):
        verdict = None if test.equivalent is None else bool(p_holm < alpha)
        yield case | asdict(test) | {"p_holm": p_holm, "equivalent": verdict}
