"""Tables of tables about pruning: how criteria agree, and pruned networks against small ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from filtertwins.measures.statistics import EquivalenceTest, paired_equivalence, rank_correlation
from filtertwins.names import COSINE_MERGE, RANDOM, RUN, SELECTED, UNPRUNED, Row
from filtertwins.tables.equivalence import NETWORK, VERDICT, verdict_rows

NOT_SELECTABLE = (UNPRUNED, RANDOM, COSINE_MERGE)
"""What is no choice among criteria by which filters are removed. Merging is something else, and shown on its own."""

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
    numbers of filters and budgets of an architecture and method. One row for each of these; the method ``selected`` is
    that of :func:`with_selected`.

    Args:
        pruning: ``pruning.csv``.
        from_scratch: ``from_scratch.csv``.
        margin: of accuracy, decided before the run.
        alpha: level of the tests; low and high are the interval of confidence 1 - 2 alpha, without correction.

    Returns:
        ``difference`` is the mean test accuracy of the pruned networks minus that of the small ones. ``equivalent`` is
        missing where there are too few seeds. ``no_worse`` says whether the small network is shown to be less accurate
        by no more than the margin, whatever it gains: whether the upper end of the interval is below the margin.

    Raises:
        ValueError: for a margin that is not positive.
    """
    whole = with_selected(pruning)
    pruned = whole[(whole["fine_tuning_steps"] > 0) & (whole["method"] != UNPRUNED)]
    rows = [
        row
        for _, own in pruned.groupby(["architecture", "filters", "method"], sort=False)
        for row in _method_rows(own, from_scratch, margin, alpha)
    ]
    # The columns are named because no small network may have as many filters as a pruned one.
    return pd.DataFrame(rows, columns=[*NETWORK, "kept", "budget", "method", *VERDICT[:-1], "no_worse", "n"]).astype(
        {"equivalent": "boolean", "no_worse": "boolean"}
    )


def _method_rows(pruned: pd.DataFrame, from_scratch: pd.DataFrame, margin: float, alpha: float) -> Iterator[Row]:
    """The rows of one network and method."""
    names = {name: pruned[name].iloc[0] for name in NETWORK}
    same = (from_scratch["architecture"] == names["architecture"]) & (from_scratch["filters"] == names["filters"])
    cases: list[Row] = []
    tests: list[EquivalenceTest] = []
    for (kept, budget), small in from_scratch[same].groupby(["kept", "budget"], sort=False):
        own = pruned[pruned["kept"] == kept]
        if own.empty:
            continue
        both = pd.concat([side.set_index("seed")["test_accuracy"] for side in (own, small)], axis=1, join="inner")
        test = paired_equivalence(both.iloc[:, 0], both.iloc[:, 1], margin, alpha=alpha)
        no_worse = None if test.equivalent is None else test.high < margin
        method = pruned["method"].iloc[0]
        cases.append(names | {"kept": kept, "budget": budget, "method": method, "no_worse": no_worse})
        tests.append(test)
    yield from verdict_rows(cases, tests, alpha)


def with_selected(pruning: pd.DataFrame) -> pd.DataFrame:
    """``pruning.csv`` with more rows, of the method ``selected``: the best criterion at each number of filters kept.

    It is chosen after fine-tuning, for each seed on the validation images of the other seeds. A choice on the seed's
    own networks would find gains where there are none. A single seed has no others, and so nothing selected.
    """
    selectable = pruning[~pruning["method"].isin(NOT_SELECTABLE)]
    chosen = [
        {"architecture": architecture, "filters": filters, "seed": seed, "kept": kept, "method": method}
        for (architecture, filters), own in selectable.groupby(["architecture", "filters"], sort=False)
        for seed, best in best_for_others(by_way(own[own["fine_tuning_steps"] > 0], "validation")).items()
        for kept, method in best
    ]
    keys = [*_SIZE, "seed", "method"]
    rows = selectable.merge(pd.DataFrame(chosen, columns=keys), on=keys).assign(method=SELECTED)
    return pd.concat([pruning, rows], ignore_index=True) if len(rows) else pruning


def by_way(pruned: pd.DataFrame, split: str) -> pd.DataFrame:
    """Accuracies of one architecture's pruned networks on a split: one row a seed, one column a (kept, method)."""
    return pruned.pivot_table(index="seed", columns=["kept", "method"], values=f"{split}_accuracy")


def best_for_others(validation: pd.DataFrame, *, worst: bool = False) -> dict[int, list[tuple[int, str]]]:
    """By seed, at each number of filters kept, the method of the highest (or lowest) mean over the *other* seeds.

    Args:
        validation: validation accuracies, of :func:`by_way`; of equal methods the first one counts.
        worst: look for the lowest mean.
    """
    found = {}
    for seed in validation.index if len(validation) > 1 else ():
        means = validation.drop(index=seed).mean()
        by_kept = (-means if worst else means).groupby("kept")
        found[seed] = list(by_kept.idxmax())
    return found
