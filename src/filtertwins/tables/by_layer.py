"""Deeper layers as series of their own, for what knows architectures only: figures, claims, the page."""

from __future__ import annotations

import pandas as pd


def split_layer(name: str) -> tuple[str, str]:
    """The architecture and the layer of a name such as ``deep conv2``; that of a first layer is the architecture's."""
    whole, _, layer = name.partition(" ")
    return whole, layer


def whole_networks(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each layer under its architecture's own name again."""
    return table.assign(architecture=[split_layer(name)[0] for name in table["architecture"]])


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
