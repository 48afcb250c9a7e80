"""Networks of several layers: how alike the filters of each layer are, beside chance and beside strangers (H15)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import ratio_axis
from filtertwins.figures.series import draw_points, measured, with_ends
from filtertwins.figures.style import NULL_COLOR, Look, label_panel, legend_above, nothing_to_draw, panels, style
from filtertwins.tables.by_layer import whole_networks


@style()
def draw(depth_means: pd.DataFrame, depth_strangers: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the mean nearest cosine of each layer for up to two counts of filters, and close pairs beside strangers.

    Args:
        depth_means: means over seeds of the nearest cosine, beside re-drawn kernels.
        depth_strangers: one row a condition, layer and stage.
        look: how series are named and drawn.
    """
    trained = whole_networks(depth_means[depth_means["stage"] == "trained"])
    cosines = measured(trained[trained["filters"] > 1], "mean_nearest_cosine")
    cosines = cosines[cosines["low"] != cosines["high"]]  # The first layer of half-siblings is one layer.
    if cosines.empty:
        return nothing_to_draw("No layer has two filters, so none can be alike.")
    ratios = whole_networks(depth_strangers[depth_strangers["stage"] == "trained"])
    ratios = ratios[ratios["estimable"] & ratios["ratio_low"].notna()]
    counts = sorted(cosines["filters"].unique())
    shown = sorted({counts[0], counts[-1]})
    names, layers = look.order(cosines["architecture"]), sorted(cosines["layer"].unique())
    middles = np.arange(len(layers))
    figure, axes = panels(len(shown) + 1, 2.5)
    for place, count in enumerate(shown):
        own = cosines[cosines["filters"] == count]
        draw_points(axes[place], with_ends(own), look, x="layer", y="mean", order=layers, apart=0.25)
        chance = own.groupby("layer")["null"].mean()
        axes[place].hlines(chance.reindex(layers), middles - 0.35, middles + 0.35, color=NULL_COLOR)
        _layer_axis(axes[place], layers)
        axes[place].set_ylim(0, 1)
        label_panel(axes[place], place, f"{count} filters a layer")
    axes[0].set_ylabel("Mean cosine to the\nmost similar filter")
    last = axes[len(shown)]
    if len(ratios):
        ratios = ratios[ratios["filters"] == ratios["filters"].max()]
        rows = ratios.rename(columns={"ratio": "mean", "ratio_low": "low", "ratio_high": "high"})
        draw_points(last, with_ends(rows), look, x="layer", y="mean", order=layers, apart=0.25)
        label_panel(last, len(shown), f"beside strangers, {ratios['filters'].iloc[0]} filters")
        ratio_axis(last, ratios)
    else:
        label_panel(last, len(shown), "too few seeds or filters")
    last.axhline(1, color=NULL_COLOR)
    _layer_axis(last, layers)
    last.set_ylabel("Close pairs, as a multiple\nof those among strangers")
    beside = {f"re-drawn kernels (in {'abcd'[len(shown)]}: strangers)": Line2D([], [], color=NULL_COLOR)}
    legend_above(figure, look.handles(names, linestyle="none") | beside, columns=3)
    return figure


def _layer_axis(axes: Axes, layers: list[str]) -> None:
    axes.set_xticks(range(len(layers)), [layer.removeprefix("conv").replace("_", "\n") for layer in layers])
    axes.set_xlim(-0.6, len(layers) - 0.4)
    axes.set_xlabel("Convolutional layer")
    axes.set_ylabel("")
