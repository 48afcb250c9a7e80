"""Are filters of one network alike more or less often than filters of networks that never met?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import filters_axis, numbered_ticks, ratio_axis
from filtertwins.figures.series import draw_means
from filtertwins.figures.style import (
    NULL_COLOR,
    STAGES,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_REACH = 1.8
"""With few pairs an interval may be far wider than all ratios differ. It is cut so many times beyond these."""


@style()
def draw(strangers: pd.DataFrame, strangers_by_threshold: pd.DataFrame | None = None, *, look: Look) -> Figure:
    """Draw how many close pairs networks have, as a multiple of what strangers have, by the number of filters.

    Args:
        strangers: one row a condition and stage.
        strangers_by_threshold: one row a condition, stage and threshold. Of each architecture that count of filters is
            drawn, after training, which has the most thresholds with a band, and of these the largest.
        look: the study's names and colours.
    """
    rows = strangers[strangers["estimable"] & strangers["ratio_low"].notna()]
    if rows.empty:
        return nothing_to_draw("Too few filters or seeds were trained for a comparison with strangers.")
    curves = pd.DataFrame() if strangers_by_threshold is None else _curves(strangers_by_threshold)
    names = look.order(rows["architecture"])
    figure, axes = panels(2 if curves.empty else 3, 2.5, sharey=True)
    for place, (panel, (stage, words)) in enumerate(zip(axes[:2], STAGES.items(), strict=True)):
        own = rows[rows["stage"] == stage].rename(columns={"ratio": "mean", "ratio_low": "low", "ratio_high": "high"})
        draw_means(panel, own, look, dodge=0.09)
        filters_axis(panel, rows["filters"])
        label_panel(panel, place, f"{words} training")
    if len(curves):
        draw_means(axes[2], curves, look, x="percent", dodge=-0.12)  # The axis runs from right to left.
        _percent_axis(axes[2], curves["percent"])
        label_panel(axes[2], 2, "after training, by threshold")
    ratio_axis(axes[0], rows, _REACH)
    for panel in axes:
        panel.axhline(1, color=NULL_COLOR, linewidth=1.0, zorder=0)
        panel.set_ylabel("")
    axes[0].set_ylabel("Close pairs, as a multiple\nof those among strangers")
    chance = {"as many as among strangers": Line2D([], [], color=NULL_COLOR, linewidth=1.0)}
    legend_above(figure, look.handles(names) | chance, columns=3)
    return figure


def _curves(by_threshold: pd.DataFrame) -> pd.DataFrame:
    """The trained networks' curves, one an architecture, with columns ``percent``, ``mean``, ``low`` and ``high``."""
    rows = by_threshold[(by_threshold["stage"] == "trained") & by_threshold["band_low"].notna()]
    points = rows.groupby(["architecture", "filters"], sort=False).size().rename("points").reset_index()
    chosen = points.sort_values(["points", "filters"]).drop_duplicates("architecture", keep="last")
    rows = rows.merge(chosen[["architecture", "filters"]])
    rows["percent"] = 100 * rows["share"]
    return rows.drop(columns=["ratio_low", "ratio_high"]).rename(
        columns={"ratio": "mean", "band_low": "low", "band_high": "high"}
    )


def _percent_axis(axes: Axes, percents: pd.Series[float]) -> None:
    """A logarithmic axis of shares of stranger pairs, from many close pairs to the closest few."""
    ticks = sorted(set(percents), reverse=True)
    axes.set_xscale("log")
    axes.set_xlim(ticks[0] * 1.4, ticks[-1] / 1.4)
    numbered_ticks(axes.xaxis, ticks)
    axes.set_xlabel("Stranger pairs that are close (%)")
