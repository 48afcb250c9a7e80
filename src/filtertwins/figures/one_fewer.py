"""What is a network with two equal filters worth? As much as one with a filter fewer, or as one with all different?"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    SINGLE_COLUMN_IN,
    Series,
    display_name,
    draw_runs,
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

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "seed",
    "second_filter",
    "train_loss",
    "twins_equal",
)
_KEY = ["architecture", "filters", "seed"]
_MINUS = "\N{MINUS SIGN}"
_CONTRASTS = {"twin": "n filters, two of them twins", "own": "n different filters"}
"""What is compared with one filter fewer, by `second_filter`, from top to bottom."""

_APART = 0.2
"""From the middle of a row to the mean of a contrast, in rows."""

_SEEDS_BELOW = 0.14
"""From a mean to its single seeds, in rows."""

_PANELS_PER_ROW = 3


def draw(one_fewer: pd.DataFrame, *, margin: float | None = None) -> tuple[Figure, str]:
    """Draw how much the training loss differs from that of a network with one filter fewer, paired by seed.

    Args:
        one_fewer: one row per network.
        margin: losses, in nats, that differ by less count as equivalent; drawn as a grey band

    Returns:
        The figure (a panel for each architecture), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no network has its partner with a filter fewer.
    """
    rows = select(one_fewer, "one_fewer", _COLUMNS)
    differences = _differences(rows)
    summaries = {kind: summarise(differences[differences["kind"] == kind], "difference") for kind in _CONTRASTS}
    names = in_order(differences["architecture"])
    counts = sorted(differences["filters"].unique())
    looks = dict(zip(_CONTRASTS, series_styles(_CONTRASTS.values()).values(), strict=True))
    columns = min(_PANELS_PER_ROW, len(names))
    lines = math.ceil(len(names) / columns)
    with style():
        width_in, legend_in = (SINGLE_COLUMN_IN, 0.7) if columns == 1 else (DOUBLE_COLUMN_IN, 0.45)
        figure = new_figure(width_in, legend_in + lines * (0.5 + 0.34 * max(2, len(counts))))
        panels = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
        for spare in panels[len(names) :]:
            spare.set_visible(False)
        _shape_axes(panels[0], differences, summaries, counts, margin)
        for index, (axes, name) in enumerate(zip(panels, names, strict=False)):
            if margin is not None:
                axes.axvspan(-margin, margin, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
            axes.axvline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
            for kind, place in zip(_CONTRASTS, (-_APART, _APART), strict=True):
                own = differences[(differences["kind"] == kind) & (differences["architecture"] == name)]
                summary = summaries[kind][summaries[kind]["architecture"] == name]
                _draw_contrast(axes, own, summary, looks[kind], counts, place)
            label_panel(axes, index, display_name(name))
            if index % columns == 0:
                axes.set_ylabel("Number of\nfilters, n")
            if index + columns >= len(names):  # nothing below
                axes.set_xlabel(f"Training loss minus that\nof n {_MINUS} 1 filters (nats)")
                axes.tick_params(labelbottom=True)
        drawn = {kind: look for kind, look in looks.items() if len(summaries[kind])}
        legend_above(figure, _legend(drawn, margin), columns=1 if columns == 1 else 3)
    return figure, _caption(rows, differences, summaries, margin)


def _differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Training loss minus that of the network with one filter fewer, of the same seed: one row per pair."""
    losses = rows.pivot_table(index=_KEY, columns="second_filter", values="train_loss")
    kinds = [kind for kind in _CONTRASTS if kind in losses]
    smaller = losses.get("silent", pd.Series(np.nan, losses.index))
    pairs = [(losses[kind] - smaller).rename("difference").reset_index().assign(kind=kind) for kind in kinds]
    differences = pd.concat(pairs).dropna(subset=["difference"]) if pairs else losses.iloc[:0]
    if differences.empty:
        problem = "no network with second_filter = 'twin' or 'own' has one with 'silent' beside it (same seed)"
        raise TableError("one_fewer", f"{problem}, so there is nothing to compare")
    order = {name: place for place, name in enumerate(in_order(rows["architecture"]))}
    return differences.sort_values("architecture", key=lambda names: names.map(order), kind="stable")


def _shape_axes(
    axes: Axes, differences: pd.DataFrame, summaries: dict[str, pd.DataFrame], counts: list[int], margin: float | None
) -> None:
    """Axes that all panels share: a row for each filter count, the fewest on top; and all differences."""
    ends = [*differences["difference"], *(x for table in summaries.values() for x in (*table["low"], *table["high"]))]
    low, high = min(0.0, np.nanmin(ends), -(margin or 0.0)), max(0.0, np.nanmax(ends), margin or 0.0)
    room = 0.05 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_yticks(range(len(counts)), [f"{count:,}" for count in counts])
    axes.locator_params(axis="x", nbins=5)


def _draw_contrast(
    axes: Axes, differences: pd.DataFrame, summary: pd.DataFrame, look: Series, counts: list[int], place: float
) -> None:
    """Mean with interval for each filter count, and below it the single seeds."""
    line = {count: index + place for index, count in enumerate(counts)}
    draw_runs(axes, differences["difference"], differences["filters"].map(line) + _SEEDS_BELOW, look)
    axes.errorbar(
        summary["mean"],
        summary["filters"].map(line),
        xerr=whiskers(summary),
        color=look.color,
        marker=look.marker,
        linestyle="none",
        markersize=3.2,
        elinewidth=1.0,
        capsize=1.8,
        capthick=0.8,
        zorder=3,
    )


def _legend(looks: dict[str, Series], margin: float | None) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        _CONTRASTS[kind]: Line2D([], [], color=look.color, marker=look.marker, linestyle="none")
        for kind, look in looks.items()
    }
    if margin is not None:
        handles["equivalent"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    return handles


# Caption


def _caption(
    rows: pd.DataFrame, differences: pd.DataFrame, summaries: dict[str, pd.DataFrame], margin: float | None
) -> str:
    names = in_order(differences["architecture"])
    activations = rows.drop_duplicates("architecture").set_index("architecture")["activation"].map(display_name)
    described = [
        words if (words := display_name(n)) == activations[n] else f"{words} ({activations[n]})" for n in names
    ]
    found, within = [], []
    for kind, words in (("twin", "twins"), ("own", "all different")):
        table = summaries[kind]
        for name in names:
            own = table[table["architecture"] == name]
            ends = own.iloc[[0, -1] if len(own) > 1 else slice(None)]
            at = [f"{_with_interval(row)} at n = {row['filters']:,}" for row in ends.to_dict("records")]
            found += [f"{display_name(name)}, {words}, {join_words(at)}"] if at else []
        judged = table.dropna(subset=["low"])
        if margin is not None and len(judged):
            inside = ((judged["low"] > -margin) & (judged["high"] < margin)).sum()
            within.append(f"with {words} in {inside} of {len(judged)}")
    equal = rows.loc[rows["second_filter"] == "twin", "twins_equal"].dropna().astype(bool)
    return paragraph(
        f"""What a twin is worth on {dataset_name(rows)}: training loss of networks with n filters minus that of
        networks with one filter fewer, from the same start (same seed), for {join_words(described)}. Left of the grey
        line the loss is smaller than with n {_MINUS} 1 filters.""",
        """Circles: two of the n filters are twins, one filter of the smaller network split in two halves, so that both
        networks begin as the same function."""
        if len(summaries["twin"])
        else "",
        "Squares: all n filters are different." if len(summaries["own"]) else "",
        f"""Faint: single seeds, below their mean. {interval_text(differences)}""",
        f"Grey band: differences under {margin:g} nats, which count as equivalent." if margin is not None else "",
        f"Means at the fewest and the most filters, in nats: {'; '.join(found)}.",
        f"The interval is inside the band {join_words(within)} comparisons." if within else "",
        f"Twins ended equal to the last bit in {equal.sum():,} of {len(equal):,} networks." if len(equal) else "",
    )


def _with_interval(row: dict[Hashable, Any]) -> str:
    """A mean difference, and its interval where it has one."""
    bounds = f" ({signed(row['low'], 4)} to {signed(row['high'], 4)})" if row["seeds"] > 1 else ""
    return signed(row["mean"], 4) + bounds
