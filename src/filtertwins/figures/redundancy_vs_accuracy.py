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
    Look,
    beside,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_KEY = ["architecture", "filters"]
_FLAT = 2.0
"""Curves that stay below so many percent look like the axis. Words say how far they get."""

# What stands beside a network's share, by its columns: words, and the looks of its line and of its band.
_BESIDE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "strangers": (
        "as many strangers (95 %)",
        {"color": REFERENCE_COLOR, "linestyle": "--"},
        {"facecolor": "none", "edgecolor": REFERENCE_COLOR, "linestyle": ":", "linewidth": 0.8},
    ),
    "null": ("as many re-drawn kernels (95 %)", {"color": NULL_COLOR}, {"color": NULL_BAND_COLOR, "linewidth": 0}),
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
    wide = rungs if len(rungs) > 1 else pd.concat([rungs.assign(filters=end * rungs["filters"]) for end in (0.9, 1.1)])
    for name, (_, line, band) in reversed(_BESIDE.items()):
        axes.fill_between(wide["filters"], wide[f"{name}_low"], wide[f"{name}_high"], **band)
        axes.plot(rungs["filters"], rungs[name], **line)
    draw_means(axes, shares, look)
    filters_axis(axes, shares["filters"])
    axes.set_ylim(-4, 104)
    if (most := float(rungs[["mean", *_BESIDE]].to_numpy().max())) < _FLAT:
        words = f"{most:.1f} % at most" if most else "none"
        axes.text(0.5, 0.1, words, ha="center", transform=axes.transAxes, color=REFERENCE_COLOR)
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
        beside(axes, f"{most['filters']} filters", (most["mean_share"], most["mean"]), right=most["mean_share"] < 90)
    axes.set(xlim=(-4, 104), xticks=range(0, 101, 20))
    accuracy_axis(axes.yaxis, points[["mean", "low", "high"]])
    axes.set_xlabel("Redundant filters (%)")
    axes.set_ylabel("Test accuracy (%)")
