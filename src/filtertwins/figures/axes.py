"""Means with their intervals, and the axes of the study: filter counts, and accuracy at any accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import MaxNLocator, NullLocator

from filtertwins.figures.style import Look

# Of three rows for each mean, the median is the mean and the range the interval: see `with_ends`.
_MEAN_AND_INTERVAL: dict[str, Any] = {"estimator": "median", "errorbar": ("pi", 100), "legend": False}


def measured(means: pd.DataFrame, measure: str, *, percent: bool = False) -> pd.DataFrame:
    """The rows of a table of means that are about one measure and have a value; shares are in percent if asked for."""
    rows = means[(means["measure"] == measure) & means["mean"].notna()].copy()
    if percent:
        shares = rows.columns.intersection(["mean", "low", "high", "null", "null_low", "null_high"])
        rows[shares] *= 100
    return rows


def with_ends(means: pd.DataFrame, value: str = "mean") -> pd.DataFrame:
    """Three rows for each mean: its own, and those of its interval's ends (columns ``low`` and ``high``).

    Seaborn then draws mean and interval with ``estimator="median"`` and ``errorbar=("pi", 100)``. A mean without an
    interval gives one row.
    """
    low = means.assign(**{value: means[["low", value]].min(axis=1).where(means["low"].notna())})
    high = means.assign(**{value: means[["high", value]].max(axis=1).where(means["high"].notna())})
    return pd.concat([low, means, high], ignore_index=True).dropna(subset=[value])


def draw_means(
    axes: Axes,
    means: pd.DataFrame,
    look: Look,
    *,
    x: str = "filters",
    hue: str = "architecture",
    dodge: float = 0.0,
    **options: Any,
) -> None:
    """Draw means with their intervals as lines, a series for each architecture.

    Args:
        axes: where to draw.
        means: a table of means of one measure, with columns ``mean``, ``low`` and ``high``.
        look: the study's names and colours.
        x: the column along x.
        hue: the column of series, by default the architecture.
        dodge: how far neighbouring series stand apart along a logarithmic x, in doublings.
        options: passed to ``seaborn.lineplot``; ``palette`` and ``markers`` there replace those of the look.
    """
    names = look.order(means[hue])
    rows = with_ends(means)
    shift = {name: dodge * (i - (len(names) - 1) / 2) for i, name in enumerate(names)}
    if dodge:
        rows[x] = rows[x] * 2 ** rows[hue].map(shift).astype(float)
    settings: dict[str, Any] = {"palette": look.palette(names), "markers": look.markers(names)}
    settings |= {"err_kws": {"elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8}}
    draw_lines(axes, rows, x=x, hue=hue, order=names, **(settings | options))


def draw_lines(axes: Axes, ends: pd.DataFrame, *, hue: str, order: list[str] | None = None, **options: Any) -> None:
    """Draw lines through means, with their intervals as bars; a colour and a marker for each series.

    Args:
        axes: where to draw.
        ends: rows of :func:`with_ends`.
        hue: the column of series.
        order: the series in order, by default as they appear.
        options: passed to ``seaborn.lineplot``, such as ``x``, ``palette`` and ``markers``.
    """
    settings: dict[str, Any] = {
        "y": "mean",
        "dashes": False,
        "markeredgewidth": 0,
        "err_style": "bars",
        "err_kws": {"elinewidth": 0.8},
    }
    series = {"hue": hue, "hue_order": order, "style": hue, "style_order": order}
    sns.lineplot(ends, ax=axes, **(_MEAN_AND_INTERVAL | settings | series | options))


def draw_points(axes: Axes, ends: pd.DataFrame, **options: Any) -> None:
    """Draw means as points, with their intervals as bars.

    Args:
        axes: where to draw.
        ends: rows of :func:`with_ends`, or values whose median and range are to be shown.
        options: passed to ``seaborn.pointplot``, such as ``x``, ``y``, ``hue``, ``palette`` and ``markers``.
    """
    settings: dict[str, Any] = {"linestyle": "none", "markersize": 4, "capsize": 0.06, "err_kws": {"linewidth": 0.8}}
    sns.pointplot(ends, ax=axes, **(_MEAN_AND_INTERVAL | settings | options))


def unlike(table: pd.DataFrame, look: Look, most: int) -> list[str]:
    """Up to ``most`` architectures, first those whose kernel or activation no earlier one has.

    Args:
        table: has the columns architecture, dimension and activation.
        look: the study's names; their order decides which come first.
        most: how many there is room for.
    """
    kinds = table.drop_duplicates("architecture").set_index(table["architecture"].drop_duplicates().to_numpy())
    kinds = kinds.loc[look.order(table["architecture"])]
    repeated = kinds.duplicated(["dimension", "activation"])
    chosen = [*kinds.index[~repeated], *kinds.index[repeated]][:most]
    return look.order(chosen)


def filters_axis(axes: Axes, counts: Iterable[int], label: str = "Number of filters") -> None:
    """Make x a logarithmic axis whose ticks are the filter counts themselves; crowded ones have no number."""
    ticks = sorted(set(counts))
    axes.set_xscale("log", base=2)
    axes.set_xlim(ticks[0] * 2**-0.6, ticks[-1] * 2**0.6)
    named, limit = [], math.inf
    for tick in reversed(ticks):  # the largest count keeps its number
        named.append(str(tick) if tick <= limit else "")
        limit = tick / 1.7 if named[-1] else limit
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, named[::-1])
    axes.set_xlabel(label)


def accuracy_axis(axis: XAxis | YAxis, percents: npt.ArrayLike) -> None:
    """An axis of accuracy in percent with at least three numbered ticks, whatever the accuracies.

    Where the errors differ by more than a factor of four, it is logarithmic in the error, so that one network that
    learnt nothing does not flatten all others.

    Args:
        axis: the axis to change, ``axes.yaxis`` or ``axes.xaxis``.
        percents: all accuracies that must be in view; missing ones are ignored.
    """
    shown = np.asarray(percents, dtype=np.float64)
    errors = 100 - shown[np.isfinite(shown)]
    finest = min(0.05, errors[errors > 0].min(initial=100) / 2)  # where a perfect accuracy stands on the logarithm
    low, high = errors.min(initial=100), errors.max(initial=0)
    ratio = max(high, finest) / max(low, finest)
    set_scale = axis.axes.set_yscale if isinstance(axis, YAxis) else axis.axes.set_xscale
    if ratio < 4:
        set_scale("linear")
        margin = max(0.07 * (high - low), 0.02 * high, 0.06)
        limits = max(0.0, 100 - high - margin), 100 - low + margin
        ticks = np.asarray(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3).tick_values(*limits))
    else:
        functions = (lambda p: -np.log(np.maximum(100 - p, finest / 2)), lambda t: 100 - np.exp(-t))
        set_scale("function", functions=functions)
        margin = ratio**0.06
        limits = 100 - min(100.0, high * margin), 100 - max(low, finest) / margin
        ticks = np.sort([100 - d * 10.0**power for power in range(-4, 3) for d in _error_ticks(ratio)])
    ticks = ticks[(ticks >= limits[0]) & (ticks <= min(100.0, limits[1]))].round(6)
    axis.set_view_interval(*limits, ignore=True)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])


def _error_ticks(ratio: float) -> tuple[float, ...]:
    """The numbered errors within a power of ten, for an axis whose largest and smallest error have this ratio."""
    if ratio >= 200:
        return (1, 3)
    return (1, 2, 5) if ratio >= 15 else (1, 1.5, 2, 3, 5, 7)
