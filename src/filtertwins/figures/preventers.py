"""Accuracy against redundancy, as what keeps filters apart gets stronger."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import accuracy_axis
from filtertwins.figures.series import measured
from filtertwins.figures.style import (
    COLORS,
    MARKERS,
    NULL_COLOR,
    SMALL_TEXT_PT,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

WORDS = {
    "orthogonality": "penalty on cosines, by its factor",
    "none": "nothing",
    "dropout": "dropout",
    "weight_decay": "weight decay",
    "small_weights": "small initial weights",
}
PALETTE = dict(zip(WORDS, (COLORS[4], "black", *COLORS[5:]), strict=True))
SHAPES = dict(zip(WORDS, MARKERS, strict=False))
_KEY = ["kernel_height", "kernel_width", "activation", "filters", "preventer", "strength"]


@style()
def draw(preventers_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw test accuracy against the mean cosine to the nearest filter, a panel for each of up to three conditions.

    Args:
        preventers_means: means over seeds, by what may keep filters apart and its strength.
        look: unused; what keeps filters apart is no architecture.
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
        _draw_shape(panel, own)
        kind = "ReLU" if activation == "relu" else activation
        label_panel(panel, place, f"{height}\N{MULTIPLICATION SIGN}{width}, {kind}, {filters} filters")
        panel.set_xlabel("")
    axes[len(shapes) // 2].set_xlabel("Mean cosine to the most similar filter")
    axes[0].set_ylabel("Test accuracy (%)")
    shown = [name for name in WORDS if name in set(points["preventer"])]
    handles = {
        WORDS[name]: Line2D([], [], color=PALETTE[name], marker=SHAPES[name], linestyle="none") for name in shown
    }
    if "orthogonality" in shown:
        handles[WORDS["orthogonality"]].set_linestyle("-")
    legend_above(figure, handles | {"re-drawn kernels": Line2D([], [], color=NULL_COLOR, linewidth=1.4)}, columns=3)
    return figure


def _draw_shape(axes: Axes, points: pd.DataFrame) -> None:
    """The penalty's path from nothing to its strongest, and the others as marks of their own."""
    path = points[points["preventer"].isin(["none", "orthogonality"])].sort_values("strength")
    as_they_are = {"x": "mean_cosine", "y": "mean", "legend": False, "ax": axes}
    sns.lineplot(path, color=PALETTE["orthogonality"], estimator=None, sort=False, **as_they_are)
    series = {"hue": "preventer", "palette": PALETTE, "style": "preventer", "markers": SHAPES}
    sns.scatterplot(points, **series, linewidth=0, zorder=3, **as_they_are)
    for name, own in points.groupby("preventer"):
        color = PALETTE[str(name)]
        axes.hlines(own["mean"], own["low_cosine"], own["high_cosine"], linewidth=0.8, color=color)
        axes.vlines(own["mean_cosine"], own["low"], own["high"], linewidth=0.8, color=color)
    middle = sum(axes.get_xlim()) / 2
    penalties = path.loc[path["preventer"] == "orthogonality", ["mean_cosine", "mean", "strength"]]
    for cosine, accuracy, strength in penalties.to_numpy(float):
        side = 1 if cosine < middle else -1  # Numbers stand towards the middle.
        axes.annotate(
            f"{strength:g}",
            (cosine, accuracy),
            (4 * side, 3),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            fontsize=SMALL_TEXT_PT,
        )
    axes.set_ylabel("")
    accuracy_axis(axes.yaxis, points[["mean", "low", "high"]])
