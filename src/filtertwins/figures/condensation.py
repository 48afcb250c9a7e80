"""Do small initial weights make duplicates? How aligned filters are, by initial scale and training step."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    SMALL_TEXT_PT,
    TEXT_PT,
    display_name,
    label_panel,
    new_figure,
    style,
)
from filtertwins.figures.tables import (
    RESAMPLES,
    TableError,
    dataset_name,
    in_order,
    join_words,
    paragraph,
    seed_counts,
    seeds_text,
    select,
    summarise,
)

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "seed",
    "scale",
    "step",
    "mean_cosine",
    "isotropic_mean_cosine",
    "train_loss",
)
_PANEL = ["architecture", "filters"]
_PANELS_PER_ROW = 3
_COLOR_MAP = "viridis"
"""Its lightness rises evenly, so it survives a grey print, and colour-blind readers see it as others do."""

_CELL_FOR_NUMBER_PT = (19.0, 11.0)
"""Cells at least this wide and high carry their number."""


def draw(condensation: pd.DataFrame) -> tuple[Figure, str]:
    """Draw a heat map of the mean absolute cosine between filters, initial scale by training step.

    Args:
        condensation: one row per network and recorded step.

    Returns:
        The figure (a panel for each architecture and filter count), and its caption as a paragraph of
        reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or no network has the two filters it takes.
    """
    rows = select(condensation, "condensation", _COLUMNS)
    if rows["mean_cosine"].isna().all():
        raise TableError("condensation", "column 'mean_cosine' is empty everywhere: a cosine takes two filters")
    titles = _titles(rows)
    columns = min(_PANELS_PER_ROW, len(titles))
    lines = math.ceil(len(titles) / columns)
    scales = sorted(rows["scale"].unique(), reverse=True)
    with style():
        figure = new_figure(DOUBLE_COLUMN_IN, 0.1 + lines * (0.65 + max(0.9, 0.26 * len(scales))))
        grid = figure.subplots(lines, columns, squeeze=False)
        panels, maps = list(grid.flat), []
        for spare in panels[len(titles) :]:
            spare.set_visible(False)
        for index, (axes, ((architecture, filters), title)) in enumerate(zip(panels, titles.items(), strict=False)):
            own = rows[(rows["architecture"] == architecture) & (rows["filters"] == filters)]
            means = own.pivot_table(index="scale", columns="step", values="mean_cosine", dropna=False).reindex(scales)
            maps.append(means)
            mesh = _draw_panel(axes, means)
            label_panel(axes, index, title)
            axes.set_xlabel("Training step")
            if index % columns == 0:
                axes.set_ylabel("Initial scale")
            else:
                axes.tick_params(labelleft=False)
        _draw_color_bar(figure, mesh, panels, rows)
        figure.draw_without_rendering()  # the layout settles, and with it the size of a cell
        for axes, means in zip(panels, maps, strict=False):
            _label_steps(axes, [int(step) for step in means.columns])
            _number_cells(axes, means)
    return figure, _caption(rows, titles, scales)


def _titles(rows: pd.DataFrame) -> dict[tuple[str, int], str]:
    """A title for each panel: the activation, and what else tells the panels apart."""
    names, several_counts = in_order(rows["architecture"]), len(set(rows["filters"])) > 1
    one_each = len(names) == len(set(rows["activation"]))
    titles = {}
    for name in names:
        own = rows[rows["architecture"] == name]
        title = display_name(str(own["activation"].iloc[0]) if one_each else name)
        for filters in sorted(own["filters"].unique()):
            titles[name, int(filters)] = f"{title}, {filters:,} filters" if several_counts else title
    return titles


def _draw_panel(axes: Axes, means: pd.DataFrame) -> QuadMesh:
    """One cell for each scale and recorded step; recorded steps are log-spaced, so the axis is nearly logarithmic."""
    colors = colormaps[_COLOR_MAP].with_extremes(bad=NULL_BAND_COLOR)
    mesh = axes.pcolormesh(np.ma.masked_invalid(means.to_numpy()), cmap=colors, vmin=0, vmax=1)
    axes.invert_yaxis()
    axes.set_yticks(np.arange(len(means)) + 0.5, [f"{scale:g}" for scale in means.index])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    return mesh


def _draw_color_bar(figure: Figure, mesh: QuadMesh, panels: list[Axes], rows: pd.DataFrame) -> None:
    """One scale for all panels, with a line at what isotropic chance gives."""
    bar = figure.colorbar(mesh, ax=panels, pad=0.015, fraction=0.05, aspect=14 * math.ceil(len(panels) / 3))
    chances = sorted(rows["isotropic_mean_cosine"].dropna().round(3).unique())
    ticks = {tick: f"{tick:g}" for tick in (0, 0.2, 0.4, 0.6, 0.8, 1)}
    for chance in chances:
        ticks = {tick: label for tick, label in ticks.items() if abs(tick - chance) > 0.08}
        ticks[chance] = f"chance\n{chance:.2f}"
        bar.ax.axhline(chance, color="white", linewidth=1.4)
        bar.ax.axhline(chance, color="black", linewidth=0.6)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.tick_params(length=2.5)
    bar.outline.set_visible(False)
    bar.set_label("Mean absolute cosine")


def _cell_pt(axes: Axes) -> tuple[float, float]:
    """Width and height of a cell as printed."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 (axes made by a figure)
    window = axes.get_window_extent()
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    scale = 72 / figure.dpi
    return scale * window.width / abs(right - left), scale * window.height / abs(top - bottom)


def _label_steps(axes: Axes, steps: list[int]) -> None:
    """Name as many steps as fit, the last and the first among them."""
    width_pt = _cell_pt(axes)[0]
    half_pt = [0.32 * TEXT_PT * len(f"{step:,}") for step in steps]
    first_ends = width_pt / 2 + half_pt[0] + 3
    labelled, limit = [0], math.inf
    for i in reversed(range(1, len(steps))):
        centre = (i + 0.5) * width_pt
        if centre + half_pt[i] + 3 <= limit and centre - half_pt[i] >= first_ends:
            labelled.append(i)
            limit = centre - half_pt[i]
    axes.set_xticks([i + 0.5 for i in labelled], [f"{steps[i]:,}" for i in labelled])


def _number_cells(axes: Axes, means: pd.DataFrame) -> None:
    """Write the value into each cell, if it has room and ink that shows."""
    width_pt, height_pt = _cell_pt(axes)
    if width_pt < _CELL_FOR_NUMBER_PT[0] or height_pt < _CELL_FOR_NUMBER_PT[1]:
        return
    for (line, column), value in np.ndenumerate(means.to_numpy()):
        if np.isfinite(value):
            axes.text(
                column + 0.5,
                line + 0.5,
                f"{value:.2f}".removeprefix("0"),
                color="white" if value < 0.6 else "black",
                fontsize=SMALL_TEXT_PT,
                ha="center",
                va="center",
            )


# Caption


def _caption(rows: pd.DataFrame, titles: dict[tuple[str, int], str], scales: list[float]) -> str:
    found, losses = [], []
    ends = list(dict.fromkeys((scales[0], scales[-1])))
    for (architecture, filters), title in titles.items():
        own = rows[(rows["architecture"] == architecture) & (rows["filters"] == filters)]
        found += [f"{title}, scale {scale:g}, {words}" for scale in ends if (words := _ends_and_peak(own, scale))]
        last = own.dropna(subset=["train_loss"]).groupby("scale")["train_loss"].mean()
        at = [f"{last[scale]:.3f} at scale {scale:g}" for scale in ends if scale in last.index]
        losses += [f"{title}, {join_words(at)}"] if at else []
    counts = join_words([f"{count:,}" for count in sorted(rows["filters"].unique())])
    chances = [f"{chance:.3f}" for chance in sorted(rows["isotropic_mean_cosine"].dropna().round(3).unique())]
    missing, empty = rows["mean_cosine"].isna(), rows.groupby([*_PANEL, "scale", "step"])["mean_cosine"].count() == 0
    interval = (
        f" and in brackets its 95 % bootstrap interval (BCa, {RESAMPLES:,} resamples)"
        if seed_counts(rows).max() > 1
        else " (with one seed there are no intervals)"
    )
    return paragraph(
        f"""How aligned a network's filters are on {dataset_name(rows)}, by the scale of its initial weights (1: as
        drawn) and the training step, for {join_words(list(titles.values()))}: absolute cosine of two kernels, mean over
        all pairs of live filters ({counts} filters) and over {seeds_text(rows)}. A column for each recorded step, 0
        being before training.""",
        f"Line on the colour bar: the null, isotropic random kernels, {join_words(chances)}." if chances else "",
        "Grey cells: fewer than two live filters in every network." if empty.any() else "",
        f"""{missing.sum():,} of {len(rows):,} values are missing, for lack of two live filters, and left out."""
        if missing.any()
        else "",
        f"First, highest and last mean over seeds{interval}: {'; '.join(found)}.",
        f"Mean training loss at the last step (guessing: {math.log(10):.3f}): {'; '.join(losses)}." if losses else "",
    )


def _ends_and_peak(rows: pd.DataFrame, scale: float) -> str:
    """The first, the highest and the last mean at one scale, with their intervals and steps."""
    own = rows[rows["scale"] == scale]
    means = own.groupby("step")["mean_cosine"].mean().dropna()
    if means.empty:
        return ""
    words = []
    for step in sorted({means.index[0], means.idxmax(), means.index[-1]}):
        at = summarise(own[own["step"] == step], "mean_cosine").iloc[0]
        bounds = f" ({at['low']:.3f} to {at['high']:.3f})" if at["seeds"] > 1 else ""
        words.append(f"{at['mean']:.3f}{bounds} at step {step:,}")
    return join_words(words)
