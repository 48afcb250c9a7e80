"""Deeper layers as series of their own, for what knows architectures only: figures, claims, the page."""

from __future__ import annotations

import pandas as pd


def by_layer(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each layer but the first one as an architecture of its own, such as ``deep conv2``.

    The first layer keeps its architecture's name, so that what is known of the whole network stands beside it. Names
    in a config have no spaces.
    """
    if "layer" not in table or table.empty:
        return table
    first = table.groupby("architecture")["layer"].transform("first")
    names = table["architecture"].where(table["layer"] == first, table["architecture"] + " " + table["layer"])
    return table.assign(architecture=names)
