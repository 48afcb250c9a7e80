"""Test accuracy against the number of filters: are more filters better, and by how much?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
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
    draw_runs,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
    scale_by_error,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    TableError,
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
from filtertwins.measures.statistics import wilson_interval

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
_OPTIMUM_COLUMNS = (
    "dataset",
    "penalty",
    "iterations",
    "gradient_norm",
    "converged",
    "unbounded",
    "train_loss",
    "validation_accuracy",
    "test_accuracy",
)
_EQUIVALENCE_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "other_filters",
    "margin",
    "p_holm",
    "equivalent",
    "n",
)
_DODGE = 0.22
"""Between the series of one filter count, at most, in doublings."""

_BESIDE = 0.15
"""Single runs stand left of their mean by this many doublings: they cover neither it nor its interval."""

_ROOM_FOR_WILSON = 1.0
"""Right of the largest filter count, in doublings."""

_WILSON_ALPHA = 0.45

_OPTIMUM_LINES: dict[str, dict[str, Any]] = {
    "convex optimum": {"color": REFERENCE_COLOR, "linewidth": 0.8, "linestyle": (0.0, (4.0, 2.0))},
    "convex, penalised": {"color": REFERENCE_COLOR, "linewidth": 0.9, "linestyle": (0.0, (1.0, 1.5))},
}


def draw(
    runs: pd.DataFrame, optimum: pd.DataFrame | None = None, equivalence: pd.DataFrame | None = None
) -> tuple[Figure, str]:
    """Draw test accuracy against the number of filters, one series per architecture.

    Args:
        runs: one row per run.
        optimum: one row per penalty; the convex optimum of softmax regression is drawn as a line without penalty, and
            as another with the penalty that is best on the validation split.
        equivalence: one row per architecture and pair of filter counts; the caption counts the equivalent ones.

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no optimum is without penalty.
    """
    rows = select(runs, "runs", _COLUMNS)
    optima = {} if optimum is None else _optima(optimum)
    pairs = None if equivalence is None else _linear_pairs(equivalence)
    rows["percent"] = 100 * rows["test_accuracy"]
    names = in_order(rows["architecture"])
    summary = summarise(rows, "percent")
    linear = in_order(rows.loc[rows["activation"] == "linear", "architecture"])
    zoom = 0 < len(linear) < len(names)  # the others take a scale on which these are one line
    with style():
        handles = _legend(rows, names, optima)
        above = 0.15 * math.ceil(len(handles) / 2)
        figure = new_figure(SINGLE_COLUMN_IN, (4.1 if zoom else 2.5) + above)
        panels = figure.subplots(2 if zoom else 1, squeeze=False, height_ratios=[1.35, 1] if zoom else None)[:, 0]
        _draw_panel(panels[0], rows, summary, names, optima)
        if zoom:
            _draw_panel(panels[1], rows, summary, linear, optima, means_alone=True)
            panels[0].set_xlabel("")
            label_panel(panels[0], 0, "all architectures")
            label_panel(panels[1], 1, "without an activation")
            figure.align_ylabels()
        legend_above(figure, handles, columns=2)
    return figure, _caption(rows, summary, names, optima, pairs, zoom=zoom)


def _draw_panel(
    axes: Axes,
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    names: list[str],
    optima: Mapping[str, pd.Series[Any]],
    *,
    means_alone: bool = False,
) -> None:
    """Some of the architectures, with as much of the accuracy axis as they take.

    Args:
        axes: where.
        rows: all runs.
        summary: all means.
        names: the architectures of this panel.
        optima: rows of the convex optimum, by the name of their line.
        means_alone: single runs need not be in view.
    """
    looks = series_styles(in_order(rows["architecture"]))
    own, means = (table[table["architecture"].isin(names)] for table in (rows, summary))
    shown = [*(means["mean"] if means_alone else own["percent"]), *means["low"].dropna(), *means["high"].dropna()]
    shown += [limit for name in names for limit in _wilson_percent(rows, summary, name)]
    shown += [100 * best["test_accuracy"] for best in optima.values()]
    filters_axis(axes, rows["filters"], room_right=_ROOM_FOR_WILSON)
    scale_by_error(axes, shown, finest=50 / int(rows["test_images"].max()))  # half an image
    axes.set_ylabel("Test accuracy (%)")
    dodge, room = min(_DODGE, 0.75 / len(names)), rooms(rows["filters"])
    for index, name in enumerate(names):
        place = dodge * (index - (len(names) - 1) / 2)
        _draw_series(
            axes, own[own["architecture"] == name], means[means["architecture"] == name], looks[name], place, room
        )
    _draw_wilson(axes, rows, summary, names)
    reported = REPORTED_PERCENT.get(str(rows["dataset"].iloc[0]))
    if reported is not None:
        axes.axhspan(*reported, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    for name, best in optima.items():
        axes.axhline(100 * best["test_accuracy"], **_OPTIMUM_LINES[name], zorder=1)


def _legend(rows: pd.DataFrame, names: list[str], optima: Iterable[str]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        display_name(name): Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
        for name, look in series_styles(names).items()
    }
    handles["test set (Wilson)"] = Patch(color=REFERENCE_COLOR, alpha=_WILSON_ALPHA, linewidth=0)
    reported = REPORTED_PERCENT.get(str(rows["dataset"].iloc[0]))
    if reported is not None:
        handles[f"reported, {reported[0]} to {reported[1]} %"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    for name in optima:
        handles[name] = Line2D([], [], **_OPTIMUM_LINES[name])
    return handles


def _optima(optimum: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """The row that nothing but the training images decides, and the best one on the validation split, if another."""
    rows = select(optimum, "optimum", _OPTIMUM_COLUMNS)
    plain = rows[rows["penalty"] == 0]
    if len(plain) != 1:
        have = ", ".join(f"{penalty:g}" for penalty in rows["penalty"])
        raise TableError("optimum", f"{len(plain)} rows with penalty = 0, expected one; it has: {have}")
    best = rows.sort_values("validation_accuracy", kind="stable").iloc[-1]
    found = [plain.iloc[0], best] if best["penalty"] > 0 else [plain.iloc[0]]
    return dict(zip(_OPTIMUM_LINES, found, strict=False))


def _linear_pairs(equivalence: pd.DataFrame) -> pd.DataFrame | None:
    """The pairs of filter counts of architectures without activation; None if there are none."""
    if equivalence.empty:  # architectures of one filter count each have no pairs
        return None
    rows = select(equivalence, "equivalence", _EQUIVALENCE_COLUMNS)
    rows = rows[rows["activation"] == "linear"]
    return None if rows.empty else rows


def rooms(counts: Iterable[int]) -> dict[int, float]:
    """For each filter count the distance to the nearest other one, in doublings, but at most 1."""
    ordered = sorted(set(counts))
    gaps = np.diff(np.log2(ordered))
    sides = zip(np.append(1.0, gaps), np.append(gaps, 1.0), strict=True)
    return {count: float(min(1.0, *pair)) for count, pair in zip(ordered, sides, strict=True)}


def _draw_series(
    axes: Axes,
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    look: Series,
    place: float,
    room: dict[int, float],
) -> None:
    """One architecture: its means joined, with intervals, and its single runs beside them.

    Args:
        axes: where.
        rows: its runs.
        summary: its means.
        look: its style.
        place: where it stands beside the filter count, in doublings, where there is room.
        room: see :func:`rooms`; where counts are close, series are too.
    """
    run_room, mean_room = rows["filters"].map(room), summary["filters"].map(room)
    draw_runs(axes, rows["filters"] * 2 ** ((place - _BESIDE) * run_room), rows["percent"], look)
    axes.errorbar(
        summary["filters"] * 2 ** (place * mean_room),
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
    looks = series_styles(in_order(rows["architecture"]))
    for index, name in enumerate(names):
        low, high = _wilson_percent(rows, summary, name)
        x = right * 2 ** (step * (index - (len(names) - 1) / 2))
        axes.plot(
            [x, x], [low, high], color=looks[name].color, linewidth=3.0, alpha=_WILSON_ALPHA, solid_capstyle="butt"
        )


def _wilson_percent(rows: pd.DataFrame, summary: pd.DataFrame, name: str) -> tuple[float, float]:
    """Wilson interval around the mean accuracy of the largest filter count, for a test set of this size."""
    images = int(rows.loc[rows["architecture"] == name, "test_images"].iloc[0])
    percent = float(summary.loc[summary["architecture"] == name, "mean"].iloc[-1])
    interval = wilson_interval(round(percent / 100 * images), images)
    return 100 * interval.low, 100 * interval.high


def _caption(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    names: list[str],
    optima: Mapping[str, pd.Series[Any]],
    pairs: pd.DataFrame | None,
    *,
    zoom: bool,
) -> str:
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
    counts = join_words([f"{count:,}" for count in sorted(rows["filters"].unique())])
    reported = REPORTED_PERCENT.get(str(rows["dataset"].iloc[0]))
    return paragraph(
        f"""Test accuracy against the number of convolutional filters on {dataset_name(rows)} ({images} test
        images): {join_words(described)}. Ticks: {counts}.""",
        f"""Faint dots: single runs ({seeds_text(rows)} per condition), beside their mean.
        {interval_text(rows)}""",
        """Lower panel: the architectures without an activation alone, on a closer scale; runs below it are in the
        upper one."""
        if zoom
        else "",
        "The axis is logarithmic in the error, 100 % minus the accuracy.",
        f"Means: {'; '.join(ranges)} filters.",
        f"{_untrained(rows)}",
        f"""Thick bars at the right edge: 95 % Wilson intervals of one network's accuracy at the architecture's
        largest filter count, what the finite test set alone leaves open ({"; ".join(wilson)}). All networks share
        the test set, so much of this is common to them.""",
        ""
        if reported is None
        else f"""Grey band: the {reported[0]} to {reported[1]} % that the question reports for each of 1, 2,
        4, 8 and 16 filters.""",
        *(_about_optimum(best) for best in optima.values()),
        "" if pairs is None else _about_equivalence(pairs),
    )


def _about_optimum(best: pd.Series[Any]) -> str:
    """A sentence on a line of the convex optimum, and on how near to the optimum it is."""
    reached = f"""{100 * best["test_accuracy"]:.2f} % at a training loss of {best["train_loss"]:.4f} nats, where the
    largest absolute entry of the gradient is {best["gradient_norm"]:.1e} after {best["iterations"]:,} iterations"""
    if best["penalty"] > 0:
        return f"""Dotted grey line: the same with the penalty on squared weights, {best["penalty"]:g}, that is best on
        the validation split: {reached}."""
    about = "converged" if best["converged"] else "not converged"
    if best["unbounded"]:
        about = "there is no minimum, since some pixels tell classes apart without error; this is where the fit got to"
    return f"""Dashed grey line: the convex optimum of softmax regression (L-BFGS on the training images, no penalty),
    {reached} ({about})."""


def _about_equivalence(pairs: pd.DataFrame) -> str:
    """Sentences on the filter counts whose accuracies are equivalent, and on those not shown to be."""
    counted = []
    for name in in_order(pairs["architecture"]):
        own = pairs[pairs["architecture"] == name]
        tested = own[own["equivalent"].notna()]
        if tested.empty:
            counted.append(f"{display_name(name)}, too few seeds to tell")
            continue
        found = tested["equivalent"].eq(True)
        share = f"{found.sum()} of {len(tested)} pairs" if len(tested) > 1 else f"{found.sum()} of one pair"
        rest = _not_shown(tested, tested[~found])
        counted.append(f"{display_name(name)}, {share}" + (f", not shown for {rest}" if rest else ""))
    margin = join_words([f"{100 * value:g}" for value in sorted(pairs["margin"].unique())], "or")
    seeds = join_words([f"{value}" for value in sorted(pairs["n"].unique())], "or")
    return f"""Pairs of filter counts with equivalent mean accuracy, within ± {margin} percentage points (paired
    two one-sided t-tests over seeds, n = {seeds}, Holm-adjusted p < 0.05): {"; ".join(counted)}."""


def _not_shown(tested: pd.DataFrame, rest: pd.DataFrame) -> str:
    """Pairs as in running text, put together by what they are with: "1 and 2 with any more; 4 with 64 and 128"."""
    partners: dict[str, list[str]] = {}
    for count, group in rest.groupby("filters"):
        others = [f"{other:,}" for other in sorted(group["other_filters"])]
        every = len(others) > 1 and len(others) == (tested["filters"] == count).sum()
        partners.setdefault("any more" if every else join_words(others), []).append(f"{count:,}")
    return ", ".join(f"{join_words(counts)} with {others}" for others, counts in partners.items())


def _untrained(rows: pd.DataFrame) -> str:
    """A sentence on the networks that learnt next to nothing, if any: means over seeds hide them."""
    lost = rows[rows["percent"] < 20]
    counts = lost.groupby(["architecture", "filters"], sort=False).size().reset_index(name="networks")
    where = [
        f"{row.networks} of {display_name(str(row.architecture))} with {row.filters} filter{'s' * (row.filters != 1)}"
        for row in counts.itertuples()
    ]
    return f"Below 20 %, near the 10 % of guessing: {join_words(where)}." if where else ""
