"""The share of redundant filters beside strangers and re-drawn kernels, and test accuracy against that share."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.axes import accuracy_axis, filters_axis
from filtertwins.figures.series import draw_means, measured, unlike
from filtertwins.figures.style import (
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    SMALL_TEXT_PT,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_KEY = ["architecture", "filters"]
# What stands beside a network's share, by its columns: words, and the looks of its line and of its band.
_BESIDE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "strangers": (
        "as many strangers (95 %)",
        {"color": REFERENCE_COLOR, "linestyle": "--"},
        {"color": "0.7", "alpha": 0.6},
    ),
    "null": ("as many re-drawn kernels (95 %)", {"color": NULL_COLOR}, {"color": NULL_BAND_COLOR}),
}


@style()
def draw(redundancy_means: pd.DataFrame, runs_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw redundancy by filters for up to three architectures, and then accuracy against redundancy.

    Args:
        redundancy_means: means over seeds of the redundant share, beside strangers and re-drawn kernels.
        runs_means: means over seeds of the test accuracy.
        look: how series are named and drawn.
    """
    trained = redundancy_means[(redundancy_means["stage"] == "trained") & (redundancy_means["filters"] > 1)]
    shares = measured(trained, "redundant_share", percent=True)
    if shares.empty:
        return nothing_to_draw("No network has two filters, so none can be redundant.")
    names = unlike(shares, look, most=3)
    shares = shares[shares["architecture"].isin(names)]
    figure, axes = panels(2, 4.3, rows=2) if len(names) == 3 else panels(len(names) + 1, 2.5)
    for index, (name, panel) in enumerate(zip(names, axes, strict=False)):
        _draw_shares(panel, shares[shares["architecture"] == name], look)
        label_panel(panel, index, look.label(name))
    _draw_accuracy(axes[len(names)], shares, runs_means, look)
    label_panel(axes[len(names)], len(names), "accuracy against redundancy")
    beside = {words: (Patch(**band), Line2D([], [], **line)) for words, line, band in _BESIDE.values()}
    legend_above(figure, {**look.handles(names), **beside}, columns=3)
    return figure


def _draw_shares(axes: Axes, shares: pd.DataFrame, look: Look) -> None:
    rungs = shares.sort_values("filters")
    for name, (_, line, band) in reversed(_BESIDE.items()):
        counts, mean, low, high = (rungs[column] for column in ("filters", name, f"{name}_low", f"{name}_high"))
        axes.fill_between(counts, low, high, linewidth=0, **band)
        if len(rungs) == 1:
            axes.vlines(counts, low, high, linewidth=12, **band)
        axes.plot(counts, mean, **line)
    draw_means(axes, shares, look)
    filters_axis(axes, shares["filters"])
    axes.set_ylim(-4, 104)
    axes.set_ylabel("Redundant filters (%)")


def _draw_accuracy(axes: Axes, shares: pd.DataFrame, runs_means: pd.DataFrame, look: Look) -> None:
    accuracy = measured(runs_means, "test_accuracy", percent=True)
    points = shares.merge(accuracy, on=_KEY, suffixes=("_share", "")).sort_values("filters")
    colors, markers = look.palette(points["architecture"]), look.markers(points["architecture"])
    series = {"hue": "architecture", "palette": colors, "style": "architecture", "markers": markers, "dashes": False}
    as_they_are = {"estimator": None, "sort": False, "markeredgewidth": 0, "legend": False}
    sns.lineplot(points, x="mean_share", y="mean", ax=axes, **series, **as_they_are)
    for name, own in points.groupby("architecture"):
        axes.hlines(own["mean"], own["low_share"], own["high_share"], linewidth=0.8, color=colors[str(name)])
        axes.vlines(own["mean_share"], own["low"], own["high"], linewidth=0.8, color=colors[str(name)])
        most = own.iloc[-1]
        place = most["mean_share"], most["mean"]
        axes.annotate(str(most["filters"]), place, (4, 3), textcoords="offset points", fontsize=SMALL_TEXT_PT)
    axes.set(xlim=(-4, 112), xticks=range(0, 101, 20))  # There is room for a number beside the last mark.
    accuracy_axis(axes.yaxis, points[["mean", "low", "high"]])
    axes.set_xlabel("Redundant filters (%)")
    axes.set_ylabel("Test accuracy (%)")
