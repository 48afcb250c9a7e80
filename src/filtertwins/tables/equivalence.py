"""Is test accuracy the same for two numbers of filters?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from filtertwins.measures.statistics import holm, paired_equivalence
from filtertwins.names import Row

_EQUIVALENCE_COLUMNS: dict[str, Any] = {
    "dataset": object,
    "architecture": object,
    "activation": object,
    "filters": int,
    "other_filters": int,
    "difference": float,
    "low": float,
    "high": float,
    "margin": float,
    "p_value": float,
    "p_holm": float,
    "equivalent": "boolean",
    "n": int,
}


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
    return pd.DataFrame(rows, columns=list(_EQUIVALENCE_COLUMNS)).astype(_EQUIVALENCE_COLUMNS)


def _pair_rows(runs: pd.DataFrame, margin: float, alpha: float) -> Iterator[Row]:
    """The rows of one architecture."""
    by_filters = {filters: own.set_index("seed")["test_accuracy"] for filters, own in runs.groupby("filters")}
    accuracies = pd.DataFrame(by_filters)  # (seed, filters), missing where there is no run
    pairs = list(combinations(sorted(accuracies.columns), 2))
    tests = [paired_equivalence(accuracies[few], accuracies[many], margin, alpha=alpha) for few, many in pairs]
    adjusted = holm([test.p_value for test in tests])
    for (few, many), test, p_holm in zip(pairs, tests, adjusted, strict=True):
        yield {
            **{name: runs[name].iloc[0] for name in ("dataset", "architecture", "activation")},
            "filters": few,
            "other_filters": many,
            "difference": test.difference,
            "low": test.low,
            "high": test.high,
            "margin": margin,
            "p_value": test.p_value,
            "p_holm": p_holm,
            "equivalent": None if test.equivalent is None else bool(p_holm < alpha),
            "n": test.n,
        }
