"""How accurate are networks with fewer filters, by how these are chosen, as pruned and after fine-tuning?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.methods import UNPRUNED, meanings, method_look, method_name
from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    display_name,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
    scale_by_error,
    style,
)
from filtertwins.figures.tables import (
    TableError,
    dataset_name,
    in_order,
    interval_text,
    join_words,
    paragraph,
    seed_counts,
    select,
    summarise,
    whiskers,
)

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "seed",
    "method",
    "kept",
    "fine_tuning_steps",
    "test_accuracy",
    "test_images",
)
_PANEL = ["architecture", "filters", "fine_tuned"]
_STAGES = {False: "As pruned", True: "Fine-tuned"}
"""The rows of panels, by whether networks were trained on."""

_MOST_ABREAST = 3
_LEGEND_COLUMNS = 5
_SPREAD = 0.4
"""From the first to the last method at one number of filters, in doublings, where there is room."""

_MARKER_SIZES = {"*": 5.5, "x": 3.6, "D": 3.0}
"""So that all look as large."""


def draw(pruning: pd.DataFrame) -> tuple[Figure, str]:
    """Draw test accuracy against the number of filters kept, one series for each pruning method.

    Args:
        pruning: one row per network and stage: as pruned, and after fine-tuning; and the same of the unpruned ones.

    Returns:
        The figure (two panels for each architecture), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, two are of the same network, or none is of a pruned one.
    """
    rows = _checked(pruning)
    means = _means(rows)
    methods = [method for method in in_order(rows["method"]) if method != UNPRUNED]
    with style():
        figure = _draw_panels(means, methods, finest=50 / int(rows["test_images"].max()))  # half an image
    return figure, _caption(rows, means)


def _checked(pruning: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that were pruned, with the accuracy in percent and whether they are fine-tuned."""
    rows = select(pruning, "pruning", _COLUMNS)
    rows["percent"] = 100 * rows["test_accuracy"]
    rows["fine_tuned"] = rows["fine_tuning_steps"] > 0
    key = [*_PANEL, "method", "kept", "seed"]
    twice = rows[rows.duplicated(key)]
    if not twice.empty:
        raise TableError("pruning", "two rows with " + ", ".join(f"{name} = {twice.iloc[0][name]}" for name in key))
    pruned = rows["method"].ne(UNPRUNED).groupby([rows["architecture"], rows["filters"]]).transform("any")
    if not pruned.any():
        raise TableError("pruning", f"no row with a method other than {UNPRUNED!r}, so there is nothing to draw")
    return rows[pruned]


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy and its interval for each architecture, filters, stage, method and kept."""
    summaries = {}
    for (name, filters, fine_tuned), group in rows.groupby(_PANEL, sort=False):
        summary = summarise(group.assign(architecture=group["method"], filters=group["kept"]), "percent")
        summaries[name, filters, fine_tuned] = summary.rename(columns={"architecture": "method", "filters": "kept"})
    return pd.concat(summaries, names=_PANEL).reset_index(_PANEL).reset_index(drop=True)


def _draw_panels(means: pd.DataFrame, methods: list[str], *, finest: float) -> Figure:
    networks = list(means.groupby(["architecture", "filters"], sort=False))
    stages = [stage for stage in _STAGES if means["fine_tuned"].eq(stage).any()]
    alone = len(networks) == 1  # its panels stand side by side
    abreast = _columns(len(networks))
    lines = 1 if alone else len(stages) * math.ceil(len(networks) / abreast)
    handles = _legend(methods, unpruned=UNPRUNED in set(means["method"]))
    legend_in = 0.1 + 0.15 * math.ceil(len(handles) / _LEGEND_COLUMNS)
    figure = new_figure(DOUBLE_COLUMN_IN, legend_in + (2.4 if alone else 1.9 * lines))
    grid = figure.add_gridspec(lines, len(stages) if alone else abreast)
    for index, ((name, filters), network) in enumerate(networks):
        block, column = divmod(index, abreast)
        before = block * abreast  # networks above; letters go in reading order
        for line, stage in enumerate(stages):
            axes = figure.add_subplot(grid[(0, line) if alone else (block * len(stages) + line, column)])
            _draw_panel(axes, network, stage, methods, finest=finest)
            letter = before * len(stages) + line * min(abreast, len(networks) - before) + column
            label_panel(axes, letter, f"{display_name(str(name))}, k = {filters:,}")
            if column == 0:
                axes.set_ylabel(f"{_STAGES[stage]}:\ntest accuracy (%)")
            if alone or stage == stages[-1]:
                axes.set_xlabel("Filters kept")
    figure.align_ylabels()
    legend_above(figure, handles, columns=_LEGEND_COLUMNS)
    return figure


def _columns(networks: int) -> int:
    """How many stand abreast: at most three, and evenly, of four two and two."""
    return math.ceil(networks / math.ceil(networks / _MOST_ABREAST))


def _draw_panel(axes: Axes, network: pd.DataFrame, stage: bool, methods: list[str], *, finest: float) -> None:
    """All methods on one architecture at one stage, and the unpruned network as a line across."""
    pruned = network[network["method"] != UNPRUNED]
    means = network[network["fine_tuned"] == stage]
    filters_axis(axes, pruned["kept"])
    axes.set_xlabel("")
    if means.empty:
        axes.set_yticks([])
        return
    scale_by_error(axes, [*means["mean"], *means["low"].dropna(), *means["high"].dropna()], finest=finest)
    for _, whole in means[means["method"] == UNPRUNED].iterrows():
        axes.axhspan(whole["low"], whole["high"], color=NULL_BAND_COLOR, linewidth=0, zorder=0)
        axes.axhline(whole["mean"], color=method_look(UNPRUNED).color, linewidth=0.8, zorder=1)
    for method, place in zip(methods, _places(methods, pruned["kept"]), strict=True):
        own = means[means["method"] == method]
        look = method_look(method)
        axes.errorbar(
            own["kept"] * 2**place,
            own["mean"],
            yerr=whiskers(own),
            color=look.color,
            marker=look.marker,
            linestyle=look.linestyle,
            linewidth=0.8,
            markersize=_MARKER_SIZES.get(look.marker, 3.3),
            markeredgewidth=0.8 if look.marker == "x" else 0.3,
            elinewidth=0.7,
            capsize=1.0,
            capthick=0.6,
            zorder=3,
        )


def _places(methods: list[str], kept: pd.Series[int]) -> list[float]:
    """Where each method stands beside the number of filters, in doublings: closer where numbers are."""
    gaps = np.diff(np.log2(sorted(set(kept))))
    spread = min(_SPREAD, 0.7 * min(gaps, default=1.0))
    return [spread * (index / max(len(methods) - 1, 1) - 0.5) for index in range(len(methods))]


def _legend(methods: list[str], *, unpruned: bool) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for method in methods:
        look = method_look(method)
        handles[method_name(method)] = Line2D(
            [],
            [],
            color=look.color,
            marker=look.marker,
            linestyle=look.linestyle,
            markersize=1.15 * _MARKER_SIZES.get(look.marker, 3.3),
        )
    if unpruned:
        handles[method_name(UNPRUNED)] = Line2D([], [], color=method_look(UNPRUNED).color, linewidth=0.8)
    return handles


# Caption


def _caption(rows: pd.DataFrame, means: pd.DataFrame) -> str:
    described, whole, found = [], [], []
    for (name, filters), network in means.groupby(["architecture", "filters"], sort=False):
        activation = rows.loc[rows["architecture"] == name, "activation"].iloc[0]
        described.append(f"{display_name(str(name))} ({activation}, k = {filters:,})")
        reference = network[network["method"] == UNPRUNED]
        at = [
            f"{_with_interval(row)} {'trained on' if row['fine_tuned'] else 'as trained'}"
            for _, row in reference.iterrows()
        ]
        whole += [f"{display_name(str(name))}, {join_words(at)}"] if at else []
        pruned = network[network["method"] != UNPRUNED]
        half = min(set(pruned["kept"]), key=lambda kept: (abs(math.log2(2 * kept / filters)), kept))
        spans = [
            f"{_span(own)} {_STAGES[bool(stage)].lower()}"
            for stage, own in pruned[pruned["kept"] == half].groupby("fine_tuned")
        ]
        found.append(f"{display_name(str(name))} with {half:,} of {filters:,} filters, {join_words(spans)}")
    steps = sorted(rows.loc[rows["fine_tuned"], "fine_tuning_steps"].unique())
    tuned = f"{join_words([f'{count:,}' for count in steps], 'or')} steps" if steps else ""
    images = join_words([f"{value:,}" for value in sorted(rows["test_images"].unique())], "or")
    explained = meanings(in_order(rows["method"]))
    band = ", with a band for the interval of their mean" if seed_counts(rows).max() > 1 else ""
    return paragraph(
        f"""Test accuracy of pruned networks against the number of filters kept on {dataset_name(rows)} ({images} test
        images): {join_words(described)}; k is the number of filters before. One series for each method of
        choosing what goes; those of one number of filters stand side by side. Criteria rate each filter in the whole
        network, once; what is left is not rated anew, so that even the oracle can be beaten.""",
        f"Methods: {explained}." if explained else "",
        f"""As pruned: nothing is trained after the removal. Fine-tuned: trained on for {tuned}, on the same
        batches for all methods of a seed."""
        if steps
        else "Nothing is trained after the removal.",
        f"""Grey line: the unpruned networks, as trained{" or trained on as long" * bool(steps)}{band}."""
        if whole
        else "",
        "Axes are logarithmic in the error, 100 % minus the accuracy, and each has its own scale.",
        interval_text(rows),
        f"Mean accuracy in % of the unpruned networks: {'; '.join(whole)}." if whole else "",
        f"Lowest and highest mean of a method, in %: {'; '.join(found)}.",
    )


def _with_interval(row: pd.Series[Any]) -> str:
    """A mean accuracy, and its interval where it has one."""
    bounds = f" ({row['low']:.2f} to {row['high']:.2f})" if row["seeds"] > 1 else ""
    return f"{row['mean']:.2f}{bounds}"


def _span(means: pd.DataFrame) -> str:
    """The lowest and the highest mean, each with its method."""
    ordered = means.sort_values("mean", kind="stable")
    ends = [f"{row['mean']:.2f} ({method_name(row['method'])})" for _, row in ordered.iloc[[0, -1]].iterrows()]
    return ends[0] if len(ordered) == 1 else " to ".join(ends)
