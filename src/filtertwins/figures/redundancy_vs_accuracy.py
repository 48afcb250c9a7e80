"""Redundancy against its null, and against accuracy: is it more than chance, and does it matter?"""

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
from scipy.stats import rankdata

from filtertwins.figures.labels import Label, label_points
from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    Series,
    display_name,
    draw_runs,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    RESAMPLES,
    TableError,
    dataset_name,
    in_order,
    interval_text,
    join_words,
    paragraph,
    select,
    signed,
    summarise,
    whiskers,
)

_RUN_COLUMNS = ("dataset", "architecture", "filters", "seed", "activation", "test_accuracy")
_REDUNDANCY_COLUMNS = (
    "dataset",
    "architecture",
    "filters",
    "seed",
    "stage",
    "equivalence",
    "mean_nearest_cosine",
    "null_mean_nearest_cosine",
    "null_sd",
    "isotropic_mean_nearest_cosine",
    "excess",
)
_KEY = ["architecture", "filters", "seed"]
_MOST_ABREAST = 3
_NULL_SDS = 2
_FEWEST_SEEDS = 5
"""Fewer seeds say nothing about a rank correlation within a filter count."""


def draw(runs: pd.DataFrame, redundancy: pd.DataFrame) -> tuple[Figure, str]:
    """Draw redundancy against its null over filter counts, and its excess against test accuracy.

    Args:
        runs: one row per run.
        redundancy: one row per run and stage.

    Returns:
        The figure (two panels for each architecture), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no run has the two filters it takes.
    """
    accuracy = select(runs, "runs", _RUN_COLUMNS)
    measured = select(redundancy, "redundancy", _REDUNDANCY_COLUMNS)
    trained = select(measured, "redundancy", _REDUNDANCY_COLUMNS, stage="trained")
    initial = select(measured, "redundancy", _REDUNDANCY_COLUMNS, stage="initial")
    joined = trained.merge(accuracy[[*_KEY, "activation", "test_accuracy"]], on=_KEY, validate="one_to_one")
    if joined.empty:
        raise TableError("redundancy", "no trained run is in table 'runs' (columns architecture, filters, seed)")
    joined = joined.dropna(subset=["mean_nearest_cosine"])
    if joined.empty:
        raise TableError(
            "redundancy",
            "column 'mean_nearest_cosine' is empty for every trained run: a nearest filter takes two",
        )
    joined["percent"] = 100 * joined["test_accuracy"]
    joined["standard_excess"] = joined["excess"] / joined["null_sd"].where(joined["null_sd"] > 0)
    names = [name for name in in_order(accuracy["architecture"]) if name in set(joined["architecture"])]
    with style():
        figure = _draw_panels(joined, initial, names)
    return figure, _caption(joined, names)


def _draw_panels(joined: pd.DataFrame, initial: pd.DataFrame, names: list[str]) -> Figure:
    looks = series_styles(names)
    figure, pairs = _layout(len(names))
    left_panels = [left for left, _ in pairs]
    right_panels = [right for _, right in pairs]
    for panels in (left_panels, right_panels):  # compare architectures along a row
        for other in panels[1:]:
            other.sharey(panels[0])
    for name, axes in zip(names, left_panels, strict=True):
        rows = joined[joined["architecture"] == name]
        _draw_redundancy(axes, rows, initial[initial["architecture"] == name], looks[name])
    for name, axes in zip(names, right_panels, strict=True):
        _draw_excess(axes, joined[joined["architecture"] == name], looks[name])
    left_panels[0].set_ylim(_lowest_shown(joined, initial), 1.02)
    for index, (left, right) in enumerate(pairs):
        if index % _columns(len(names)) == 0:
            left.set_ylabel("Redundancy (mean\nnearest cosine)")
            right.set_ylabel("Excess over chance\n(in sd of the null)")
        else:
            left.tick_params(labelleft=False)
            right.tick_params(labelleft=False)
    for first in range(0, len(names), _columns(len(names))):  # letters in reading order
        block = slice(first, first + _columns(len(names)))
        panels = [*left_panels[block], *right_panels[block]]
        for index, (axes, name) in enumerate(zip(panels, [*names[block], *names[block]], strict=True)):
            label_panel(axes, 2 * first + index, display_name(name))
    legend_above(figure, _legend(), columns=4)
    figure.draw_without_rendering()  # the layout settles, and with it where the numbers have room
    for name, axes in zip(names, right_panels, strict=True):
        _number_points(axes, joined[joined["architecture"] == name])
    return figure


def _columns(architectures: int) -> int:
    """How many stand abreast: at most three, and evenly, of four two and two."""
    return math.ceil(architectures / math.ceil(architectures / _MOST_ABREAST))


def _layout(architectures: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """For each architecture a pair of panels: one above the other, or side by side if it is the only one."""
    if architectures == 1:
        figure = new_figure(DOUBLE_COLUMN_IN, 2.7)
        axes = figure.subplots(1, 2)
        return figure, [(axes[0], axes[1])]
    columns = _columns(architectures)
    blocks = math.ceil(architectures / columns)
    figure = new_figure(DOUBLE_COLUMN_IN, 0.3 + 3.9 * blocks)
    grid = figure.add_gridspec(2 * blocks, columns)
    return figure, [
        (
            figure.add_subplot(grid[2 * (index // columns), index % columns]),
            figure.add_subplot(grid[2 * (index // columns) + 1, index % columns]),
        )
        for index in range(architectures)
    ]


def _lowest_shown(joined: pd.DataFrame, initial: pd.DataFrame) -> float:
    """Where the redundancy axes begin: at 0, or below the means (the null's band may leave at 2 filters)."""
    trained, before = (summarise(rows, "mean_nearest_cosine") for rows in (joined, initial))
    lows = [
        *trained["mean"],
        *trained["low"],
        *before["mean"],
        *before["low"],
        *joined["null_mean_nearest_cosine"],
    ]
    return min(0.0, float(np.nanmin(lows)) - 0.05)


def _draw_redundancy(axes: Axes, rows: pd.DataFrame, initial: pd.DataFrame, look: Series) -> None:
    trained_summary = summarise(rows, "mean_nearest_cosine")
    initial_summary = summarise(initial, "mean_nearest_cosine")
    null = rows.groupby("filters")[["null_mean_nearest_cosine", "null_sd", "isotropic_mean_nearest_cosine"]].mean()
    middle, half = null["null_mean_nearest_cosine"], _NULL_SDS * null["null_sd"]
    filters_axis(axes, rows["filters"])
    edges = np.array([2**-0.2, 1.0, 2**0.2])  # a lone filter count has a band too
    at = np.concatenate([edges[:1] * null.index[0], null.index, edges[2:] * null.index[-1]])
    low, high = (np.pad(bound, 1, mode="edge") for bound in (middle - half, (middle + half).clip(upper=1)))
    axes.fill_between(at, low, high, color=NULL_BAND_COLOR, linewidth=0, zorder=1)
    axes.plot(at, np.pad(middle, 1, mode="edge"), color=NULL_COLOR, linewidth=1.0, zorder=1.5)
    axes.plot(
        null.index,
        null["isotropic_mean_nearest_cosine"],
        color=REFERENCE_COLOR,
        linestyle=(0.0, (1.0, 1.2)),
        zorder=1.6,
    )
    for summary, face, line, shift in (
        (initial_summary, "white", (0.0, (3.0, 1.5)), 2**-0.07),
        (trained_summary, look.color, "solid", 2**0.07),
    ):
        axes.errorbar(
            summary["filters"] * shift,
            summary["mean"],
            yerr=whiskers(summary),
            color=look.color,
            marker=look.marker,
            markerfacecolor=face,
            linestyle=line,
            linewidth=0.9,
            capsize=1.6,
            zorder=3,
        )


def _draw_excess(axes: Axes, rows: pd.DataFrame, look: Series) -> None:
    accuracy, excess = _point_summaries(rows)
    axes.axhspan(-_NULL_SDS, _NULL_SDS, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    draw_runs(axes, rows["percent"], rows["standard_excess"], look, alpha=0.6)
    axes.errorbar(
        accuracy["mean"],
        excess["mean"],
        xerr=whiskers(accuracy),
        yerr=whiskers(excess),
        color=look.color,
        linewidth=0.5,
        elinewidth=0.8,
        zorder=3,
    )
    axes.plot(
        accuracy["mean"],
        excess["mean"],
        look.marker,
        color=look.color,
        markersize=5.0,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=4,
    )
    axes.margins(0.12, 0.15)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("Test accuracy (%)")


def _point_summaries(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means of accuracy and of excess over the same runs, one row for each filter count."""
    present = rows.dropna(subset=["standard_excess"])
    return summarise(present, "percent"), summarise(present, "standard_excess")


def _number_points(axes: Axes, rows: pd.DataFrame) -> None:
    """Write the filter count beside each mean, clear of error bars and of the line that joins the means."""
    accuracy, excess = _point_summaries(rows)
    if accuracy.empty:  # a null without spread has no unit to measure an excess in
        return
    points = np.column_stack([accuracy["mean"], excess["mean"]])
    bars = [
        np.column_stack(ends)
        for end in ("low", "high")
        for ends in ((accuracy[end], excess["mean"]), (accuracy["mean"], excess[end]))
    ]
    labels = [Label(x, y, str(filters)) for (x, y), filters in zip(points, accuracy["filters"], strict=True)]
    starts, ends = np.concatenate([*[points] * len(bars), points[:-1]]), np.concatenate([*bars, points[1:]])
    label_points(axes, labels, starts, ends)


def _legend() -> dict[str, Artist]:
    ink = REFERENCE_COLOR
    return {
        "trained": Line2D([], [], color=ink, marker="o"),
        "initial": Line2D([], [], color=ink, marker="o", markerfacecolor="white", linestyle=(0.0, (3.0, 1.5))),
        f"chance: re-drawn initial (± {_NULL_SDS} sd)": Patch(color=NULL_BAND_COLOR, linewidth=0),
        "chance: isotropic": Line2D([], [], color=REFERENCE_COLOR, linestyle=(0.0, (1.0, 1.2))),
    }


def within_count_correlation(rows: pd.DataFrame, x: str, y: str) -> tuple[float, float, float] | None:
    """Rank correlation over seeds at equal filter counts: does the more redundant network do better?

    Ranks are taken within each filter count and centred, so what filters do to both measures is out of it.

    Args:
        rows: the runs of one architecture, with columns filters, seed, `x` and `y`.
        x: one measure.
        y: the other.

    Returns:
        The correlation and its 95 % interval (whole seeds resampled), or None with too few seeds that have
        every filter count, or no variation.
    """
    wide = [rows.pivot_table(index="seed", columns="filters", values=c).dropna(axis=1, how="all") for c in (x, y)]
    seeds = wide[0].dropna().index.intersection(wide[1].dropna().index)
    if len(seeds) < _FEWEST_SEEDS:
        return None
    first, second = (w.loc[seeds].to_numpy() for w in wide)  # (seed, filter count)
    draws = np.random.default_rng(0).integers(len(seeds), size=(RESAMPLES, len(seeds)))
    estimate = _pooled_rank_correlation(first[None], second[None])[0]
    resampled = _pooled_rank_correlation(first[draws], second[draws])
    if not np.isfinite(estimate):
        return None
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return float(estimate), float(low), float(high)


def _pooled_rank_correlation(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Correlation of ranks within each filter count, pooled over counts  # (draw, seed, count) -> (draw,)."""
    centre = (x.shape[1] + 1) / 2
    a, b = rankdata(x, axis=1) - centre, rankdata(y, axis=1) - centre
    products, squares = (a * b).sum((1, 2)), (a**2).sum((1, 2)) * (b**2).sum((1, 2))
    correlation: npt.NDArray[np.float64] = np.divide(
        products, np.sqrt(squares), out=np.full(len(x), np.nan), where=squares > 0
    )
    return correlation


def _caption(joined: pd.DataFrame, names: list[str]) -> str:
    described, findings, correlations = [], [], []
    for name in names:
        rows = joined[joined["architecture"] == name]
        first = rows.iloc[0]
        cosine = {
            "nonzero_scale": "absolute cosine of the kernels",
            "positive_scale": "signed cosine of the kernels with their biases",
            "sign": "absolute cosine of the kernels with their biases",
        }[str(first["equivalence"])]
        described.append(f"{display_name(name)} ({first['activation']}; {cosine})")
        last = summarise(rows, "excess").iloc[-1]
        at_last = rows[rows["filters"] == last["filters"]]
        trained, null = at_last["mean_nearest_cosine"].mean(), at_last["null_mean_nearest_cosine"].mean()
        interval = f" ({signed(last['low'], 3)} to {signed(last['high'], 3)})" if last["seeds"] > 1 else ""
        findings.append(
            f"{display_name(name)} with {last['filters']:,} filters, {trained:.3f} against {null:.3f} "
            f"by chance, excess {signed(last['mean'], 3)}{interval}"
        )
        correlation = within_count_correlation(rows, "mean_nearest_cosine", "test_accuracy")
        if correlation is not None:
            estimate, low, high = (signed(value, 2) for value in correlation)
            correlations.append(f"{display_name(name)} {estimate} ({low} to {high})")
    above, below = ("Upper", "Lower") if len(names) > 1 else ("Left", "Right")
    return paragraph(
        f"""Redundancy of convolutional filters, its null, and test accuracy on {dataset_name(joined)}:
        {join_words(described)}. Redundancy is the mean over filters of the cosine to the nearest other
        filter; a single filter has none.""",
        f"""{above} panels: trained networks (filled) and their own initial kernels (open) against the
        number of filters. Grey band and line: the null, kernels re-drawn from the same initialiser, mean ±
        {_NULL_SDS} standard deviations of one network's redundancy; dotted: isotropic random directions.""",
        f"""{below} panels: excess of trained redundancy over the null's mean against test accuracy, one
        marker for each filter count (the number), joined in rising order; faint points are single runs. The
        number of filters drives both axes; whether redundancy goes with accuracy at one number of filters is
        for the correlations below. The unit is the null's standard deviation at that count, so about 95 % of
        untrained networks are in the grey band (± {_NULL_SDS}).""",
        interval_text(joined),
        f"Largest counts: {'; '.join(findings)}.",
        f"""Rank correlation over seeds between redundancy and test accuracy at equal filter counts (95 %
        bootstrap interval): {"; ".join(correlations)}."""
        if correlations
        else "",
    )
