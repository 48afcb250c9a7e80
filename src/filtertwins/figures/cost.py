"""How much faster are networks with fewer filters?"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.series import draw_lines, measured, networks, with_ends
from filtertwins.figures.style import (
    COLORS,
    MARKERS,
    NULL_COLOR,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_MOST_PANELS = 4
_BATCH_COLORS = (COLORS[6], COLORS[7], COLORS[4], COLORS[5])


@style()
def draw(cost_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the time of a call, as a share of the whole network's, against the share of filters kept.

    Args:
        cost_means: means over rounds of the ratio of times, by the number of filters kept and the batch.
        look: how series are named and drawn.
    """
    means = measured(cost_means, "time_ratio", percent=True)
    means["share_kept"] = 100 * means["kept"] / means["filters"]
    shown = networks(means, look, _MOST_PANELS)
    batches = sorted(means["batch"].unique())
    if not shown:
        return nothing_to_draw("No network's time was measured.")
    figure, grid = panels(len(shown), 2.5, sharex=True, sharey=True)
    colors = {batch: _BATCH_COLORS[place % len(_BATCH_COLORS)] for place, batch in enumerate(batches)}
    markers = {batch: MARKERS[place % len(MARKERS)] for place, batch in enumerate(batches)}
    for index, (name, filters, own) in enumerate(shown):
        axes = grid[index]
        axes.plot([0, 100], [0, 100], color=NULL_COLOR, linewidth=1.4, zorder=1)
        draw_lines(axes, with_ends(own), x="share_kept", hue="batch", palette=colors, markers=markers)
        label_panel(axes, index, look.label(name))
        axes.set(xlabel=f"Share of {filters} filters kept (%)", ylabel="Time of a call,\n% of the unpruned network's")
    grid[0].set(xlim=(0, 103), xticks=[0, 25, 50, 75, 100])
    grid[0].set_ylim(0, 1.03 * max(100, means["mean"].max(), means["high"].max()))
    handles = {_calls(batch): Line2D([], [], color=colors[batch], marker=markers[batch]) for batch in batches}
    handles["in proportion to filters"] = Line2D([], [], color=NULL_COLOR, linewidth=1.4)
    legend_above(figure, handles, columns=len(handles))
    return figure


def _calls(batch: int) -> str:
    return "single images" if batch == 1 else f"{batch:,} images at a time"
