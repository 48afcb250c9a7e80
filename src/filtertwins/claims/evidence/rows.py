"""What the tests share: rows of tidy tables, their values by seed, and conditions by their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.claims.evidence.registry import Names, Networks, Table
from filtertwins.claims.judging import NotMeasured
from filtertwins.tables.means import MEANS


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


def only(table: Table, **wanted: Any) -> pd.Series[Any]:
    """The one row of :func:`chosen`.

    Raises:
        NotMeasured: there is none, or more than one.
    """
    rows = chosen(table, **wanted)
    if len(rows) > 1:
        raise NotMeasured(f"{len(rows)} rows with {_described(wanted)}, where there should be one")
    return rows.iloc[0]


def _described(wanted: dict[str, Any]) -> str:
    values = (" or ".join(value) if isinstance(value, tuple) else value for value in wanted.values())
    return ", ".join(f"{column} {value}" for column, value in zip(wanted, values, strict=True))


def averaged(name: str, table: Table) -> Table:
    """The rows that the table's means are of. Pairs of seeds or rounds are formed there, for figures and claims alike.

    Args:
        name: of the table, a key of ``MEANS``.
        table: its rows.
    """
    prepare = MEANS[name].prepare
    rows = prepare(table) if prepare else table
    return rows.assign(label=rows["architecture"].map(dict(zip(table["architecture"], table["label"], strict=True))))


def by_seed(rows: Table, column: str) -> pd.Series[float]:
    """The mean of a column over the rows of each seed; the seeds are its index, so that differences pair by seed."""
    return rows.groupby("seed")[column].mean().astype(np.float64)


def difference(rows: Table, column: str, by: str, first: Any, second: Any) -> pd.Series[float]:
    """By seed, a column where ``by`` has one value, minus that where it has another."""
    minuend, subtrahend = (by_seed(chosen(rows, **{by: value}), column) for value in (first, second))
    return minuend - subtrahend


def each(table: Table, architectures: Names, **wanted: Any) -> Iterator[tuple[str, Table]]:
    """Each architecture in words, with its rows of :func:`chosen`."""
    for name in architectures:
        rows = chosen(table, architecture=name, **wanted)
        yield str(rows["label"].iloc[0]), rows


def each_network(table: Table, networks: Networks, column: str = "filters") -> Iterator[tuple[str, Table]]:
    """Each of a claim's networks in words, with its rows of :func:`chosen`; ``column`` is what the counts are of."""
    for name, counts in networks.items():
        for count in counts:
            rows = chosen(table, architecture=name, **{column: count})
            yield condition(rows.iloc[0], column), rows


def conditions(rows: Table) -> Iterator[tuple[str, Table]]:
    """Each condition in words, with its rows."""
    for _, own in rows.groupby(["architecture", "filters"], sort=False):
        yield condition(own.iloc[0]), own


def condition(row: pd.Series[Any], filters: str = "filters") -> str:
    """A row's architecture and number of filters in words."""
    return f"{row['label']}, {row[filters]} filters"
