"""Rows of tidy tables, as the tests pick them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.claims.evidence.registry import Table
from filtertwins.claims.judging import NotMeasured


def chosen(table: Table, **wanted: Any) -> Table:
    """The rows whose columns have the wanted values; a tuple allows several, numbers may differ by rounding.

    Raises:
        NotMeasured: there are none.
    """
    keep = np.ones(len(table), dtype=bool)
    for column, value in wanted.items():
        if isinstance(value, float):
            keep &= np.isclose(table[column], value, rtol=1e-9, atol=0)
        else:
            keep &= table[column].isin(value if isinstance(value, tuple) else (value,))
    if not keep.any():
        raise NotMeasured(f"nothing with {_described(wanted)}")
    return table[keep]


def only(table: Table, *, margin: float | None = None, **wanted: Any) -> pd.Series[Any]:
    """The one row of :func:`chosen`, which was tested with the margin if one is given.

    Raises:
        NotMeasured: there is none, or more than one, or its margin is another.
    """
    rows = chosen(table, **wanted)
    if len(rows) > 1:
        raise NotMeasured(f"{len(rows)} rows with {_described(wanted)}, where there should be one")
    row = rows.iloc[0]
    if margin is not None and not np.isclose(row["margin"], margin):
        raise NotMeasured(f"tested with a margin of {row['margin']:g}, the claim says {margin:g}")
    return row


def _described(wanted: dict[str, Any]) -> str:
    values = (" or ".join(value) if isinstance(value, tuple) else value for value in wanted.values())
    return ", ".join(f"{column} {value}" for column, value in zip(wanted, values, strict=True))


def by_seed(rows: Table, column: str) -> pd.Series[float]:
    """A column with the seeds as its index, so that differences pair by seed."""
    return rows.set_index("seed")[column].sort_index().astype(np.float64)


def count_seeds(rows: Table) -> int:
    """How many different seeds there are."""
    return int(rows["seed"].nunique())


def condition(row: pd.Series[Any]) -> str:
    """A condition's name in a sentence."""
    return f"{row['architecture']} with {row['filters']} filters"


def conditions(rows: Table) -> Iterator[tuple[str, Table]]:
    """The name and the rows of each condition."""
    for _, own in rows.groupby(["architecture", "filters"], sort=False):
        yield condition(own.iloc[0]), own
