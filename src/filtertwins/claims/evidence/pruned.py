"""Accuracies of pruned networks, and the choice among ways to prune, as the tests about pruning need them.

Ways to prune are chosen on the validation split; the test split is looked at once, for those that were chosen.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from filtertwins.claims.evidence.registry import Names, Table
from filtertwins.claims.evidence.rows import by_seed, chosen
from filtertwins.claims.judging import NotMeasured, listed
from filtertwins.measures.statistics import paired_equivalence
from filtertwins.names import UNPRUNED
from filtertwins.tables.pruning import best_methods

Split = Literal["validation", "test"]


class Chosen(NamedTuple):
    """One architecture's networks, pruned in the way that was chosen."""

    filters: int  # of the unpruned network
    kept: int
    words: str
    gain: pd.Series[float]  # of test accuracy, by seed


def unpruned_filters(pruning: Table, architecture: str) -> int:
    """How many filters the unpruned network has."""
    return int(chosen(pruning, architecture=architecture)["filters"].iloc[0])


def pruned(pruning: Table, architecture: str, *, fine_tuned: bool) -> Table:
    """An architecture's networks with filters removed, as pruned or after fine-tuning."""
    rows = _stage(pruning, architecture, fine_tuned=fine_tuned)
    rows = rows[rows["method"] != UNPRUNED]
    if rows.empty:
        raise NotMeasured(f"no pruned network of {architecture}")
    return rows


def best_at_each_count(rows: Table) -> Table:
    """Test accuracies by the best method on validation images, of those in the rows of one architecture.

    One row a seed, one column a kept count.
    """
    return _by_way(rows, "test")[_best_ways(rows)].droplevel("method", axis="columns")


def gap(rows: Table) -> pd.Series[float]:
    """One architecture's test accuracy from the worst to the best method, mean over kept counts: one value a seed.

    At each kept count these are the methods of the lowest and the highest mean validation accuracy, chance among them.
    The extremes of each seed's own test accuracies would be apart by noise alone.
    """
    upside_down = rows.assign(validation_accuracy=-rows["validation_accuracy"])
    return (best_at_each_count(rows) - best_at_each_count(upside_down)).mean(axis="columns")


def gains(pruning: Table, architecture: str, methods: Names, split: Split, *, trained_on: bool = True) -> Table:
    """Accuracies after fine-tuning, less that of the unpruned network, trained on as well or left as it was.

    One row a seed, one column a (kept, method). The table need not have all methods.
    """
    unpruned = chosen(_stage(pruning, architecture, fine_tuned=trained_on), method=UNPRUNED)
    accuracies = _by_way(_with_methods(pruning, architecture, methods), split)
    return accuracies.sub(by_seed(unpruned, f"{split}_accuracy"), axis="index")


def smallest_good(pruning: Table, architecture: str, methods: Names, margin: float, level: float) -> Chosen:
    """The smallest network that loses no accuracy by more than a margin, as far as the validation split can tell.

    Each kept count is stood for by its best method after fine-tuning. It is compared with the unpruned network, trained
    on for as long, by the lower of the two one-sided tests for equivalence: to be better is no fault. Where no network
    passes, it is the one of the highest mean gain.
    """
    gain = gains(pruning, architecture, methods, "validation")
    ways = _best_ways(_with_methods(pruning, architecture, methods))
    no_change = np.zeros(len(gain))
    good = [way for way in ways if paired_equivalence(gain[way], no_change, margin, alpha=level).low > -margin]
    kept, method = good[0] if good else max(ways, key=gain.mean().to_dict().__getitem__)
    filters, tested = unpruned_filters(pruning, architecture), gains(pruning, architecture, methods, "test")
    return Chosen(filters, kept, in_short(filters, kept, method), tested[kept, method])


def in_short(filters: int, kept: int, method: str) -> str:
    """A way to prune in words."""
    return f"{kept} of {filters} filters left, by {method}"


def _stage(pruning: Table, architecture: str, *, fine_tuned: bool) -> Table:
    rows = chosen(pruning, architecture=architecture)
    rows = rows[(rows["fine_tuning_steps"] > 0) == fine_tuned]
    if rows.empty:
        raise NotMeasured(f"nothing of {architecture} with{'' if fine_tuned else 'out'} fine-tuning")
    return rows


def _with_methods(pruning: Table, architecture: str, methods: Names) -> Table:
    rows = pruned(pruning, architecture, fine_tuned=True)
    rows = rows[rows["method"].isin(methods)]
    if rows.empty:
        raise NotMeasured(f"{architecture} was not pruned by {listed(methods)}")
    return rows


def _by_way(rows: Table, split: Split) -> Table:
    return rows.pivot_table(index="seed", columns=["kept", "method"], values=f"{split}_accuracy")


def _best_ways(rows: Table) -> list[tuple[int, str]]:
    """Each kept count of one architecture, the fewest first, with its best method on validation images."""
    return sorted((kept, method) for (_, _, kept), method in best_methods(rows).items())
