"""Accuracy against redundancy, as what keeps filters apart gets stronger."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import accuracy_axis
from filtertwins.figures.series import measured
from filtertwins.figures.style import (
    COLORS,
    NULL_COLOR,
    Look,
    beside,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_PENALTY, _NOTHING = "orthogonality", "none"
_PREVENTERS = {  # of each its words, colour and marker
    _PENALTY: ("penalty on cosines, by its factor", COLORS[4], "o"),
    "dropout": ("dropout", COLORS[5], "s"),
    "weight_decay": ("weight decay", COLORS[6], "P"),
    "small_weights": ("small initial weights", COLORS[7], "v"),
}
_KEY = ["kernel_height", "kernel_width", "activation", "filters", "preventer", "strength", "architecture"]


@style()
def draw(preventers_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw test accuracy against the mean cosine to the nearest filter, a panel for each of up to three conditions.

    Args:
        preventers_means: means over seeds, by what may keep filters apart and its strength.
        look: how networks with nothing of the kind are named and drawn: as the study's own that they are.
    """
    cosine = measured(preventers_means, "mean_nearest_cosine")
    accuracy = measured(preventers_means, "test_accuracy", percent=True)
    points = cosine.merge(accuracy, on=_KEY, suffixes=("_cosine", ""))
    if points.empty:
        return nothing_to_draw("No network has two filters to compare.")
    shapes = list(points.groupby(_KEY[:4], sort=False))[:3]
    chance = measured(preventers_means, "null_mean_nearest_cosine")
    figure, axes = panels(len(shapes), 2.6)
    for place, (panel, (shape, own)) in enumerate(zip(axes, shapes, strict=True)):
        height, width, activation, filters = shape
        is_own = (chance[_KEY[:4]] == list(shape)).all(axis=1)
        panel.axvline(chance.loc[is_own, "mean"].mean(), color=NULL_COLOR, linewidth=1.4, zorder=0)
        _draw_shape(panel, own, look)
        kind = "ReLU" if activation == "relu" else activation
        label_panel(panel, place, f"{height}\N{MULTIPLICATION SIGN}{width}, {kind}, {filters} filters")
        panel.set_xlabel("")
    axes[len(shapes) // 2].set_xlabel("Mean cosine to the most similar filter")
    axes[0].set_ylabel("Test accuracy (%)")
    shown = pd.concat([own for _, own in shapes])
    handles = look.handles(shown.loc[shown["preventer"] == _NOTHING, "architecture"], linestyle="none")
    for name, (words, color, marker) in _PREVENTERS.items():
        if name in set(shown["preventer"]):
            handles[words] = Line2D([], [], color=color, marker=marker, linewidth=1.1 * (name == _PENALTY))
    handles["re-drawn kernels"] = Line2D([], [], color=NULL_COLOR, linewidth=1.4)
    legend_above(figure, handles, columns=3)
    return figure


def _draw_shape(axes: Axes, points: pd.DataFrame, look: Look) -> None:
    """The penalty's path from nothing to its strongest, and the others as marks of their own."""
    path = points[points["preventer"].isin([_NOTHING, _PENALTY])].sort_values("strength")
    axes.plot(path["mean_cosine"], path["mean"], color=_PREVENTERS[_PENALTY][1])
    for (name, architecture), own in points.groupby(["preventer", "architecture"]):
        plain = look.label(str(architecture)), look.color(str(architecture)), look.marker(str(architecture))
        _, color, marker = _PREVENTERS.get(str(name), plain)
        axes.plot(own["mean_cosine"], own["mean"], color=color, marker=marker, linestyle="none", zorder=3)
        axes.hlines(own["mean"], own["low_cosine"], own["high_cosine"].clip(upper=1), linewidth=0.8, color=color)
        axes.vlines(own["mean_cosine"], own["low"], own["high"], linewidth=0.8, color=color)
    middle = sum(axes.get_xlim()) / 2
    penalties = path.loc[path["preventer"] == _PENALTY, ["mean_cosine", "mean", "strength"]]
    for cosine, accuracy, strength in penalties.to_numpy(float):
        beside(axes, f"{strength:g}", (cosine, accuracy), right=cosine < middle)
    axes.set_ylabel("")
    accuracy_axis(axes.yaxis, points[["mean", "low", "high"]])
