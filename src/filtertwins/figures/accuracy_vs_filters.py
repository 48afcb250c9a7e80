"""Test accuracy against the number of filters, beside the optimum of softmax regression."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from filtertwins.figures.axes import accuracy_axis, filters_axis
from filtertwins.figures.series import draw_means, measured
from filtertwins.figures.style import REFERENCE_COLOR, SMALL_TEXT_PT, Look, legend_above, panel, style


@style()
def draw(
    runs_means: pd.DataFrame,
    optimum: pd.DataFrame | None = None,
    exact_reading_means: pd.DataFrame | None = None,
    *,
    look: Look,
) -> Figure:
    """Draw the mean test accuracy of each architecture by its number of filters.

    Args:
        runs_means: means over seeds of the test accuracy.
        optimum: one row a penalty on the weights of softmax regression; the row with the best validation accuracy is
            drawn as a line.
        exact_reading_means: the same means of networks that are trained as long as the question says.
        look: how series are named and drawn.
    """
    means = [table for table in (runs_means, exact_reading_means) if table is not None]
    accuracy = measured(pd.concat(means, ignore_index=True), "test_accuracy", percent=True)
    names = look.order(accuracy["architecture"])
    shown = accuracy[["mean", "low", "high"]].to_numpy().ravel().tolist()
    figure, axes = panel(2.5 + 0.15 * len(names))
    draw_means(axes, accuracy, look, dodge=0.06)
    filters_axis(axes, accuracy["filters"])
    if optimum is not None:
        best = 100 * float(optimum.sort_values("validation_accuracy")["test_accuracy"].iloc[-1])
        axes.axhline(best, color=REFERENCE_COLOR, linewidth=0.8, linestyle="--", zorder=1)
        axes.annotate(
            "softmax regression",
            (1, best),
            (0, -2),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="top",
            color=REFERENCE_COLOR,
            fontsize=SMALL_TEXT_PT,
        )
        shown.append(best)
    accuracy_axis(axes.yaxis, shown)
    axes.set_ylabel("Test accuracy (%)")
    legend_above(figure, look.handles(names), columns=1)
    return figure
