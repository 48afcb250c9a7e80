"""Tables of tables about pruning: how criteria agree, and pruned networks against small ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from filtertwins.measures.statistics import FEWEST_PAIRS, rank_correlation, seed_interval
from filtertwins.names import DOUBLED, RUN, SELECTED, UNPRUNED, Row
from filtertwins.tables.selection import with_selected

LEVEL = 0.05  # of the tests of claims, and of "no worse"
MATCHED = "matched_convergence"  # the budget that lasts until neither network gets better
_NETWORK = ("dataset", "architecture", "activation", "filters")
_STEPS = ["small_steps", "fine_tuning_steps"]


def put_together(*parts: pd.DataFrame) -> pd.DataFrame:
    """A table of its parts, in their order. Parts without rows have no types, so they are left out."""
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


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
    pruning: pd.DataFrame,
    from_scratch: pd.DataFrame,
    longer: pd.DataFrame | None = None,
    *,
    margin: float,
    loss: float = 0.0,
) -> pd.DataFrame:
    """``small_or_pruned.csv`` (H10): is a pruned network as good as one that was small from the start?

    Over the seeds that both have, of pruned networks after fine-tuning; one row a number of filters, budget and method.
    The method ``selected`` is that of :func:`with_selected`.

    With the budget ``matched_convergence`` each side is trained until its validation loss is flat, see
    :func:`first_flat`. It has the method ``selected`` only, and no row where one of the sides is not flat after the
    most steps.

    Args:
        pruning: ``pruning.csv``.
        from_scratch: ``from_scratch.csv``.
        longer: ``pruning_longer.csv``, where networks were trained that long.
        margin: of accuracy, decided before the run.
        loss: the smallest fall of the validation loss of interest, in nats.

    Returns:
        ``difference`` is the mean test accuracy of the pruned networks minus that of the small ones; ``low`` and
        ``high`` are its interval of confidence 1 - 2 ``LEVEL``. ``no_worse`` says whether the small network is shown to
        be less accurate by no more than the margin, whatever it gains: whether the upper end of the interval is below
        the margin. It is missing where there are too few seeds.
    """
    whole = with_selected(pruning)
    pruned = whole[(whole["fine_tuning_steps"] > 0) & (whole["method"] != UNPRUNED)]
    budgets = from_scratch[~from_scratch["budget"].str.startswith(DOUBLED)]
    rows = [
        row
        for _, own in pruned.groupby(["architecture", "filters", "method"], sort=False)
        for row in _compared(_pairs(own, budgets), margin)
    ]
    if longer is not None:
        for _, own in longer.assign(method=SELECTED).groupby(["architecture", "filters"], sort=False):
            rows += _compared(_flat_pairs(own, from_scratch, loss), margin)
    # The columns are named because no small network may have as many filters as a pruned one.
    found = ["difference", "low", "high", "margin", "no_worse", "n"]
    columns = [*_NETWORK, "kept", "budget", "method", *found, *_STEPS]
    return pd.DataFrame(rows, columns=columns).astype({"no_worse": "boolean"})


def first_flat(losses: pd.DataFrame, loss: float) -> int | None:
    """The first steps whose double lowers the mean loss by less than what matters; None where all lower it by more.

    Args:
        losses: rows with a validation_loss at some steps, each twice the one before if the training of what was pruned
            is counted too.
        loss: the smallest fall of interest.
    """
    means = losses.groupby("steps")["validation_loss"].mean()
    flat = means.index[:-1][-means.diff().to_numpy()[1:] < loss]
    return int(flat[0]) if len(flat) else None


_Pair = tuple[Any, Any, pd.DataFrame, pd.DataFrame]  # budget, filters kept, pruned networks and small ones


def _beside(pruned: pd.DataFrame, from_scratch: pd.DataFrame) -> pd.DataFrame:
    """The small networks that stand beside the pruned ones of an architecture."""
    same = from_scratch["architecture"] == pruned["architecture"].iloc[0]
    rows: pd.DataFrame = from_scratch[same & (from_scratch["filters"] == pruned["filters"].iloc[0])]
    return rows


def _pairs(pruned: pd.DataFrame, from_scratch: pd.DataFrame) -> Iterator[_Pair]:
    """What one network and method are compared with."""
    for (kept, budget), small in _beside(pruned, from_scratch).groupby(["kept", "budget"], sort=False):
        if len(own := pruned[pruned["kept"] == kept]):
            yield budget, kept, own, small


def _flat_pairs(longer: pd.DataFrame, from_scratch: pd.DataFrame, loss: float) -> Iterator[_Pair]:
    """The same of networks that are trained until their loss is flat."""
    first_or_doubled = from_scratch["budget"].str.startswith(("equal_epochs", DOUBLED))
    for kept, small in _beside(longer, from_scratch[first_or_doubled]).groupby("kept", sort=False):
        own = longer[longer["kept"] == kept]
        ends = [first_flat(side, loss) for side in (own.assign(steps=own["fine_tuning_steps"]), small)]
        if None not in ends:
            yield MATCHED, kept, own[own["fine_tuning_steps"] == ends[0]], small[small["steps"] == ends[1]]


def _compared(pairs: Iterable[_Pair], margin: float) -> Iterator[Row]:
    """The rows of some comparisons."""
    for budget, kept, pruned, small in pairs:
        both = pd.concat([side.set_index("seed")["test_accuracy"] for side in (pruned, small)], axis=1, join="inner")
        found = seed_interval(both.iloc[:, 0] - both.iloc[:, 1], level=1 - 2 * LEVEL)
        row = {name: pruned[name].iloc[0] for name in (*_NETWORK, "method")} | {"kept": kept, "budget": budget}
        row |= {"difference": found.estimate, "low": found.low, "high": found.high, "margin": margin, "n": found.n}
        row |= {"no_worse": found.high < margin if found.n >= FEWEST_PAIRS else None}
        yield row | {"small_steps": small["steps"].iloc[0], "fine_tuning_steps": pruned["fine_tuning_steps"].iloc[0]}
