"""Do filters with nearly equal kernels give nearly equal responses, and the other way round?"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import filters_axis
from filtertwins.figures.series import draw_means, measured
from filtertwins.figures.style import NULL_COLOR, Look, label_panel, legend_above, nothing_to_draw, panels, style

PANELS = {
    "near_kernels_near_responses": ("near kernels: near responses too?", "Share of near kernels' pairs (%)"),
    "near_responses_near_kernels": ("near responses: near kernels too?", "Share of near responses' pairs (%)"),
}

_CHANCE: dict[str, Any] = {"color": NULL_COLOR, "linestyle": "--", "linewidth": 0.9, "markerfacecolor": "white"}
_CHANCE |= {"markersize": 3, "zorder": 1}


@style()
def draw(functional_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the share of near pairs that are near in the other way too, by the number of filters.

    Args:
        functional_means: means over seeds of these shares, beside those of re-drawn kernels.
        look: how series are named and drawn.
    """
    trained = functional_means[functional_means["stage"] == "trained"]
    shares = {name: measured(trained, name, percent=True) for name in PANELS}
    # Where few networks have near pairs at all, a mean over these few says little.
    shares = {name: rows[2 * rows["n"] > trained["n"].max()] for name, rows in shares.items()}
    names = look.order(pd.concat(shares.values())["architecture"])
    if not names:
        return nothing_to_draw("No two filters have nearly equal kernels or responses.")
    figure, axes = panels(2, 2.5, sharey=True)
    for index, (panel, (name, (title, label))) in enumerate(zip(axes, PANELS.items(), strict=True)):
        panel.set_ylim(-4, 104)
        panel.set_ylabel(label)
        label_panel(panel, index, title)
        if shares[name].empty:
            panel.set_xticks([])
            panel.text(0.5, 0.5, "no such pairs", ha="center", color=NULL_COLOR, transform=panel.transAxes)
            continue
        # Re-drawn kernels have the marker of the networks that they stand beside, in grey.
        for architecture, own in shares[name].sort_values("filters").groupby("architecture"):
            panel.plot(own["filters"], own["null"], marker=look.marker(str(architecture)), **_CHANCE)
        draw_means(panel, shares[name], look, dodge=0.07)
        filters_axis(panel, shares[name]["filters"])
        panel.set_ylabel(label, visible=True)  # Seaborn hides it where numbers are shared.
    chance = {"as many re-drawn kernels, same markers": Line2D([], [], **_CHANCE)}
    legend_above(figure, look.handles(names) | chance, columns=3)
    return figure
