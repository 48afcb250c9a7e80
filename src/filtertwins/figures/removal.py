"""What removing one filter costs, against how near its nearest other one is: does the cosine tell what to remove?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
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
    draw_runs,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
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
    select,
    signed,
    summarise,
    whiskers,
)
from filtertwins.measures.statistics import rank_correlation

_KEY = ["architecture", "filters", "seed"]
_COLUMNS = (
    "dataset",
    *_KEY,
    "activation",
    "filter",
    "nearest_cosine",
    "never_active",
    "loss_increase",
    "images",
)
_SCATTERS_ABREAST = 2
_BINS = 6
"""Groups of as many filters each, whose mean cost is drawn."""

_FEWEST_FILTERS = 4
"""Fewer have next to no ranks: filters that are each other's nearest are equally near."""

_DODGE = 0.2
_CLOSEST = 1e-6
"""Distances 1 - cosine below this are drawn here: the axis is logarithmic and twins are at 0."""

_COSINE_TICKS = (0.9, 0.99, 0.5, 0.0, 0.999, 0.8, 0.95, 0.7, 0.9999, 0.6, 0.98, 0.4, 0.2, 0.99999, -0.5, -0.9, 0.995)
"""Places for ticks, the roundest first; those too near to one before them, or to an end, are left out."""


def draw(removal: pd.DataFrame, *, threshold: float = 0.95, filters: float | None = None) -> tuple[Figure, str]:
    """Draw the loss increase when one filter is removed against its nearest cosine, and their rank correlation.

    Args:
        removal: one row per run and filter.
        threshold: the cosine from which two filters count as near duplicates (tau), drawn as a line
        filters: the number of filters of the networks whose filters are shown (default: each architecture's largest)

    Returns:
        The figure (a panel for each architecture and one of the correlations), and its caption as a paragraph of
        reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no run has the two filters it takes.
    """
    rows = select(removal, "removal", _COLUMNS)
    looks = series_styles(in_order(rows["architecture"]))
    rows = rows.dropna(subset=["nearest_cosine", "loss_increase"])
    if rows.empty:
        raise TableError("removal", "column 'nearest_cosine' is empty everywhere: a nearest filter takes two")
    shown = _shown(rows, filters)
    single = rank_correlations(rows)
    correlations = summarise(single, "correlation")
    with style():
        figure = _draw_panels(rows, shown, single, correlations, looks, threshold)
    return figure, _caption(rows, shown, correlations, threshold)


def _shown(rows: pd.DataFrame, filters: float | None) -> pd.DataFrame:
    """The filters of the networks that have panels: of one number of filters for each architecture."""
    if filters is None:
        return rows[rows["filters"] == rows.groupby("architecture")["filters"].transform("max")]
    chosen = rows[rows["filters"] == filters]
    if chosen.empty:
        have = ", ".join(map(str, sorted(rows["filters"].unique())))
        raise TableError("removal", f"no rows with filters = {filters:g}; it has: {have}")
    return chosen


def rank_correlations(removal: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation between nearest cosine and loss increase over the filters of each network.

    Filters of a network depend on each other, so that this is one number for each seed, and intervals are over seeds.

    Those that are never active are left out: they are useless for another reason.

    Args:
        removal: one row per run and filter.

    Returns:
        Columns architecture, filters, seed, correlation; missing with fewer than 4 filters or without variation.
    """
    records = []
    for (name, filters, seed), group in removal[removal["never_active"].eq(False)].groupby(_KEY, sort=False):
        correlation = rank_correlation(group["nearest_cosine"], group["loss_increase"], fewest=_FEWEST_FILTERS)
        records.append((name, filters, seed, correlation))
    return pd.DataFrame(records, columns=[*_KEY, "correlation"]).astype({"correlation": float})


def _draw_panels(
    rows: pd.DataFrame,
    shown: pd.DataFrame,
    single: pd.DataFrame,
    correlations: pd.DataFrame,
    looks: dict[str, Series],
    threshold: float,
) -> Figure:
    names = in_order(shown["architecture"])
    abreast = min(_SCATTERS_ABREAST, len(names))
    lines = math.ceil(len(names) / abreast)
    handles = _legend(shown, looks, names, threshold)
    figure = new_figure(DOUBLE_COLUMN_IN, 0.15 * math.ceil(len(handles) / 4) + max(2.3, 1.8 * lines))
    grid = figure.add_gridspec(lines, abreast + 1)
    panels: list[Axes] = []
    for index, name in enumerate(names):
        axes = figure.add_subplot(grid[index // abreast, index % abreast], sharey=panels[0] if panels else None)
        panels.append(axes)
        own = shown[shown["architecture"] == name]
        _draw_filters(axes, own, looks[name], threshold)
        label_panel(axes, index, f"{display_name(name)}, k = {own['filters'].iloc[0]}")
        if index % abreast:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("Loss increase\non removal (nats)")
        if index + abreast >= len(names):
            axes.set_xlabel("Cosine to the nearest filter")
    _cost_axis(panels[0], shown["loss_increase"].to_numpy(dtype=np.float64))
    last = figure.add_subplot(grid[:, -1])
    _draw_correlations(last, rows, single, correlations, looks)
    label_panel(last, len(names), "cosine with loss increase")
    legend_above(figure, handles, columns=4)
    return figure


def _draw_filters(axes: Axes, rows: pd.DataFrame, look: Series, threshold: float) -> None:
    """One dot per filter, and means over groups of neighbouring cosines with intervals over seeds."""
    distance = _distance(rows["nearest_cosine"])
    silent = rows["never_active"].eq(True)
    faint = max(0.12, min(0.5, 80 / len(rows)))
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    for chosen, marker, size, alpha in ((~silent, look.marker, 2.2, faint), (silent, "x", 3.0, 0.7)):
        axes.plot(
            distance[chosen],
            rows.loc[chosen, "loss_increase"],
            marker,
            color=look.color,
            markersize=size,
            markeredgewidth=0.6 if marker == "x" else 0,
            alpha=alpha,
            zorder=2,
        )
    means, places = _binned(rows[~silent])
    axes.errorbar(
        places,
        means["mean"],
        yerr=whiskers(means),
        color="black",
        marker=look.marker,
        markersize=3.6,
        linewidth=0.9,
        elinewidth=0.9,
        capsize=1.8,
        zorder=4,
    )
    axes.axvline(1 - threshold, color=REFERENCE_COLOR, linewidth=0.7, linestyle=(0.0, (1.0, 1.5)), zorder=1.5)
    _cosine_axis(axes, distance)


def _distance(cosines: pd.Series[float]) -> pd.Series[float]:
    return (1 - cosines).clip(_CLOSEST, 2)


def _binned(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Mean loss increase over seeds in groups of filters from far to near, and the median distance in each group."""
    order = rows["nearest_cosine"].rank(method="average", pct=True)  # filters that tie stay together
    groups = np.ceil(order * min(_BINS, max(1, len(rows) // 2))).astype(int)
    binned = rows.assign(filters=groups)
    each = binned.groupby(_KEY)["loss_increase"].mean().reset_index()
    return summarise(each, "loss_increase"), _distance(binned.groupby("filters")["nearest_cosine"].median())


def _cosine_axis(axes: Axes, distances: pd.Series[float]) -> None:
    """An x axis of cosines, logarithmic in 1 - cosine, so that 0.9, 0.99 and 0.999 are evenly spaced."""
    farthest, nearest = min(2.0, float(distances.max()) * 1.3), float(distances.min()) / 1.3
    axes.set_xscale("log")
    axes.set_xlim(farthest, nearest)  # the nearest to the right
    ticks: list[float] = []
    across = math.log(farthest / nearest)
    for tick in _COSINE_TICKS:
        place = math.log(farthest / (1 - tick)) / across
        apart = (abs(math.log((1 - other) / (1 - tick))) / across - _room(tick, other) for other in ticks)
        if 0 <= place <= 0.94 and all(distance > 0 for distance in apart):
            ticks.append(tick)
    axes.xaxis.set_major_locator(FixedLocator([1 - tick for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([1 - tick for tick in ticks], [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])


def _room(tick: float, other: float) -> float:
    """What the labels of neighbouring ticks need between their centres, as a part of a panel's width."""
    return 0.03 + 0.04 * (len(f"{tick:g}") + len(f"{other:g}")) / 2


def _cost_axis(axes: Axes, costs: npt.NDArray[np.float64]) -> None:
    """A y axis of costs of all sizes, some of them negative: linear near zero, logarithmic beyond."""
    sizes = np.abs(costs[costs != 0])
    if not len(sizes):  # removing any filter changes nothing
        return
    start = math.floor(math.log10(np.quantile(sizes, 0.1)))
    linear = 10.0**start
    low, high = (limit * 1.6 if abs(limit) > linear else limit for limit in (costs.min(), costs.max()))
    low, high = min(low, -linear / 2), max(high, linear)
    axes.set_yscale("symlog", linthresh=linear, linscale=0.6)
    axes.set_ylim(low, high)
    stop = math.ceil(math.log10(sizes.max()))
    step = math.ceil((stop - start + 1) / 5)
    powers = [10.0**power for power in range(start + step, stop + 1, step)] or [linear]  # the first is too near to 0
    ticks = [tick for tick in (*(-power for power in powers), 0.0, *powers) if low <= tick <= high]
    axes.set_yticks(ticks)
    axes.set_yticks([], minor=True)


def _draw_correlations(
    axes: Axes, rows: pd.DataFrame, single: pd.DataFrame, correlations: pd.DataFrame, looks: dict[str, Series]
) -> None:
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    filters_axis(axes, rows["filters"] if correlations.empty else correlations["filters"])
    names = in_order(rows["architecture"])
    dodge = min(_DODGE, 0.75 / len(names))
    for index, name in enumerate(names):
        look, shift = looks[name], 2 ** (dodge * (index - (len(names) - 1) / 2))
        own, means = (table[table["architecture"] == name] for table in (single, correlations))
        draw_runs(axes, own["filters"] * shift, own["correlation"], look, alpha=0.35)
        axes.errorbar(
            means["filters"] * shift,
            means["mean"],
            yerr=whiskers(means),
            color=look.color,
            marker=look.marker,
            linestyle=look.linestyle,
            markersize=3.2,
            linewidth=0.9,
            capsize=1.6,
            zorder=3,
        )
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1])
    axes.set_ylabel("Rank correlation")


def _legend(shown: pd.DataFrame, looks: dict[str, Series], names: list[str], threshold: float) -> dict[str, Artist]:
    ink = REFERENCE_COLOR
    handles: dict[str, Artist] = {
        "one filter": Line2D([], [], color=ink, marker="o", markersize=2.0, alpha=0.5, linestyle="none"),
        "means of groups": Line2D([], [], color="black", marker="o", markersize=3.6, linewidth=0.9),
    }
    if shown["never_active"].eq(True).any():
        handles["never active"] = Line2D([], [], color=ink, marker="x", markersize=3.0, linestyle="none")
    handles[f"τ = {threshold:g}"] = Line2D([], [], color=ink, linewidth=0.7, linestyle=(0.0, (1.0, 1.5)))
    for name in names:
        look = looks[name]
        handles[display_name(name)] = Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
    return handles


def _caption(rows: pd.DataFrame, shown: pd.DataFrame, correlations: pd.DataFrame, threshold: float) -> str:
    names = in_order(shown["architecture"])
    described, related, costs = [], [], []
    for name in names:
        own = shown[shown["architecture"] == name]
        count = own["filters"].iloc[0]
        described.append(f"{display_name(name)} ({own['activation'].iloc[0]}, {count:,} filters)")
        found = correlations[(correlations["architecture"] == name) & (correlations["filters"] == count)]
        related += [f"{display_name(name)}, {_estimate(row)}" for _, row in found.iterrows()]
        own = own[own["never_active"].eq(False)]
        near = own["nearest_cosine"] >= threshold
        medians = [
            f"{own.loc[chosen, 'loss_increase'].median():.2g} for {chosen.sum():,} {words}"
            for chosen, words in ((near, "near duplicates"), (~near, "others"))
            if chosen.any()
        ]
        if medians:
            costs.append(f"{display_name(name)}, {join_words(medians)}")
    silent = int(shown["never_active"].eq(True).sum())
    images = join_words([f"{value:,}" for value in sorted(rows["images"].unique())], "or")
    return paragraph(
        f"""By how much a trained network's loss rises when one filter is removed, against that filter's cosine to its
        nearest other filter, on {dataset_name(rows)} ({images} validation images, mean cross-entropy in nats):
        {join_words(described)}; k is the number of filters.""",
        f"""Panels of one architecture: a faint dot for each filter of all networks of this number of filters; black,
        means over seeds in up to {_BINS} groups with as many filters each, from far to near. The cosine's axis is
        logarithmic in one minus the cosine; the loss's is linear near zero and logarithmic beyond;
        below zero the network is better without the filter. Dotted line, where it is in view: the
        near-duplicate threshold, τ = {threshold:g}.""",
        f"""Crosses: the {silent:,} filters that are never active. They are useless for another reason, and no part of
        means, correlations and medians."""
        if silent
        else "",
        f"""Last panel: Spearman's rank correlation of the two over the filters of one network (faint) and its mean over
        networks, against the number of filters, from {_FEWEST_FILTERS} filters on; below zero, the filters with a
        nearer neighbour are the cheaper ones.""",
        interval_text(rows),
        f"Mean rank correlation (95 % interval): {'; '.join(related)}." if related else "",
        f"Median loss increase in nats: {'; '.join(costs)}." if costs else "",
    )


def _estimate(row: pd.Series[float]) -> str:
    mean, low, high = (signed(row[part], 2) for part in ("mean", "low", "high"))
    return mean if np.isnan(row["low"]) else f"{mean} ({low} to {high})"
