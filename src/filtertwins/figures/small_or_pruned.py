"""Is a small network better pruned from a large one, or trained as it is?"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.methods import method_name
from filtertwins.figures.style import (
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    SINGLE_COLUMN_IN,
    SMALL_TEXT_PT,
    Series,
    display_name,
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
    join_words,
    paragraph,
    select,
    signed,
)

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "kept",
    "budget",
    "method",
    "difference",
    "low",
    "high",
    "margin",
    "equivalent",
    "n",
    "selected",
)
_ARROW = "\N{RIGHTWARDS ARROW}"
_POINTS = ["difference", "low", "high", "margin"]
"""Columns that are drawn in percentage points; the table has shares."""

_APART = 0.4
"""Between the first and the last budget of a row, in rows."""

_BUDGETS = {
    "equal_epochs": "for as many steps as the large one and its fine-tuning",
    "equal_compute": "with as many multiply-accumulates as training the large one and fine-tuning the pruned one",
}
"""How long the small network is trained."""


def draw(small_or_pruned: pd.DataFrame) -> tuple[Figure, str]:
    """Draw by how much pruned networks are more accurate than small ones trained from scratch, paired by seed.

    Args:
        small_or_pruned: one row per architecture, number of filters kept, budget and method; of the methods only the
            selected one is drawn.

    Returns:
        The figure (a panel for each architecture), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or not one method is selected for a network.
    """
    rows = _selected(select(small_or_pruned, "small_or_pruned", _COLUMNS))
    rows[_POINTS] *= 100
    rows["tested"] = rows["equivalent"].notna()
    rows["equivalent"] = rows["equivalent"].isin([True])  # a missing verdict is none
    names = in_order(rows["architecture"])
    looks = series_styles(in_order(rows["budget"]))
    lines = [rows.loc[rows["architecture"] == name, ["filters", "kept"]].drop_duplicates().shape[0] for name in names]
    with style():
        handles = _legend(rows, looks)
        figure = new_figure(SINGLE_COLUMN_IN, 0.8 + 0.25 * len(names) + 0.27 * sum(lines))
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=lines)[:, 0]
        for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
            _draw_panel(axes, rows[rows["architecture"] == name], looks)
            label_panel(axes, index, display_name(name))
        _accuracy_axis(panels[-1], rows)
        legend_above(figure, handles, columns=2)
    return figure, _caption(rows, names, list(looks))


def _selected(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the method that the validation split chose: one for each network and budget."""
    chosen = rows[rows["selected"].isin([True])].reset_index(drop=True)
    if chosen.empty:
        raise TableError("small_or_pruned", "no row with selected = True, so there is nothing to draw")
    key = ["architecture", "filters", "kept", "budget"]
    twice = chosen[chosen.duplicated(key)]
    if not twice.empty:
        where = ", ".join(f"{column} = {twice.iloc[0][column]}" for column in key)
        raise TableError("small_or_pruned", f"two rows with selected = True, {where}")
    return chosen


def _draw_panel(axes: Axes, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    """One architecture: a row for each number of filters kept, the fewest on top, and in it one mean per budget."""
    margin = rows["margin"].max()
    axes.axvspan(-margin, margin, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axvline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    rows = rows.sort_values(["filters", "kept"], kind="stable")
    rows = rows.assign(line=rows.groupby(["filters", "kept"], sort=True).ngroup())
    for (budget, look), place in zip(looks.items(), _places(len(looks)), strict=True):
        for equivalent, face in ((True, look.color), (False, "white")):
            own = rows[(rows["budget"] == budget) & (rows["equivalent"] == equivalent)]
            axes.errorbar(
                own["difference"],
                own["line"] + place,
                xerr=[own["difference"] - own["low"], own["high"] - own["difference"]],
                color=look.color,
                marker=look.marker,
                markerfacecolor=face,
                linestyle="none",
                markersize=3.8,
                elinewidth=1.0,
                capsize=1.8,
                capthick=0.8,
                zorder=3,
            )
    networks = rows.drop_duplicates("line")
    for line, method in zip(networks["line"], networks["method"], strict=True):
        where = axes.get_yaxis_transform()  # x in parts of the panel's width
        axes.text(1.02, line, method_name(method), transform=where, fontsize=SMALL_TEXT_PT, va="center_baseline")
    pairs = zip(networks["filters"], networks["kept"], strict=True)
    axes.set_yticks(networks["line"], [f"{filters} {_ARROW} {kept}" for filters, kept in pairs])
    axes.set_ylim(len(networks) - 0.5, -0.5)


def _places(budgets: int) -> list[float]:
    """Where budgets stand in their row, the first on top."""
    return [0.0] if budgets == 1 else list(np.linspace(-_APART / 2, _APART / 2, budgets))


def _accuracy_axis(axes: Axes, rows: pd.DataFrame) -> None:
    ends = np.concatenate([rows[["difference", "low", "high"]].to_numpy().ravel(), [-rows["margin"].max()]])
    low, high = np.nanmin(ends), max(np.nanmax(ends), rows["margin"].max())
    room = 0.04 * (high - low)
    axes.set_xlim(low - room, high + room)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("Test accuracy of the pruned minus\nof the small network (points)")


def _legend(rows: pd.DataFrame, looks: dict[str, Series]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        _budget_name(budget): Line2D([], [], color=look.color, marker=look.marker, linestyle="none")
        for budget, look in looks.items()
    }
    handles[f"margin, ± {_margin_text(rows)} points"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    handles["not shown equivalent"] = Line2D(
        [], [], color=REFERENCE_COLOR, marker="o", markerfacecolor="white", linestyle="none"
    )
    return handles


# Caption


def _caption(rows: pd.DataFrame, names: list[str], budgets: list[str]) -> str:
    described, found = [], []
    for name in names:
        own = rows[rows["architecture"] == name]
        described.append(f"{display_name(name)} ({own['activation'].iloc[0]})")
        ends = own[own["kept"].isin([own["kept"].min(), own["kept"].max()])]
        for (filters, kept), pair in ends.groupby(["filters", "kept"]):
            means = [_estimate(row) for row in pair.to_dict("records")]
            found.append(f"{display_name(name)}, {filters} {_ARROW} {kept}, {join_words(means)}")
    trained = [f"{_BUDGETS[budget]} ({_budget_name(budget)})" for budget in budgets if budget in _BUDGETS]
    return paragraph(
        f"""Pruned networks against small ones on {dataset_name(rows)}: mean test accuracy of networks trained with many
        filters, pruned to few and fine-tuned, minus that of networks trained from scratch with as few, of the same
        seeds (many {_ARROW} few), for {join_words(described)}. Right of the grey line the pruned ones are better.""",
        f"The small network is trained {join_words(trained, 'or')}. What the criteria compute is not counted."
        if trained
        else "",
        """Named at the right: the method of pruning, of all but chance the one of the highest mean validation accuracy
        after fine-tuning; the test images had no say.""",
        _about_intervals(rows),
        f"Grey band: the margin, ± {_margin_text(rows)} percentage points, within which differences do not matter.",
        _about_equivalence(rows, names),
        f"""Means in points at the fewest and the most filters kept, with
        {join_words([_budget_name(budget) for budget in budgets])}: {"; ".join(found)}.""",
    )


def _about_intervals(rows: pd.DataFrame) -> str:
    seeds = sorted(rows["n"].unique())
    if rows["low"].isna().all():
        return f"With {_seeds_text(seeds)} there are no intervals."
    missing = " Where there are too few seeds there are none." if rows["low"].isna().any() else ""
    return f"Bars: 90 % intervals of the paired t-test, over {_seeds_text(seeds)}, not adjusted.{missing}"


def _about_equivalence(rows: pd.DataFrame, names: list[str]) -> str:
    """A sentence on the comparisons that are equivalent, and on those that favour one side."""
    counted = []
    for name in names:
        own = rows[(rows["architecture"] == name) & rows["tested"]]
        better, worse = (own["low"] > 0).sum(), (own["high"] < 0).sum()
        outcome = f"{own['equivalent'].sum()} of {len(own)} (interval above zero in {better}, below in {worse})"
        counted.append(f"{display_name(name)}, {outcome if len(own) else 'too few seeds for a test'}")
    return f"""Filled: shown equivalent (two one-sided paired t-tests, Holm-adjusted p < 0.05 over the comparisons of an
    architecture and method; an interval inside the band alone is not enough): {"; ".join(counted)}."""


def _estimate(row: dict[Hashable, Any]) -> str:
    """A difference in points, and its interval where it has one."""
    bounds = "" if np.isnan(row["low"]) else f" ({signed(row['low'], 2)} to {signed(row['high'], 2)})"
    return signed(row["difference"], 2) + bounds


def _margin_text(rows: pd.DataFrame) -> str:
    return join_words([f"{value:g}" for value in sorted(rows["margin"].unique())], "or")


def _seeds_text(counts: list[int]) -> str:
    words = "one" if counts == [1] else join_words([f"{count}" for count in counts], "or")
    return f"{words} seed{'s' * (words != 'one')}"


def _budget_name(budget: str) -> str:
    return budget.replace("_", " ")
