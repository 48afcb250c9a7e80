"""Redundancy and accuracy without learning: kernels left as drawn, and labels that mean nothing."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from filtertwins.figures.axes import accuracy_axis, draw_points, measured, with_ends
from filtertwins.figures.style import NULL_COLOR, Look, label_panel, legend_above, panels, style


@style()
def draw(controls_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the excess over chance and the test accuracy of each control, by the number of filters.

    Args:
        controls_means: means over seeds of the excess and of the test accuracy.
        look: how series are named and drawn.
    """
    figure, (left, right) = panels(2, 2.3)
    left.axhline(0, color=NULL_COLOR, linewidth=1.4, zorder=1)
    _draw(left, measured(controls_means, "excess"), look)
    left.set_ylabel("Excess nearest cosine\nover re-drawn kernels")
    label_panel(left, 0, "are filters more alike than chance?")
    accuracy = measured(controls_means, "test_accuracy", percent=True)
    _draw(right, accuracy, look)
    accuracy_axis(right.yaxis, accuracy[["mean", "low", "high"]])
    right.set_ylabel("Test accuracy (%)")
    label_panel(right, 1, "does the network work?")
    names = look.order(controls_means["architecture"])
    legend_above(figure, look.handles(names, linestyle="none"), columns=len(names))
    return figure


def _draw(axes: Axes, means: pd.DataFrame, look: Look) -> None:
    names = look.order(means["architecture"])
    draw_points(
        axes,
        with_ends(means),
        x="filters",
        y="mean",
        hue="architecture",
        hue_order=names,
        palette=look.palette(names),
        markers=list(look.markers(names).values()),
        dodge=0.4 if len(names) > 1 else False,
    )
    axes.set_xlabel("Number of filters")
