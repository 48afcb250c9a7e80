"""Tidy tables about pruning: the criteria's importances and how they agree, and pruned networks against small ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pandas as pd

from filtertwins.measures.redundancy import Floats
from filtertwins.measures.statistics import EquivalenceTest, holm, paired_equivalence, rank_correlation
from filtertwins.names import UNPRUNED, Row

NOT_SELECTABLE = (UNPRUNED, "random")

IMPORTANCE_COLUMNS = ("dataset", "architecture", "filters", "seed", "criterion", "filter", "importance")

_RUN = ["dataset", "architecture", "filters", "seed"]
_SMALL_OR_PRUNED_COLUMNS: dict[str, Any] = {
    "dataset": object,
    "architecture": object,
    "activation": object,
    "filters": int,
    "kept": int,
    "budget": object,
    "method": object,
    "difference": float,
    "low": float,
    "high": float,
    "margin": float,
    "p_value": float,
    "p_holm": float,
    "equivalent": "boolean",
    "n": int,
    "selected": bool,
}


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
    for key, own in importance.groupby(_RUN, sort=False):
        values = own.set_index(["filter", "criterion"])["importance"].unstack("criterion")  # noqa: PD010
        rows += [
            dict(zip(_RUN, key, strict=True))
            | {"criterion": first, "other": second}
            | {"rank_correlation": rank_correlation(values[first], values[second])}
            for first, second in combinations([name for name in names if name in values], 2)
        ]
    return rows


def compare_with_small(
    pruning: pd.DataFrame, from_scratch: pd.DataFrame, margin: float, *, alpha: float = 0.05
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
        missing where there are too few seeds. ``selected`` is the method of the highest mean validation accuracy,
        chance aside: the test split has no say in it.

    Raises:
        ValueError: for a margin that is not positive.
    """
    fine_tuned = pruning[pruning["fine_tuning_steps"] == pruning["fine_tuning_steps"].max()]
    pruned = fine_tuned[fine_tuned["method"] != UNPRUNED]
    rows = [
        row
        for _, own in pruned.groupby(["architecture", "filters", "method"], sort=False)
        for row in _method_rows(own, from_scratch, margin, alpha)
    ]
    table = pd.DataFrame(rows, columns=list(_SMALL_OR_PRUNED_COLUMNS)[:-1])
    selected = _selected_methods(pruned)
    names = zip(table["architecture"], table["filters"], table["kept"], table["method"], strict=True)
    table["selected"] = [selected.get(name[:-1]) == name[-1] for name in names]
    return table.astype(_SMALL_OR_PRUNED_COLUMNS)


def _method_rows(pruned: pd.DataFrame, from_scratch: pd.DataFrame, margin: float, alpha: float) -> Iterator[Row]:
    """The rows of one network and method."""
    names = {name: pruned[name].iloc[0] for name in ("dataset", "architecture", "activation", "filters")}
    same = (from_scratch["architecture"] == names["architecture"]) & (from_scratch["filters"] == names["filters"])
    cases: list[Row] = []
    tests: list[EquivalenceTest] = []
    for (kept, budget), small in from_scratch[same].groupby(["kept", "budget"], sort=False):
        own = pruned[pruned["kept"] == kept]
        if own.empty:
            continue
        both = pd.concat([side.set_index("seed")["test_accuracy"] for side in (own, small)], axis=1, join="inner")
        cases.append({"kept": kept, "budget": budget, "method": pruned["method"].iloc[0]})
        tests.append(paired_equivalence(both.iloc[:, 0], both.iloc[:, 1], margin, alpha=alpha))
    for case, test, p_holm in zip(cases, tests, holm([test.p_value for test in tests]), strict=True):
        yield {
            **names,
            **case,
            "difference": test.difference,
            "low": test.low,
            "high": test.high,
            "margin": margin,
            "p_value": test.p_value,
            "p_holm": p_holm,
            "equivalent": None if test.equivalent is None else bool(p_holm < alpha),
            "n": test.n,
        }


def _selected_methods(pruned: pd.DataFrame) -> dict[tuple[Any, ...], Any]:
    """The method selected for each architecture, number of filters, and number kept; of equals the first."""
    methods = pruned[~pruned["method"].isin(NOT_SELECTABLE)]
    means = methods.groupby(["architecture", "filters", "kept", "method"], sort=False)["validation_accuracy"].mean()
    best = means.groupby(["architecture", "filters", "kept"], sort=False).idxmax()
    return {name[:-1]: name[-1] for name in best}
