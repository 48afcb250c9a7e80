"""Redundancy and accuracy without learning: kernels left as drawn, and labels that mean nothing."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from filtertwins.figures.axes import accuracy_axis
from filtertwins.figures.series import draw_points, measured, with_ends
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
    draw_points(left, with_ends(measured(controls_means, "excess")), look, x="filters", y="mean", apart=0.2)
    left.set_ylabel("Cosine to the most similar\nfilter, minus chance")
    label_panel(left, 0, "more alike than re-drawn kernels?")
    accuracy = measured(controls_means, "test_accuracy", percent=True)
    draw_points(right, with_ends(accuracy), look, x="filters", y="mean", apart=0.2)
    accuracy_axis(right.yaxis, accuracy[["mean", "low", "high"]])
    right.set_ylabel("Test accuracy (%)")
    label_panel(right, 1, "is the network of any use?")
    for axes in (left, right):
        axes.set_xlabel("Number of filters")
    names = look.order(controls_means["architecture"])
    legend_above(figure, look.handles(names, linestyle="none"), columns=len(names))
    return figure
