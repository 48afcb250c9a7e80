"""Test accuracy against the number of filters: are more filters better, and by how much?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.style import (
    NULL_BAND_COLOR,
    REFERENCE_COLOR,
    SINGLE_COLUMN_IN,
    TIMES,
    Series,
    display_name,
    filters_axis,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    dataset_name,
    in_order,
    interval_text,
    join_words,
    paragraph,
    seeds_text,
    select,
    summarise,
    whiskers,
)
from filtertwins.statistics import wilson_interval

REPORTED_PERCENT = {"mnist": (92, 93)}
"""The accuracies that the question reports for every filter count, by dataset."""

_COLUMNS = (
    "dataset",
    "architecture",
    "kernel_height",
    "kernel_width",
    "activation",
    "filters",
    "seed",
    "steps",
    "test_accuracy",
    "test_images",
)
_DODGE = 0.22
"""Between the series of one filter count, at most, in doublings."""

_BESIDE = 0.15
"""Single runs stand left of their mean by this many doublings: they cover neither it nor its interval."""

_ROOM_FOR_WILSON = 1.0
"""Right of the largest filter count, in doublings."""

_WILSON_ALPHA = 0.45

_TICKS = (90, 98, 50, 80, 95, 99, 10, 99.5, 99.9, 70, 92, 97, 96, 94, 93, 91, 85, 98.5, 97.5, 96.5, 95.5, 92.5, 91.5)
"""Places for ticks, the roundest first; those too near to one before them are left out."""


def draw(runs: pd.DataFrame, *, optimum_accuracy: float | None = None) -> tuple[Figure, str]:
    """Draw test accuracy against the number of filters, one series per architecture.

    Args:
        runs: one row per run.
        optimum_accuracy: test accuracy in [0, 1] of the convex optimum of softmax regression, drawn as a line

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing or there are no rows.
    """
    rows = select(runs, "runs", _COLUMNS)
    rows["percent"] = 100 * rows["test_accuracy"]
    names = in_order(rows["architecture"])
    summary = summarise(rows, "percent")
    with style():
        figure = new_figure(SINGLE_COLUMN_IN, 2.5 + 0.14 * math.ceil((len(names) + 1) / 2))
        axes = figure.add_subplot()
        filters_axis(axes, rows["filters"], room_right=_ROOM_FOR_WILSON)
        _scale_by_error(axes, rows, summary)
        axes.set_ylabel("Test accuracy (%)")
        handles: dict[str, Artist] = {}
        for index, (name, look) in enumerate(series_styles(names).items()):
            dodge = min(_DODGE, 0.75 / len(names))
            shift = 2 ** (dodge * (index - (len(names) - 1) / 2))
            _draw_series(
                axes,
                rows[rows["architecture"] == name],
                summary[summary["architecture"] == name],
                look,
                shift,
            )
            handles[display_name(name)] = Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
        _draw_wilson(axes, rows, summary, names)
        _draw_references(axes, rows, optimum_accuracy)
        handles["test set (Wilson)"] = Patch(color=REFERENCE_COLOR, alpha=_WILSON_ALPHA, linewidth=0)
        legend_above(figure, handles, columns=2)
    return figure, _caption(rows, summary, names, optimum_accuracy)


def _scale_by_error(axes: Axes, rows: pd.DataFrame, summary: pd.DataFrame) -> None:
    """An axis of accuracy that is logarithmic in the error, so that a network that learnt nothing flattens no other."""
    best = 100 - 50 / int(rows["test_images"].max())  # half an image short of perfect, which is infinitely far

    def forward(percent: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(-np.log10(100 - np.minimum(percent, best)))

    def inverse(position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(100 - 10 ** -np.asarray(position, dtype=float))

    axes.set_yscale("function", functions=(forward, inverse))
    wilson = [limit for name in in_order(rows["architecture"]) for limit in _wilson_percent(rows, summary, name)]
    shown = np.concatenate([rows["percent"], summary["low"].dropna(), summary["high"].dropna(), wilson])
    bottom, top = float(forward(shown.min())), float(forward(shown.max()))
    margin = 0.06 * max(top - bottom, 0.05)
    bottom, top = bottom - margin, top + margin
    axes.set_ylim(*inverse([bottom, top]))
    ticks: list[float] = []
    for tick in _TICKS:
        place = (forward(tick) - bottom) / (top - bottom)
        if 0 <= place <= 1 and all(abs(forward(other) - forward(tick)) > 0.075 * (top - bottom) for other in ticks):
            ticks.append(tick)
    axes.set_yticks(sorted(ticks), labels=[f"{tick:g}" for tick in sorted(ticks)])
    axes.set_yticks([], minor=True)


def _draw_series(axes: Axes, rows: pd.DataFrame, summary: pd.DataFrame, look: Series, shift: float) -> None:
    axes.plot(
        rows["filters"] * shift * 2**-_BESIDE,
        rows["percent"],
        look.marker,
        color=look.color,
        markersize=2.0,
        markeredgewidth=0,
        alpha=0.4,
        zorder=2,
    )
    axes.errorbar(
        summary["filters"] * shift,
        summary["mean"],
        yerr=whiskers(summary),
        color=look.color,
        marker=look.marker,
        linestyle=look.linestyle,
        markersize=3.2,
        elinewidth=1.0,
        capsize=1.8,
        capthick=0.8,
        zorder=3,
    )


def _draw_wilson(axes: Axes, rows: pd.DataFrame, summary: pd.DataFrame, names: list[str]) -> None:
    """At the right edge: what the finite test set leaves open, for one network of the largest count."""
    right = int(rows["filters"].max()) * 2 ** (0.4 + _ROOM_FOR_WILSON / 2)
    step = min(0.18, 0.8 / len(names))
    for index, (name, look) in enumerate(series_styles(names).items()):
        low, high = _wilson_percent(rows, summary, name)
        x = right * 2 ** (step * (index - (len(names) - 1) / 2))
        axes.plot([x, x], [low, high], color=look.color, linewidth=3.0, alpha=_WILSON_ALPHA, solid_capstyle="butt")


def _wilson_percent(rows: pd.DataFrame, summary: pd.DataFrame, name: str) -> tuple[float, float]:
    """Wilson interval around the mean accuracy of the largest filter count, for a test set of this size."""
    images = int(rows.loc[rows["architecture"] == name, "test_images"].iloc[0])
    percent = float(summary.loc[summary["architecture"] == name, "mean"].iloc[-1])
    interval = wilson_interval(round(percent / 100 * images), images)
    return 100 * interval.low, 100 * interval.high


def _draw_references(axes: Axes, rows: pd.DataFrame, optimum_accuracy: float | None) -> None:
    left = axes.get_xlim()[0] * 2**0.08
    reported = REPORTED_PERCENT.get(str(rows["dataset"].iloc[0]))
    if reported is not None:
        axes.axhspan(*reported, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
        right = axes.get_xlim()[1] * 2**-0.08
        text = f"reported: {reported[0]} to {reported[1]} %"
        axes.text(right, reported[0], text, color=REFERENCE_COLOR, va="top", ha="right", zorder=4)
    if optimum_accuracy is not None:
        percent = 100 * optimum_accuracy
        axes.axhline(percent, color=REFERENCE_COLOR, linewidth=0.8, linestyle=(0.0, (4.0, 2.0)), zorder=1)
        axes.text(left, percent, "convex optimum", color=REFERENCE_COLOR, va="top", ha="left", zorder=4)


def _caption(rows: pd.DataFrame, summary: pd.DataFrame, names: list[str], optimum_accuracy: float | None) -> str:
    described, ranges, wilson = [], [], []
    for name in names:
        own, means = rows[rows["architecture"] == name], summary[summary["architecture"] == name]
        first = own.iloc[0]
        kernel = f"{first['kernel_height']}{TIMES}{first['kernel_width']}"
        steps = join_words([f"{value:,}" for value in sorted(own["steps"].unique())], "or")
        described.append(f"{display_name(name)} ({first['activation']}, {kernel} kernels, {steps} steps)")
        ends = means.iloc[sorted({0, len(means) - 1})]
        at = [f"{mean:.2f} % at {filters:,}" for filters, mean in zip(ends["filters"], ends["mean"], strict=True)]
        ranges.append(f"{display_name(name)}, {join_words(at)}")
        low, high = _wilson_percent(rows, summary, name)
        wilson.append(f"{display_name(name)}, {low:.2f} to {high:.2f} %")
    images = join_words([f"{value:,}" for value in sorted(rows["test_images"].unique())], "or")
    reported = REPORTED_PERCENT.get(str(rows["dataset"].iloc[0]))
    return paragraph(
        f"""Test accuracy against the number of convolutional filters on {dataset_name(rows)} ({images} test
        images): {join_words(described)}.""",
        f"""Faint dots: single runs ({seeds_text(rows)} per condition), beside their mean.
        {interval_text(rows)}""",
        "The axis is logarithmic in the error, 100 % minus the accuracy.",
        f"Means: {'; '.join(ranges)} filters.",
        f"{_untrained(rows)}",
        f"""Thick bars at the right edge: 95 % Wilson intervals of one network's accuracy at the largest
        filter count, what the finite test set alone leaves open ({"; ".join(wilson)}). All networks share
        the test set, so much of this is common to them.""",
        ""
        if reported is None
        else f"""Grey band: the {reported[0]} to {reported[1]} % that the question reports for each of 1, 2,
        4, 8 and 16 filters.""",
        ""
        if optimum_accuracy is None
        else f"""Dashed grey line: the convex optimum of softmax regression,
        {100 * optimum_accuracy:.2f} %.""",
    )


def _untrained(rows: pd.DataFrame) -> str:
    """A sentence on the networks that learnt next to nothing, if any: means over seeds hide them."""
    lost = rows[rows["percent"] < 20]
    counts = lost.groupby(["architecture", "filters"], sort=False).size().reset_index(name="networks")
    where = [
        f"{row.networks} of {display_name(str(row.architecture))} with {row.filters} filter{'s' * (row.filters != 1)}"
        for row in counts.itertuples()
    ]
    return f"Below 20 %, near the 10 % of guessing: {join_words(where)}." if where else ""
