"""How a network's answers change when its filters are merged into few: not at all, if it has no activation."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from filtertwins.figures.series import draw_points
from filtertwins.figures.style import REFERENCE_COLOR, SMALL_TEXT_PT, Look, legend_above, nothing_to_draw, panel, style

_ROUNDING = 1e-9
"""Logits that change by less are the same; float64 itself rounds them at some 1e-14 here."""


@style()
def draw(merging: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the largest change of a logit against the number of filters kept: median and range over networks.

    Args:
        merging: one row a network and number of filters kept.
        look: how series are named and drawn.
    """
    rows = merging[merging["filters"] > merging["filters_kept"]]
    if rows.empty:
        return nothing_to_draw("No network has more filters than it was merged into.")
    names = look.order(rows["architecture"])
    figure, axes = panel(2.3 + 0.15 * len(names))
    axes.set_yscale("log")
    changes = rows.assign(change=rows["largest_logit_change"].clip(1e-17))
    draw_points(axes, changes, look, x="filters_kept", y="change", apart=0.15)
    axes.axhline(_ROUNDING, color=REFERENCE_COLOR, linewidth=0.8, linestyle="--")
    side, note = axes.get_yaxis_transform(), {"color": REFERENCE_COLOR, "fontsize": SMALL_TEXT_PT}
    axes.text(0.99, _ROUNDING / 3, "below: rounding only", note, transform=side, ha="right", va="top")
    axes.set_xlabel("Filters kept")
    axes.set_ylabel("Largest change of a logit")
    legend_above(figure, look.handles(names, linestyle="none"), columns=1)
    return figure
