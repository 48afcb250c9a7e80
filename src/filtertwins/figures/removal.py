"""Does a filter's similarity to its nearest other one tell what removing it costs?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from filtertwins.figures.series import draw_points, measured, with_ends
from filtertwins.figures.style import NULL_COLOR, Look, label_panel, legend_above, panels, style
from filtertwins.names import RUN

_BINS = 8


@style()
def draw(
    removal_correlations: pd.DataFrame, removal_means: pd.DataFrame, removal: pd.DataFrame, *, look: Look
) -> Figure:
    """Draw each network's rank correlation of similarity and cost, and one density of the ranks themselves.

    Args:
        removal_correlations: one row per network.
        removal_means: the means of these over seeds.
        removal: one row per filter, with its nearest cosine and the loss's increase without it.
        look: how series are named and drawn.
    """
    singles = removal_correlations.dropna(subset="rank_correlation")
    means = measured(removal_means, "rank_correlation")
    names = look.order(means["architecture"])
    figure, (left, right) = panels(2, 2.6, width_ratios=[1.7, 1])
    _draw_correlations(left, singles, means, names, look)
    label_panel(left, 0, "similarity with cost, in each network")
    if names:
        _draw_ranks(right, removal[removal["architecture"] == names[-1]], look)
    legend_above(figure, look.handles(names, linestyle="none"), columns=3)
    return figure


def _draw_correlations(axes: Axes, singles: pd.DataFrame, means: pd.DataFrame, names: list[str], look: Look) -> None:
    axes.axhline(0, color=NULL_COLOR, linewidth=1.4, zorder=1)
    shared: dict[str, Any] = {"x": "filters", "order": sorted(means["filters"].unique())}
    series = {"hue": "architecture", "hue_order": names, "palette": look.palette(names), "dodge": len(names) > 1}
    dots = {"jitter": False, "size": 2, "alpha": 0.45, "legend": False}
    sns.stripplot(singles, y="rank_correlation", ax=axes, **dots, **series, **shared)
    apart = 0.8 / max(1, len(names))  # as seaborn dodges a strip plot
    draw_points(axes, with_ends(means), look, y="mean", apart=apart, err_kws={"linewidth": 1.0}, capsize=0, **shared)
    axes.set(ylim=(-1.08, 1.08), xlabel="Number of filters")
    axes.set_ylabel("Rank correlation of nearest\ncosine and loss increase")
    for text, y, side in (("similar filters cost more", 1.05, "top"), ("similar filters cost less", -1.05, "bottom")):
        axes.text(0.99, y, text, transform=axes.get_yaxis_transform(), ha="right", va=side, color="0.35")


def _draw_ranks(axes: Axes, removal: pd.DataFrame, look: Look) -> None:
    """How often each pair of ranks occurs, over the networks with the most filters; even grey means unrelated."""
    rows = removal[~removal["never_active"].astype(bool) & (removal["filters"] == removal["filters"].max())]
    ranks = 100 * rows.groupby(list(RUN))[["nearest_cosine", "loss_increase"]].rank(pct=True)
    if ranks.dropna().empty:
        axes.set_axis_off()
        return
    sns.histplot(ranks, x="nearest_cosine", y="loss_increase", bins=_BINS, binrange=(0, 100), cmap="Greys", ax=axes)
    axes.set(xlabel="Rank of nearest cosine (%)", ylabel="Rank of loss increase (%)")
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=[0, 50, 100], yticks=[0, 50, 100])
    label_panel(axes, 1, f"{look.label(rows['architecture'].iloc[0])}, k = {rows['filters'].iloc[0]}")
