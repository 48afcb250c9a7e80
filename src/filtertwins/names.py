"""Names that several rooms share. They are few and stable: the digest of every job holds this file."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""One row of a table, by column."""

SPLITS = ("train", "validation", "test")
CONDITION = ("dataset", "architecture", "filters")
"""The columns that name a condition."""

RUN = (*CONDITION, "seed")
"""The columns that name a run."""

RANDOM = "random"
"""The criterion that the others have to beat."""

RANDOM_DRAWS = 5
"""How often it chooses filters of one network; what is shown is the mean."""

UNPRUNED = "none"
"""The method of a whole network, which is trained on for as long as the pruned ones."""

COSINE_MERGE = "cosine_merge"
"""The method that merges similar filters instead of removing some."""

DOUBLED = "doubled"
"""Budgets of this name and a number are the steps of the first budget, doubled so many times."""

SELECTED = "selected"
"""The method that stands for the criterion which is best on the validation images of all other seeds."""


def seeds_name(first_seed: int, seeds: int) -> str:
    """A chunk's seeds in a file name.

    >>> seeds_name(0, 10)
    'seeds-000-009'
    """
    return f"seeds-{first_seed:03d}-{first_seed + seeds - 1:03d}"


def chunk_name(filters: int, first_seed: int, seeds: int) -> str:
    """The file name of a chunk.

    >>> chunk_name(16, 0, 10)
    'filters-016_seeds-000-009.npz'
    """
    return f"filters-{filters:03d}_{seeds_name(first_seed, seeds)}.npz"
