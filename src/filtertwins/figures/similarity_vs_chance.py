"""How similar each filter is to its nearest other one, against what random directions give."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_COLOR,
    REFERENCE_COLOR,
    Series,
    display_name,
    label_panel,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    RESAMPLES,
    TableError,
    bootstrap_curves,
    dataset_name,
    in_order,
    join_words,
    paragraph,
    seed_counts,
    seeds_text,
    select,
)
from filtertwins.measures.nulls import isotropic_nearest_cdf

_CLUSTER_COLUMNS = ("dataset", "architecture", "filters", "seed", "stage", "nearest_cosine")
_REDUNDANCY_COLUMNS = ("dataset", "architecture", "filters", "seed", "stage", "equivalence", "dimension")
_MOST_COUNTS = 3
_CLOSEST = 1e-6
"""Distances 1 - cosine below this are drawn here: the axis is logarithmic and twins are at 0."""

_TICKS = (-0.9, 0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def draw(clusters: pd.DataFrame, redundancy: pd.DataFrame, *, threshold: float = 0.95) -> tuple[Figure, str]:
    """Draw the distribution of nearest cosines, trained and initial, against isotropic chance.

    Args:
        clusters: one row per run, stage and filter.
        redundancy: one row per run and stage; it says which cosine, in how many dimensions.
        threshold: the cosine from which two filters count as near duplicates (tau), drawn as a line

    Returns:
        The figure (a row for each architecture, a panel for each of up to three filter counts), and its
        caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no run has the two filters it takes.
    """
    filters = select(clusters, "clusters", _CLUSTER_COLUMNS).dropna(subset=["nearest_cosine"])
    kinds = select(redundancy, "redundancy", _REDUNDANCY_COLUMNS)
    if filters.empty:
        raise TableError("clusters", "column 'nearest_cosine' is empty everywhere: a nearest filter takes two")
    names = in_order(filters["architecture"])
    counts = {name: _chosen_counts(filters, name) for name in names}
    with style():
        columns = max(len(chosen) for chosen in counts.values())
        figure = new_figure(DOUBLE_COLUMN_IN, 0.55 + 1.5 * len(names))
        panel = itertools.count()
        grid = figure.subplots(len(names), columns, sharey=True, sharex="row", squeeze=False)
        for row, (name, look) in enumerate(series_styles(names).items()):
            own = filters[(filters["architecture"] == name) & filters["filters"].isin(counts[name])]
            equivalence, dimension = _kind(kinds, name)
            limits = _limits(own["nearest_cosine"].to_numpy())
            for axes, count in zip(grid[row], counts[name], strict=False):
                _cosine_axis(axes, limits)
                _draw_panel(axes, own[own["filters"] == count], look, count, dimension, equivalence, threshold)
                label_panel(axes, next(panel), f"{display_name(name)}, {count} filters")
            for axes in grid[row][len(counts[name]) :]:
                axes.set_visible(False)
            grid[row][0].set_ylabel("Share of filters")
        for axes in grid[-1]:
            axes.set_xlabel("Cosine to the nearest filter")
        legend_above(figure, _legend(threshold), columns=4)
    return figure, _caption(filters, kinds, names, counts, threshold)


def _chosen_counts(filters: pd.DataFrame, name: str) -> list[int]:
    """Up to three filter counts, spread over those that all architectures share (or its own, if none is)."""
    own = {int(count) for count in filters.loc[filters["architecture"] == name, "filters"]}
    shared = set.intersection(*(set(group["filters"]) for _, group in filters.groupby("architecture")))
    candidates = sorted(int(count) for count in (shared or own))
    if len(candidates) > _MOST_COUNTS:
        candidates = candidates[1:]  # the fewest filters say least
    places = np.linspace(0, len(candidates) - 1, min(_MOST_COUNTS, len(candidates))).round().astype(int)
    return [candidates[place] for place in places]


def _kind(kinds: pd.DataFrame, name: str) -> tuple[str, int]:
    """Equivalence and kernel dimension of an architecture."""
    rows = kinds[kinds["architecture"] == name]
    if rows.empty:
        raise TableError("redundancy", f"no rows with architecture = {name!r}, which table 'clusters' has")
    return str(rows["equivalence"].iloc[0]), int(rows["dimension"].iloc[0])


def _limits(cosines: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Axis limits as cosines: nearly all filters, and 1 when there are twins."""
    distance = (1 - cosines).clip(_CLOSEST, 2)
    farthest, nearest = np.quantile(distance, [0.995, 0.005])
    return 1 - min(2.0, farthest * 1.3), 1 - max(_CLOSEST / 2, nearest / 1.3)


def _cosine_axis(axes: Axes, limits: tuple[float, float]) -> None:
    """An x axis of cosines, logarithmic in 1 - cosine, so that 0.9, 0.99 and 0.999 are evenly spaced."""
    axes.set_xscale(
        "function",
        functions=(
            lambda c: -np.log10(np.maximum(1 - np.asarray(c), _CLOSEST / 10)),
            lambda t: 1 - 10.0 ** -np.asarray(t),
        ),
    )
    axes.set_xlim(*limits)
    ticks = [tick for tick in _TICKS if limits[0] <= tick <= limits[1]]
    if len(ticks) < 3:
        ticks = _finer_ticks(limits)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])


def _finer_ticks(limits: tuple[float, float]) -> list[float]:
    candidates = (-0.5, 0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
    return [tick for tick in candidates if limits[0] <= tick <= limits[1]]


def _draw_panel(
    axes: Axes,
    rows: pd.DataFrame,
    look: Series,
    count: int,
    dimension: int,
    equivalence: str,
    threshold: float,
) -> None:
    low, high = axes.get_xlim()
    grid = 1 - np.geomspace(1 - low, 1 - high, 240)  # cosines, evenly spaced on the axis
    chance = isotropic_nearest_cdf(grid, count, dimension, equivalence)  # type: ignore[arg-type]
    axes.plot(grid, chance, color=NULL_COLOR, linewidth=2.2, zorder=1)
    if low < threshold < high:
        axes.axvline(threshold, color=REFERENCE_COLOR, linewidth=0.7, linestyle=(0.0, (1.0, 1.5)), zorder=0.5)
    for stage, color, line, width in (
        ("initial", REFERENCE_COLOR, (0.0, (3.0, 1.5)), 0.9),
        ("trained", look.color, "solid", 1.3),
    ):
        own = rows[rows["stage"] == stage]
        if own.empty:
            continue
        bounds = bootstrap_curves(_shares(own, grid))
        axes.fill_between(grid, *bounds, color=color, alpha=0.18, linewidth=0, zorder=2)
        drawn = own["nearest_cosine"].clip(upper=1 - _CLOSEST).to_numpy()
        weights = (1 / own.groupby("seed")["nearest_cosine"].transform("size")).to_numpy()  # each seed counts once
        sns.ecdfplot(
            x=drawn,
            weights=weights,
            ax=axes,
            color=color,
            linestyle=line,
            linewidth=width,
            zorder=3,
            legend=False,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel("")
    axes.set_ylabel("")


def _shares(rows: pd.DataFrame, grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """For each seed the share of filters whose nearest cosine is at most each grid value  # (seed, grid)."""
    return np.stack(
        [
            np.searchsorted(np.sort(group["nearest_cosine"]), grid, side="right") / len(group)
            for _, group in rows.groupby("seed")
        ]
    )


def _legend(threshold: float) -> dict[str, Artist]:
    return {
        "trained": Line2D([], [], color="black", linewidth=1.3),
        "initial": Line2D([], [], color=REFERENCE_COLOR, linewidth=0.9, linestyle=(0.0, (3.0, 1.5))),
        "chance: isotropic": Line2D([], [], color=NULL_COLOR, linewidth=2.2),
        f"τ = {threshold:g}": Line2D([], [], color=REFERENCE_COLOR, linewidth=0.7, linestyle=(0.0, (1.0, 1.5))),
    }


def _caption(
    filters: pd.DataFrame,
    kinds: pd.DataFrame,
    names: list[str],
    counts: dict[str, list[int]],
    threshold: float,
) -> str:
    described, findings = [], []
    for name in names:
        equivalence, dimension = _kind(kinds, name)
        cosine = {
            "nonzero_scale": "absolute cosine of kernels",
            "positive_scale": "signed cosine, biases included",
            "sign": "absolute cosine, biases included",
        }[equivalence]
        described.append(f"{display_name(name)} ({cosine}; null in {dimension} dimensions)")
        count = counts[name][-1]
        rows = filters[(filters["architecture"] == name) & (filters["filters"] == count)]
        rare = _rare_cosine(count, dimension, equivalence)
        shares = [
            f"{100 * (rows.loc[rows['stage'] == stage, 'nearest_cosine'] >= rare).mean():.0f} % {word}"
            for stage, word in (("trained", "after training"), ("initial", "before"))
            if (rows["stage"] == stage).any()
        ]
        findings.append(f"{display_name(name)}, {count} filters, cosine {rare:.3f}: {join_words(shares)}")
    chosen = filters[[c in counts[str(n)] for n, c in zip(filters["architecture"], filters["filters"], strict=True)]]
    band = (
        f"Shading: pointwise 95 % bootstrap intervals ({RESAMPLES:,} resamples) over {seeds_text(chosen)}."
        if seed_counts(chosen).max() > 1
        else "With one seed there are no intervals."
    )
    return paragraph(
        f"""Cumulative distribution of each filter's cosine to its nearest other filter on
        {dataset_name(filters)}: {join_words(described)}. The axis is logarithmic in one minus the cosine.""",
        f"""Solid: trained, the mean over seeds; dashed: the same networks' initial kernels; thick grey: the
        null, isotropic random kernels, in closed form (biases start at zero and are no part of it). A curve
        to the right of the grey one means filters more alike than chance. {band}""",
        f"""Dotted line, where it is in view: the near-duplicate threshold, τ = {threshold:g}.""",
        f"""Filters with a neighbour as near as chance gives to one filter in ten: {"; ".join(findings)}.""",
    )


def _rare_cosine(filters: int, dimension: int, equivalence: str) -> float:
    """The nearest cosine that isotropic chance gives to one filter in ten."""
    grid = np.linspace(-1, 1, 20_001)
    cdf = isotropic_nearest_cdf(grid, filters, dimension, equivalence)  # type: ignore[arg-type]
    return float(grid[np.searchsorted(cdf, 0.9)])
