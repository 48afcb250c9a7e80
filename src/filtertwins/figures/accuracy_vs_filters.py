"""Test accuracy against the number of filters, beside the optimum of softmax regression."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.axes import accuracy_axis, filters_axis
from filtertwins.figures.series import draw_means, measured
from filtertwins.figures.style import (
    NULL_BAND_COLOR,
    REFERENCE_COLOR,
    REPORTED,
    Look,
    label_panel,
    legend_above,
    panels,
    style,
)

LINEAR, OTHERS = "without an activation", "with an activation"
_OPTIMUM: dict[str, Any] = {"color": REFERENCE_COLOR, "linewidth": 0.8, "linestyle": "--"}


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
    handles: dict[str, Artist] = {**look.handles(names)}
    best = reported = None
    if optimum is not None:
        best = 100 * float(optimum.sort_values("validation_accuracy")["test_accuracy"].iloc[-1])
        handles["softmax regression"] = Line2D([], [], **_OPTIMUM)
    if "question" in names and (ends := REPORTED.get(accuracy["dataset"].iloc[0])):
        reported = [100 * end for end in ends]
        words = "question's report, {:g} to {:g} %".format(*reported)
        handles[words] = Patch(color=NULL_BAND_COLOR)
    figure, axes = panels(len(kinds), 2.7)
    for place, (panel, (words, rows)) in enumerate(zip(axes, kinds.items(), strict=True)):
        shown = rows[["mean", "low", "high"]].to_numpy().ravel().tolist()
        if reported and words == LINEAR:
            panel.axhspan(*reported, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
            shown += reported
        if best is not None:
            panel.axhline(best, zorder=1, **_OPTIMUM)
            shown.append(best)
        draw_means(panel, rows, look, dodge=0.06)
        filters_axis(panel, accuracy["filters"])
        accuracy_axis(panel.yaxis, shown)
        panel.set_ylabel("Test accuracy (%)" if place == 0 else "")
        label_panel(panel, place, words)
    legend_above(figure, handles, columns=3)
    return figure
