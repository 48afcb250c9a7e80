"""How fast can near twins part? How far apart they get, beside the distance that gradient descent cannot exceed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.axes import steps_axis
from filtertwins.figures.series import draw_lines, near_twins
from filtertwins.figures.style import NULL_BAND_COLOR, Look, label_panel, legend_above, nothing_to_draw, panels, style
from filtertwins.names import RUN

_MOST_PANELS = 4
_DECADES_ABOVE = 2
"""The bound soon passes all that happens; this many powers of ten above the largest distance are in view."""


@style()
def draw(twins: pd.DataFrame, *, look: Look) -> Figure:
    """Draw how many times farther apart near twins are than at the start, a panel for each training with a bound.

    Args:
        twins: one row a network and recorded step, with the distances of kernels and of dense weights, and the bound
            on the distance of both together.
        look: how series are named and drawn.
    """
    rows = near_twins(twins[(twins["second_filter"] == "twin") & twins["bound"].notna()]).sort_values("step")
    rows = rows[rows["filters"] == rows.groupby("architecture")["filters"].transform("max")]
    if rows.empty:
        return nothing_to_draw("No near twins were trained for whose distance a bound is known.")
    start = rows.groupby(list(RUN))["bound"].transform("first")
    rows["growth"] = np.hypot(rows["separation"], rows["outgoing_separation"]) / start
    rows["most"] = rows["bound"] / start
    names = look.order(rows["architecture"])[:_MOST_PANELS]
    top = 10**_DECADES_ABOVE * rows["growth"].max()
    figure, grid = panels(len(names), 2.4, sharex=True, sharey=True)
    for index, name in enumerate(names):
        _draw_panel(grid[index], rows[rows["architecture"] == name], top)
        label_panel(grid[index], index, look.label(name))
    grid[0].set_ylim(0.8 * rows["growth"].min(), top)
    grid[0].set_ylabel("Distance, as a multiple\nof that at the start")
    handles = {
        "near twins, median and range over networks": Line2D([], [], color="black", marker="o"),
        "ruled out by the bound": Patch(color=NULL_BAND_COLOR),
    }
    legend_above(figure, handles, columns=2)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, top: float) -> None:
    """One training: what happens as a line, and in grey what the largest bound of any network rules out."""
    beyond = 1000 * top  # A bound can be infinite.
    most = rows.groupby("step")["most"].max().clip(upper=beyond)
    axes.fill_between(most.index, most, beyond, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.set_yscale("log")
    draw_lines(axes, rows, x="step", y="growth", hue="architecture", palette=["black"], markers=["o"])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("")
    steps_axis(axes)
