"""Optimal Brain Damage weight by weight: is the loss's increase foretold, and how many weights can go?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.series import draw_lines, measured, networks, with_ends
from filtertwins.figures.style import (
    COLORS,
    NULL_BAND_COLOR,
    NULL_COLOR,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)

_INCREASES = {
    "predicted_increase": ("predicted by the Hessian's diagonal", "black", "s"),
    "quadratic_increase": ("predicted by the whole Hessian", COLORS[4], "^"),
    "gradient_increase": ("predicted by the gradient alone", COLORS[5], "D"),
}
"""For each increase that is predicted its words, colour and marker."""

_RANKINGS = {
    "obd": ("measured, deleted by saliency", COLORS[6], "v"),
    "magnitude": ("measured, deleted by size", COLORS[7], "o"),
}
"""The same for what is measured, by which weights are deleted."""

_DECADES = 7
_MARGINS = 12
"""A loss of accuracy of more than so many margins is below the axis, so that the margin can be seen."""

_WIDTH = 1.1


@style()
def draw(obd_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the predicted and the measured increase of the loss, and what retraining restores, by the share deleted.

    Args:
        obd_means: means over seeds for each ranking of the weights and share deleted.
        look: how series are named and drawn; its margin of accuracy is the grey band.
    """
    means = obd_means.assign(percent=100 * obd_means["share"])
    shown = networks(means, look, 1)
    if not shown:
        return nothing_to_draw("No weights were deleted.")
    _, _, means = shown[0]
    figure, (left, right) = panels(2, 2.7)
    _draw_increases(left, means)
    label_panel(left, 0, "is the loss foretold?")
    _draw_retrained(right, measured(means, "retrained_change", percent=True), 100 * look.margins["accuracy"])
    label_panel(right, 1, "does retraining restore the accuracy?")
    for axes in (left, right):
        axes.set(xlabel="Weights deleted (%)", xlim=(-2, 102), xticks=range(0, 101, 20))
    legend_above(figure, _legend(means, look), columns=3)
    return figure


def _draw_increases(axes: Axes, means: pd.DataFrame) -> None:
    """Increases of at most seven powers of ten; what is smaller, or no increase, is below the axis.

    Only what was measured is drawn where the smallest weights are deleted.
    """
    measured_ones = means["measure"] == "actual_increase"
    predicted = means["measure"].isin(list(_INCREASES)) & (means["ranking"] == "obd")
    rows = means[(measured_ones | predicted) & (means["mean"] > 0)]
    _lines(axes, rows.assign(line=rows["measure"].where(~measured_ones, rows["ranking"])), "line")
    axes.set_yscale("log")
    axes.minorticks_off()
    largest = max(rows["mean"].max(), rows["high"].max())
    if len(rows):
        axes.set_ylim(max(10**-_DECADES * largest, rows["mean"].min() / 2), 2 * largest)
    axes.set_ylabel("Increase of the training loss (nats)")


def _draw_retrained(axes: Axes, means: pd.DataFrame, margin: float) -> None:
    axes.axhspan(-margin, margin, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    _lines(axes, means, "ranking")
    if margin > 0:
        axes.set_ylim(max(axes.get_ylim()[0], -_MARGINS * margin), max(2 * margin, means["high"].max()))
    axes.set_ylabel("Change of the retrained\ntest accuracy (points)")


def _lines(axes: Axes, means: pd.DataFrame, hue: str) -> None:
    looks = {name: look for name, look in (_INCREASES | _RANKINGS).items() if name in set(means[hue])}
    draw_lines(
        axes,
        with_ends(means),
        x="percent",
        hue=hue,
        order=list(looks),
        palette={name: color for name, (_, color, _) in looks.items()},
        markers={name: marker for name, (*_, marker) in looks.items()},
        linewidth=_WIDTH,
    )


def _legend(means: pd.DataFrame, look: Look) -> dict[str, Line2D | Patch]:
    shown = [*_INCREASES.values(), *(_RANKINGS[own] for own in dict.fromkeys(means["ranking"]))]
    handles: dict[str, Line2D | Patch] = {
        words: Line2D([], [], color=color, marker=marker, linewidth=_WIDTH) for words, color, marker in shown
    }
    handles[f"margin, ± {100 * look.margins['accuracy']:g} points"] = Patch(color=NULL_BAND_COLOR)
    return handles
