"""What figures draw from tables: networks, and means with their intervals as lines or as points."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from filtertwins.figures.style import Look

# Of three rows for each mean, the median is the mean and the range the interval: see `with_ends`.
_MEAN_AND_INTERVAL: dict[str, Any] = {"estimator": "median", "errorbar": ("pi", 100), "legend": False}


def measured(means: pd.DataFrame, measure: str, *, percent: bool = False) -> pd.DataFrame:
    """The rows of a table of means that are about one measure and have a value; shares are in percent if asked for."""
    rows = means[(means["measure"] == measure) & means["mean"].notna()].copy()
    if percent:
        beside = [f"{rung}{end}" for rung in ("null", "strangers") for end in ("", "_low", "_high")]
        shares = rows.columns.intersection(["mean", "low", "high", *beside])
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
    axes: Axes, means: pd.DataFrame, look: Look, *, hue: str = "architecture", dodge: float = 0.0, **options: Any
) -> None:
    """Draw means with their intervals as lines, a series for each architecture.

    Args:
        axes: where to draw.
        means: a table of means of one measure, with columns ``mean``, ``low`` and ``high``.
        look: the study's names and colours.
        hue: the column of series, by default the architecture.
        dodge: how far neighbouring series stand apart along a logarithmic x, in doublings.
        options: passed to ``seaborn.lineplot``: ``x`` is by default the number of filters, and ``palette`` and
            ``markers`` are by default those of the look.
    """
    names = look.order(means[hue])
    settings: dict[str, Any] = {"x": "filters", "palette": look.palette(names), "markers": look.markers(names)}
    settings |= {"err_kws": {"elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8}} | options
    shift = {name: 2 ** (dodge * (i - (len(names) - 1) / 2)) for i, name in enumerate(names)}
    rows = with_ends(means)
    if dodge:
        rows[settings["x"]] = rows[settings["x"]] * rows[hue].map(shift).astype(float)
    draw_lines(axes, rows, hue=hue, order=names, **settings)


def draw_lines(axes: Axes, ends: pd.DataFrame, *, hue: str, order: list[Any] | None = None, **options: Any) -> None:
    """Draw lines through means, with their intervals as bars; a colour and a marker for each series.

    Args:
        axes: where to draw.
        ends: rows of :func:`with_ends`, or values whose median and range are to be shown.
        hue: the column of series.
        order: the series in order, by default as they appear.
        options: passed to ``seaborn.lineplot``, such as ``x``, ``palette`` and ``markers``.
    """
    settings: dict[str, Any] = {"y": "mean", "dashes": False, "markeredgewidth": 0}
    settings |= {"err_style": "bars", "err_kws": {"elinewidth": 0.8}}
    series = {"hue": hue, "hue_order": order, "style": hue, "style_order": order}
    sns.lineplot(ends, ax=axes, **(_MEAN_AND_INTERVAL | settings | series | options))


def draw_points(
    axes: Axes, ends: pd.DataFrame, look: Look, *, hue: str = "architecture", apart: float = 0.0, **options: Any
) -> None:
    """Draw means as points, with their intervals as bars, a series for each architecture.

    Args:
        axes: where to draw.
        ends: rows of :func:`with_ends`, or values whose median and range are to be shown.
        look: the study's names and colours.
        hue: the column of series, by default the architecture.
        apart: how far neighbouring series stand apart, as a share of the distance between categories.
        options: passed to ``seaborn.pointplot``, such as ``x`` and ``y``; ``palette`` and ``markers`` are by default
            those of the look.
    """
    names = look.order(ends[hue])
    settings: dict[str, Any] = {"linestyle": "none", "markersize": 4, "capsize": 0.06, "err_kws": {"linewidth": 0.8}}
    series: dict[str, Any] = {"hue": hue, "hue_order": names, "dodge": apart * (len(names) - 1) or False}
    series |= {"palette": look.palette(names), "markers": list(look.markers(names).values())}
    sns.pointplot(ends, ax=axes, **(_MEAN_AND_INTERVAL | settings | series | options))


def networks(rows: pd.DataFrame, look: Look, most: int) -> list[tuple[str, int, pd.DataFrame]]:
    """Up to ``most`` networks in the look's order: the architecture, the number of filters, and the network's rows."""
    found = []
    for name in look.order(rows["architecture"]):
        own = rows[rows["architecture"] == name]
        found += [(name, count, own[own["filters"] == count]) for count in sorted(own["filters"].unique().tolist())]
    return found[:most]


def near_twins(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of near twins, of all distances at the start those with the middle one."""
    sizes = sorted(rows.loc[rows["epsilon"] > 0, "epsilon"].unique())
    return rows[rows["epsilon"].isin(sizes[len(sizes) // 2 :][:1])].copy()


def unlike(table: pd.DataFrame, look: Look, most: int) -> list[str]:
    """Up to ``most`` architectures, first those whose kernel or activation no earlier one has.

    Args:
        table: has the columns architecture, dimension and activation.
        look: the study's names; their order decides which come first.
        most: how many there is room for.
    """
    kinds = table.drop_duplicates("architecture").set_index("architecture").loc[look.order(table["architecture"])]
    repeated = kinds.duplicated(["dimension", "activation"])
    return look.order([*kinds.index[~repeated], *kinds.index[repeated]][:most])
