"""Tables of tables about pruning: how criteria agree, and pruned networks against small ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from filtertwins.measures.statistics import EquivalenceTest, paired_equivalence, rank_correlation
from filtertwins.names import RUN, UNPRUNED, Row
from filtertwins.tables.equivalence import NETWORK, VERDICT, verdict_rows

NOT_SELECTABLE = (UNPRUNED, "random")
LEVEL = 0.05  # of the tests of equivalence, and of "no worse"
_SIZE = ["architecture", "filters", "kept"]


def put_together(*parts: pd.DataFrame) -> pd.DataFrame:
    """A table of its parts, in their order."""
    return pd.concat(parts, ignore_index=True)


def criteria_rows(importance: pd.DataFrame) -> list[Row]:
    """``criteria.csv``: how two criteria agree on one network's filters; one row a run and pair of criteria.

    Args:
        importance: ``importance.csv``. Criteria are paired in the order of their appearance.

    Returns:
        ``rank_correlation`` is Spearman's, over the filters; missing where a side is constant, or there are fewer than
        three filters.
    """
    names = importance["criterion"].drop_duplicates()
    rows: list[Row] = []
    for key, own in importance.groupby(list(RUN), sort=False):
        values = own.set_index(["filter", "criterion"])["importance"].unstack("criterion")  # noqa: PD010
        rows += [
            dict(zip(RUN, key, strict=True))
            | {"criterion": first, "other": second}
            | {"rank_correlation": rank_correlation(values[first], values[second])}
            for first, second in combinations([name for name in names if name in values], 2)
        ]
    return rows


def compare_with_small(
    pruning: pd.DataFrame, from_scratch: pd.DataFrame, margin: float, *, alpha: float = LEVEL
) -> pd.DataFrame:
    """``small_or_pruned.csv`` (H10): is a pruned network as good as one that was small from the start?

    Paired TOST over the seeds that both have, of pruned networks after fine-tuning; p-values Holm-corrected over the
    numbers of filters and budgets of an architecture and method. One row for each of these.

    Args:
        pruning: ``pruning.csv``.
        from_scratch: ``from_scratch.csv``.
        margin: of accuracy, decided before the run.
        alpha: level of the tests; low and high are the interval of confidence 1 - 2 alpha, without correction.

    Returns:
        ``difference`` is the mean test accuracy of the pruned networks minus that of the small ones. ``equivalent`` is
        missing where there are too few seeds. ``no_worse`` says whether the small network is less accurate by no more
        than the margin, whatever it gains: true if the upper end of the interval is below the margin. It is false if
        the lower end is above the margin, in an interval that is widened for the number of comparisons with the same
        budget (Bonferroni); otherwise it is missing. ``selected`` is the method of the highest mean validation
        accuracy, chance aside: the test split has no say in it.

    Raises:
        ValueError: for a margin that is not positive.
    """
    fine_tuned = pruning[pruning["fine_tuning_steps"] == pruning["fine_tuning_steps"].max()]
    pruned = fine_tuned[fine_tuned["method"] != UNPRUNED]
    compared = from_scratch[[*_SIZE, "budget"]].drop_duplicates().merge(pruned[_SIZE].drop_duplicates())
    comparisons = compared["budget"].value_counts()
    rows = [
        row
        for _, own in pruned.groupby(["architecture", "filters", "method"], sort=False)
        for row in _method_rows(own, from_scratch, margin, alpha, comparisons)
    ]
    # The columns are named because no small network may have as many filters as a pruned one.
    table = pd.DataFrame(rows, columns=[*NETWORK, "kept", "budget", "method", *VERDICT[:-1], "no_worse", "n"]).astype(
        {"equivalent": "boolean", "no_worse": "boolean"}
    )
    return mark_selected(table, pruning)


def _method_rows(
    pruned: pd.DataFrame, from_scratch: pd.DataFrame, margin: float, alpha: float, comparisons: pd.Series[int]
) -> Iterator[Row]:
    """The rows of one network and method, with so many comparisons of each budget."""
    names = {name: pruned[name].iloc[0] for name in NETWORK}
    same = (from_scratch["architecture"] == names["architecture"]) & (from_scratch["filters"] == names["filters"])
    cases: list[Row] = []
    tests: list[EquivalenceTest] = []
    for (kept, budget), small in from_scratch[same].groupby(["kept", "budget"], sort=False):
        own = pruned[pruned["kept"] == kept]
        if own.empty:
            continue
        both = pd.concat([side.set_index("seed")["test_accuracy"] for side in (own, small)], axis=1, join="inner")
        test, wider = (
            paired_equivalence(both.iloc[:, 0], both.iloc[:, 1], margin, alpha=alpha / of_all)
            for of_all in (1, int(comparisons[budget]))
        )
        no_worse = True if test.high < margin else False if wider.low > margin else None
        method = pruned["method"].iloc[0]
        cases.append(names | {"kept": kept, "budget": budget, "method": method, "no_worse": no_worse})
        tests.append(test)
    yield from verdict_rows(cases, tests, alpha)


def mark_selected(table: pd.DataFrame, pruning: pd.DataFrame) -> pd.DataFrame:
    """A table with a column that says which method is selected at each number of filters kept, by ``pruning.csv``."""
    fine_tuned = pruning[pruning["fine_tuning_steps"] == pruning["fine_tuning_steps"].max()]
    chosen = best_methods(fine_tuned[~fine_tuned["method"].isin(NOT_SELECTABLE)])
    names = zip(table["architecture"], table["filters"], table["kept"], table["method"], strict=True)
    return table.assign(selected=[chosen.get(name[:-1]) == name[-1] for name in names])


def best_methods(pruned: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """The method of the highest mean validation accuracy; of equals the first.

    Args:
        pruned: rows of ``pruning.csv`` by the methods to choose from, either before or after fine-tuning.

    Returns:
        By architecture, number of filters, and number kept.
    """
    means = pruned.groupby([*_SIZE, "method"], sort=False)["validation_accuracy"].mean()
    best = means.groupby(_SIZE, sort=False).idxmax()
    return {name[:-1]: name[-1] for name in best}
