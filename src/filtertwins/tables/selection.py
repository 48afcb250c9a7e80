"""Which criterion is chosen to remove filters by: the best one on the validation images of the other seeds.

It is apart from :mod:`filtertwins.tables.pruning`, so that no job that trains depends on statistics.
"""

from __future__ import annotations

import pandas as pd

from filtertwins.names import SELECTED

SELECTABLE = ("l1", "fpgm", "nearest_cosine", "obd", "taylor", "oracle")
"""The criteria that ``selected`` chooses among: all of the package's but chance. Merging is another way, shown apart.
Those of files beside the config are left out, so that they change nothing of what is there without them."""

_SIZE = ["architecture", "filters", "kept"]


def with_selected(pruning: pd.DataFrame) -> pd.DataFrame:
    """``pruning.csv`` with more rows, of the method ``selected``: the best criterion at each number of filters kept.

    It is chosen after fine-tuning, for each seed on the validation images of the other seeds. A choice on the seed's
    own networks would find gains where there are none. A single seed has no others, and so nothing selected.
    """
    selectable = pruning[pruning["method"].isin(SELECTABLE)]
    chosen = [
        {"architecture": architecture, "filters": filters, "seed": seed, "kept": kept, "method": method}
        for (architecture, filters), own in selectable.groupby(["architecture", "filters"], sort=False)
        for seed, best in chosen_ways(own[own["fine_tuning_steps"] > 0]).items()
        for kept, method in best
    ]
    keys = [*_SIZE, "seed", "method"]
    rows = selectable.merge(pd.DataFrame(chosen, columns=keys), on=keys).assign(method=SELECTED)
    return pd.concat([pruning, rows], ignore_index=True) if len(rows) else pruning


def chosen_ways(fine_tuned: pd.DataFrame) -> dict[int, list[tuple[int, str]]]:
    """By seed, the kept counts and criteria that are chosen of one architecture's networks after fine-tuning."""
    selectable = fine_tuned[fine_tuned["method"].isin(SELECTABLE)]
    return best_for_others(by_way(selectable, "validation"))


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
