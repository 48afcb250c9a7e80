"""The page's chart of kernels that see three channels: as colours."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from filtertwins.figures.style import STAGES, Look
from filtertwins.page.views import View, menu, network_in_words

_SIDE = 300  # pixels
WORDS = (
    "Every tile is a kernel, before and after training: its weights for red, green and blue are a colour, each kernel"
    " divided by its own largest weight. Grey is a weight of 0."
)


def colours_view(kernels: pd.DataFrame, look: Look) -> View | None:
    """Kernels of three channels as images, before training and after it.

    Args:
        kernels: ``kernels.csv``.
        look: names of architectures.

    Returns:
        None if all kernels have another number of channels; the others are left out.
    """
    own = kernels[kernels.groupby("architecture")["channel"].transform("max") == 2]
    if own.empty:
        return None
    own = own[own["seed"] == own["seed"].min()]
    index = ["architecture", "filters", "stage", "filter", "row", "column"]
    colours = own.pivot_table("weight", index, "channel", sort=False)  # (pixel of a kernel, channel)
    largest = colours.abs().max(axis=1).groupby(level=index[:4]).transform("max")
    shares = colours.div(largest.where(largest > 0, 1), axis=0)
    channels = np.rint(127.5 * (1 + shares)).astype(int)
    tiles = channels.index.to_frame(index=False)
    tiles["fill"] = ["#{:02x}{:02x}{:02x}".format(*pixel) for pixel in channels.itertuples(index=False)]
    tiles["network"] = [
        network_in_words(look, name, filters)
        for name, filters in zip(tiles["architecture"], tiles["filters"], strict=True)
    ]
    abreast = tiles["filters"].map(lambda filters: math.ceil(math.sqrt(filters)))
    tiles["x"] = tiles["filter"] % abreast * (tiles["column"].max() + 2) + tiles["column"]
    tiles["y"] = tiles["filter"] // abreast * (tiles["row"].max() + 2) + tiles["row"]
    tiles["stage"] = tiles["stage"].map(STAGES)
    networks = tiles["network"].unique().tolist()
    network = menu("network", networks, networks[-1], "Network")
    chart = (
        alt.Chart(tiles[["network", "stage", "filter", "x", "y", "fill"]])
        .transform_filter(alt.datum.network == network)
        .transform_calculate(x2=alt.datum.x + 1, y2=alt.datum.y + 1)
        .mark_rect()
        .encode(
            x=alt.X("x:Q", axis=None),
            x2="x2:Q",
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(reverse=True)),
            y2="y2:Q",
            color=alt.Color("fill:N", scale=None),
            column=alt.Column("stage:N", sort=list(STAGES.values()), title=None),
            tooltip=["filter:Q", "stage:N"],
        )
        .properties(width=_SIDE, height=_SIDE, description="Kernels as colours, before and after training")
        .add_params(network)
    )
    return View("kernels", chart.configure(background="transparent").to_dict(), None)
