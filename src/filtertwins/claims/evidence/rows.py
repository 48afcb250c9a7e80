"""Rows of tidy tables, as the tests pick them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.claims.judging import NotMeasured


def chosen(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
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
        what = ", ".join(f"{column} {value}" for column, value in wanted.items())
        raise NotMeasured(f"nothing with {what}")
    return table[keep]


def only(table: pd.DataFrame, **wanted: Any) -> pd.Series[Any]:
    """The one row of :func:`chosen`.

    Raises:
        NotMeasured: there is none, or more than one.
    """
    rows = chosen(table, **wanted)
    if len(rows) > 1:
        what = ", ".join(f"{column} {value}" for column, value in wanted.items())
        raise NotMeasured(f"{len(rows)} rows with {what}, where there should be one")
    return rows.iloc[0]


def by_seed(rows: pd.DataFrame, column: str) -> pd.Series[float]:
    """A column with the seeds as its index, so that differences pair by seed."""
    return rows.set_index("seed")[column].sort_index().astype(np.float64)


def count_seeds(rows: pd.DataFrame) -> int:
    """How many different seeds there are."""
    return int(rows["seed"].nunique())


def condition(row: pd.Series[Any]) -> str:
    """A condition's name in a sentence."""
    return f"{row['architecture']} with {row['filters']} filters"


def conditions(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The name and the rows of each condition."""
    for _, own in rows.groupby(["architecture", "filters"], sort=False):
        yield condition(own.iloc[0]), own
