"""Test accuracy against the number of filters, beside the optimum of softmax regression."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from filtertwins.figures.axes import accuracy_axis, filters_axis
from filtertwins.figures.series import draw_means, measured
from filtertwins.figures.style import REFERENCE_COLOR, SMALL_TEXT_PT, Look, label_panel, legend_above, panels, style

LINEAR, OTHERS = "without an activation", "with an activation"


@style()
def draw(
    runs_means: pd.DataFrame,
    optimum: pd.DataFrame | None = None,
    exact_reading_means: pd.DataFrame | None = None,
    *,
    look: Look,
) -> Figure:
    """Draw mean test accuracy by the number of filters, for networks without and with an activation.

    Args:
        runs_means: means over seeds of the test accuracy.
        optimum: one row a penalty on the weights of softmax regression; the row with the best validation accuracy is
            drawn as a line.
        exact_reading_means: the same means of networks that are trained as long as the question says.
        look: how series are named and drawn.
    """
    means = [table for table in (runs_means, exact_reading_means) if table is not None]
    accuracy = measured(pd.concat(means, ignore_index=True), "test_accuracy", percent=True)
    linear = accuracy["activation"] == "linear"
    kinds = {words: rows for words, rows in ((LINEAR, accuracy[linear]), (OTHERS, accuracy[~linear])) if len(rows)}
    names = look.order(accuracy["architecture"])
    figure, axes = panels(len(kinds), 2.6)
    for place, (panel, (words, rows)) in enumerate(zip(axes, kinds.items(), strict=True)):
        draw_means(panel, rows, look, dodge=0.06)
        filters_axis(panel, accuracy["filters"])
        shown = rows[["mean", "low", "high"]].to_numpy().ravel().tolist()
        if optimum is not None:
            best = optimum.sort_values("validation_accuracy")["test_accuracy"].iloc[-1]
            shown.append(100 * float(best))
            _draw_optimum(panel, shown[-1])
        accuracy_axis(panel.yaxis, shown)
        panel.set_ylabel("Test accuracy (%)" if place == 0 else "")
        label_panel(panel, place, words)
    legend_above(figure, look.handles(names), columns=3)
    return figure


def _draw_optimum(axes: Axes, accuracy: float) -> None:
    axes.axhline(accuracy, color=REFERENCE_COLOR, linewidth=0.8, linestyle="--", zorder=1)
    axes.annotate(
        "softmax regression",
        (1, accuracy),
        (0, -2),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="top",
        color=REFERENCE_COLOR,
        fontsize=SMALL_TEXT_PT,
    )
