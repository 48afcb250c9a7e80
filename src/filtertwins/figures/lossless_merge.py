"""How a network's answers change when its filters are merged into few: not at all, if it is linear."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from filtertwins.figures.style import (
    REFERENCE_COLOR,
    SINGLE_COLUMN_IN,
    Series,
    display_name,
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
    seeds_text,
    select,
)

LOSSLESS = 1e-9
"""Logits that change by less are the same in float64, whose own rounding is around 1e-14 here."""

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "seed",
    "filters_kept",
    "largest_logit_change",
    "changed_predictions",
    "images",
)
_LEGEND_COLUMNS = 2
"""Of names as long as "question converged"."""

_SPREAD = 0.3
"""The trained filter counts of one architecture stand side by side over this width, few to many."""


def draw(merging: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the largest change of a logit against the number of filters that were kept.

    Args:
        merging: one row per run and number of filters kept.

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing or no network was merged into fewer filters than it had.
    """
    rows = select(merging, "merging", _COLUMNS)
    rows = rows[rows["filters"] > rows["filters_kept"]]
    if rows.empty:
        raise TableError("merging", "no network was merged into fewer filters than it had")
    looks = series_styles(in_order(merging["architecture"]))
    names = in_order(rows["architecture"])
    with style():
        lines = math.ceil(len(names) / _LEGEND_COLUMNS)
        figure = new_figure(SINGLE_COLUMN_IN, 2.45 + 0.15 * lines)
        axes = figure.add_subplot()
        axes.set_yscale("log")
        axes.axhline(LOSSLESS, color=REFERENCE_COLOR, linewidth=0.8, linestyle=(0.0, (4.0, 2.0)), zorder=1)
        handles: dict[str, Artist] = {}
        for index, name in enumerate(names):
            look = looks[name]
            centre = (index - (len(names) - 1) / 2) * 0.8 / len(names)
            _draw_series(axes, rows[rows["architecture"] == name], look, centre, _SPREAD * 2 / max(2, len(names)))
            handles[display_name(name)] = Line2D([], [], color=look.color, marker=look.marker, linestyle="none")
        kept = sorted(rows["filters_kept"].unique())
        axes.set_xlim(kept[0] - 0.5, kept[-1] + 0.5)
        axes.xaxis.set_major_locator(FixedLocator([float(count) for count in kept]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("Filters kept")
        axes.set_ylabel("Largest change of a logit")
        axes.text(kept[0] - 0.47, 0.5 * LOSSLESS, "lossless", color=REFERENCE_COLOR, va="top", ha="left")
        legend_above(figure, handles, columns=_LEGEND_COLUMNS)
    return figure, _caption(rows, names)


def _draw_series(axes: Axes, rows: pd.DataFrame, look: Series, centre: float, spread: float) -> None:
    """Median over seeds, with the range, of each trained filter count at each number of filters kept."""
    counts = sorted(rows["filters"].unique())
    beside = {count: (i / max(1, len(counts) - 1) - 0.5) * spread for i, count in enumerate(counts)}
    groups = rows.groupby(["filters_kept", "filters"])["largest_logit_change"].agg(["median", "min", "max"])
    groups = groups.reset_index()
    axes.errorbar(
        groups["filters_kept"] + centre + groups["filters"].map(beside),
        groups["median"],
        yerr=[groups["median"] - groups["min"], groups["max"] - groups["median"]],
        color=look.color,
        marker=look.marker,
        linestyle="none",
        markersize=3.2,
        elinewidth=0.8,
        zorder=3,
    )


def _caption(rows: pd.DataFrame, names: list[str]) -> str:
    described, found = [], []
    for name in names:
        own = rows[rows["architecture"] == name]
        counts = sorted(own["filters"].unique())
        activation = own["activation"].iloc[0]
        described.append(f"{display_name(name)} ({activation}; trained with {counts[0]} to {counts[-1]} filters)")
        for kept, group in own.groupby("filters_kept"):
            worst, changed, asked = (
                group["largest_logit_change"].max(),
                group["changed_predictions"].sum(),
                group["images"].sum(),
            )
            found.append(f"{display_name(name)} into {kept}, {worst:.1e} and {changed:,} of {asked:,} predictions")
    return paragraph(
        f"""What merging filters changes on {dataset_name(rows)}: the largest absolute change of any logit over
        {rows["images"].max():,} test images, in float64, against the number of filters kept, for
        {join_words(described)}.""",
        f"""Each marker is the median over {seeds_text(rows)} of one trained filter count, few to many from left to
        right, each bar their whole range (no interval); networks with no more filters than are kept are left out.""",
        """Filters are merged as if the network were linear: onto the leading singular vectors of the kernels, with the
        dense weights that have the same effect on every pixel. Below the dashed line nothing but rounding changes.""",
        f"Largest change and predictions changed, over all runs: {'; '.join(found)}.",
    )
