"""Are filters of one network alike more or less often than filters of networks that never met?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from filtertwins.figures.axes import draw_means, filters_axis
from filtertwins.figures.style import (
    NULL_COLOR,
    SMALL_TEXT_PT,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

TICKS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
STAGES = {"initial": "before training", "trained": "after training"}


@style()
def draw(strangers: pd.DataFrame, *, look: Look) -> Figure:
    """Draw how many close pairs networks have, as a multiple of what strangers have, by the number of filters.

    Args:
        strangers: one row a condition and stage.
        look: the study's names and colours.
    """
    rows = strangers[strangers["estimable"] & strangers["ratio_low"].notna()]
    if rows.empty:
        return nothing_to_draw("Too few filters or seeds were trained for a comparison with strangers.")
    names = look.order(rows["architecture"])
    figure, axes = panels(2, 2.5, sharey=True)
    for place, (panel, (stage, words)) in enumerate(zip(axes, STAGES.items(), strict=True)):
        own = rows[rows["stage"] == stage].rename(columns={"ratio": "mean", "ratio_low": "low", "ratio_high": "high"})
        draw_means(panel, own, look, dodge=0.12)
        filters_axis(panel, rows["filters"])
        panel.axhline(1, color=NULL_COLOR, linewidth=1.0, zorder=0)
        label_panel(panel, place, words)
    _ratio_axis(axes[0], rows)
    axes[0].set_ylabel("Close pairs, as a multiple\nof those among strangers")
    axes[1].set_ylabel("")
    low, _ = axes[0].get_xlim()
    axes[0].text(low * 1.1, 1.02, "as strangers", fontsize=SMALL_TEXT_PT, color="0.35", va="bottom")
    legend_above(figure, look.handles(names), columns=min(4, len(names)))
    return figure


def _ratio_axis(axes: Axes, rows: pd.DataFrame) -> None:
    """A logarithmic axis of ratios that always shows 1."""
    low, high = min(0.7, rows["ratio_low"].min() * 0.95), max(1.4, rows["ratio_high"].max() * 1.05)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
