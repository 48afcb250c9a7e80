"""The kernels themselves, before and after training, with near duplicates grouped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    SMALL_TEXT_PT,
    display_name,
    new_figure,
    style,
)
from filtertwins.figures.tables import TableError, dataset_name, in_order, join_words, paragraph, select

_KEY = ["architecture", "filters", "seed"]
_KERNEL_COLUMNS = ("dataset", *_KEY, "stage", "filter", "row", "column", "weight")
_CLUSTER_COLUMNS = ("dataset", *_KEY, "stage", "filter", "cluster")
_REDUNDANCY_COLUMNS = ("dataset", *_KEY, "equivalence")
_STAGES = ("initial", "trained")

# Diverging in hue, and from dark to light throughout: in a grey print the sign of a weight survives.
_COLORMAP = LinearSegmentedColormap.from_list(
    "blue_grey_yellow", ["#00224E", "#2A5599", "#8C8C8C", "#D9B32B", "#FFE96B"]
)
_NORM = Normalize(-1, 1)

_MARGIN_IN = 0.08
_GUTTER_IN = 0.3
_HALF_IN = (DOUBLE_COLUMN_IN - 2 * _MARGIN_IN - _GUTTER_IN) / 2
_GAP_IN = 0.035
_KERNEL_SIDE_IN = 0.15
_LARGEST_PIXEL_IN = 0.08
_BRACKET_IN = 0.16
"""Below a line of kernels: the bracket and its number."""

_LABEL_IN = 0.17
_BLOCK_GAP_IN = 0.07
_HEADER_IN = 0.2
_FOOTER_IN = 0.48


@dataclass(frozen=True)
class _Block:
    """The kernels of one run at one stage, in the order and with the signs in which they are shown."""

    kernels: npt.NDArray[np.float64]  # (filter, row, column), largest magnitude 1
    groups: list[int]  # of each filter: 1, 2, ... for clusters of two or more, else 0


def draw(
    kernels: pd.DataFrame, clusters: pd.DataFrame, redundancy: pd.DataFrame, *, threshold: float = 0.95
) -> tuple[Figure, str]:
    """Draw the kernels of chosen runs, initial beside trained, sorted by cluster and orientation.

    Args:
        kernels: one row per weight of the chosen runs. The first seed of each filter count is shown.
        clusters: one row per run, stage and filter.
        redundancy: one row per run and stage; it says whether a kernel's sign matters.
        threshold: the cosine at which clusters of near duplicates are cut (tau); named in the caption

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or a run shown has no clusters.
    """
    weights = select(kernels, "kernels", _KERNEL_COLUMNS)
    membership = select(clusters, "clusters", _CLUSTER_COLUMNS)
    kinds = select(redundancy, "redundancy", _REDUNDANCY_COLUMNS)
    shown = _shown_runs(weights)
    blocks = {(run, stage): _block(weights, membership, kinds, run, stage) for run in shown for stage in _STAGES}
    with style():
        figure = _draw_blocks(shown, blocks)
    return figure, _caption(weights, kinds, shown, blocks, threshold)


Run = tuple[str, int, int]
"""Architecture, filter count, seed."""


def _shown_runs(weights: pd.DataFrame) -> list[Run]:
    """The first seed of each architecture and filter count; architectures as in the table, counts rising."""
    runs = []
    for name in in_order(weights["architecture"]):
        own = weights[weights["architecture"] == name]
        for filters, group in own.groupby("filters"):
            runs.append((name, cast(int, filters), int(group["seed"].to_numpy().min())))
    return runs


def _rows_of(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    match = (table["architecture"] == run[0]) & (table["filters"] == run[1]) & (table["seed"] == run[2])
    return table[match]


def _block(weights: pd.DataFrame, membership: pd.DataFrame, kinds: pd.DataFrame, run: Run, stage: str) -> _Block:
    rows = _rows_of(weights, run).query("stage == @stage").sort_values(["filter", "row", "column"])
    where = f"architecture = {run[0]!r}, filters = {run[1]}, seed = {run[2]}"
    if rows.empty:
        raise TableError("kernels", f"no rows with {where}, stage = {stage!r}")
    shape = tuple(int(rows[c].max()) + 1 for c in ("filter", "row", "column"))
    if len(rows) != math.prod(shape):
        raise TableError("kernels", f"{len(rows)} weights with {where}, stage = {stage!r}; expected {shape}")
    cluster = _rows_of(membership, run).query("stage == @stage").set_index("filter")["cluster"]
    if set(cluster.index) != set(range(shape[0])):
        raise TableError("clusters", f"rows with {where}, stage = {stage!r} are not those of table 'kernels'")
    kind = _rows_of(kinds, run)["equivalence"]
    if kind.empty:
        raise TableError("redundancy", f"no rows with {where}, which table 'kernels' has")
    values = rows["weight"].to_numpy(dtype=np.float64).reshape(shape)
    return arrange(values, cluster.sort_index().to_numpy(), sign_matters=kind.iloc[0] == "positive_scale")


def arrange(kernels: npt.NDArray[np.float64], cluster: npt.NDArray[np.int64], *, sign_matters: bool) -> _Block:
    """Scale, order and number kernels for display.

    Clusters of two or more come first, the largest first, then single filters, then dead ones; within each,
    kernels are ordered by orientation. Where the sign does not matter, kernels of a cluster get one sign.

    Args:
        kernels: the weights  # (filter, row, column)
        cluster: each filter's cluster, -1 for a dead one  # (filter,)
        sign_matters: False where a filter and its negative do the same job.
    """
    largest = np.abs(kernels).max(axis=(1, 2), keepdims=True)
    scaled = np.divide(kernels, largest, out=np.zeros_like(kernels), where=largest > 0)
    sizes = {int(c): int((cluster == c).sum()) for c in np.unique(cluster) if c >= 0}
    first = {c: int(np.flatnonzero(cluster == c)[0]) for c in sizes}
    if not sign_matters:
        for i in range(len(scaled)):
            leader = scaled[first[int(cluster[i])]] if cluster[i] >= 0 else scaled[i]
            if i == first.get(int(cluster[i]), i):
                scaled[i] *= -1.0 if scaled[i].sum() < 0 else 1.0
            elif float((leader * scaled[i]).sum()) < 0:
                scaled[i] *= -1.0
    angles = np.array([_orientation(kernel) for kernel in scaled])

    def place(i: int) -> tuple[float, ...]:
        c = int(cluster[i])
        if c < 0:
            return (2, 0, 0, 0, i)
        if sizes[c] == 1:
            return (1, 0, 0, angles[i], i)
        return (0, -sizes[c], angles[first[c]], c, angles[i], i)

    order = sorted(range(len(scaled)), key=place)
    grouped = in_order(str(cluster[i]) for i in order if cluster[i] >= 0 and sizes[int(cluster[i])] > 1)
    number = {int(c): index for index, c in enumerate(grouped, start=1)}
    return _Block(scaled[order], [number.get(int(cluster[i]), 0) for i in order])


def _orientation(kernel: npt.NDArray[np.float64]) -> float:
    """Angle in radians: of a kernel's gradient, or, with one row or column, from blur (0) to edge (±π/2)."""
    rows, columns = kernel.shape
    down = float((kernel * (np.arange(rows) - (rows - 1) / 2)[:, None]).sum())
    across = float((kernel * (np.arange(columns) - (columns - 1) / 2)).sum())
    if rows == 1 or columns == 1:
        return math.atan2(down + across, float(kernel.sum()))
    return math.atan2(down, across)


def _draw_blocks(shown: list[Run], blocks: dict[tuple[Run, str], _Block]) -> Figure:
    lines = [_line_tops((blocks[run, "initial"], blocks[run, "trained"])) for run in shown]
    heights = [_LABEL_IN + float(tops[-1]) for tops in lines]
    height = _HEADER_IN + sum(heights) + _BLOCK_GAP_IN * (len(shown) - 1) + _FOOTER_IN
    figure = new_figure(DOUBLE_COLUMN_IN, round(height, 2))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))  # the whole page, in inches from its upper left corner
    axes.set_xlim(0, DOUBLE_COLUMN_IN)
    axes.set_ylim(height, 0)
    axes.axis("off")
    lefts = (_MARGIN_IN, _MARGIN_IN + _HALF_IN + _GUTTER_IN)
    for left, stage in zip(lefts, _STAGES, strict=True):
        axes.text(left, 0.04, stage, weight="bold", va="top")
    top = _HEADER_IN
    for run, tops, block_height in zip(shown, lines, heights, strict=True):
        label = f"{display_name(run[0])}, {run[1]} filter" + ("s" if run[1] > 1 else "")
        axes.text(lefts[0], top + 0.02, label, va="top")
        for left, stage in zip(lefts, _STAGES, strict=True):
            _draw_block(axes, blocks[run, stage], left, top + _LABEL_IN + tops)
        top += block_height + _BLOCK_GAP_IN
    _draw_scale(figure, height)
    return figure


def _geometry(shape: tuple[int, ...]) -> tuple[int, float]:
    """How many of these kernels (filter, row, column) stand in a line, and the side of a pixel in inches."""
    count, rows, columns = shape
    pixel = min(_LARGEST_PIXEL_IN, _KERNEL_SIDE_IN / max(rows, columns))
    lines = math.ceil(count / int(_HALF_IN / (columns * pixel + _GAP_IN)))
    return math.ceil(count / lines), pixel  # lines of one length: 100 are 34, 34 and 32, not 37, 37 and 26


def _line_tops(pair: tuple[_Block, _Block]) -> npt.NDArray[np.float64]:
    """Where each line of kernels begins, and where the last ends, in inches; the same for both stages.

    A line has room for brackets only where one of the stages has some.
    """
    count, rows, _ = pair[0].kernels.shape
    per_line, pixel = _geometry(pair[0].kernels.shape)
    heights = [
        rows * pixel + (_BRACKET_IN if any(any(b.groups[i : i + per_line]) for b in pair) else _GAP_IN)
        for i in range(0, count, per_line)
    ]
    return np.concatenate([[0.0], np.cumsum(heights)])


def _draw_block(axes: Axes, block: _Block, left: float, tops: npt.NDArray[np.float64]) -> None:
    count, rows, columns = block.kernels.shape
    per_line, pixel = _geometry(block.kernels.shape)
    x = left + (columns * pixel + _GAP_IN) * (np.arange(count) % per_line)
    y = tops[np.arange(count) // per_line]
    corners = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    origins = np.stack([x, y], axis=1)[:, None, None, :]  # (filter, pixel, corner, xy)
    pixels = origins + pixel * (corners[:, ::-1][None, :, None, :] + square[None, None])
    axes.add_collection(
        PolyCollection(
            list(pixels.reshape(-1, 4, 2)),
            facecolors=_COLORMAP(_NORM(block.kernels.reshape(-1))),
            edgecolors="face",
            linewidths=0.15,  # closes the hairlines that viewers leave between neighbours
        )
    )
    frame = square * np.array([columns * pixel, rows * pixel])
    outlines = np.stack([x, y], axis=1)[:, None] + frame[None]
    axes.add_collection(PolyCollection(list(outlines), facecolors="none", edgecolors="black", linewidths=0.3))
    for i in np.flatnonzero(np.abs(block.kernels).max(axis=(1, 2)) == 0):  # dead: crossed out
        axes.add_collection(LineCollection([outlines[i][[0, 2]], outlines[i][[1, 3]]], colors="black", linewidths=0.4))
    _draw_brackets(axes, block, x, y + rows * pixel, columns * pixel, per_line)


def _draw_brackets(
    axes: Axes,
    block: _Block,
    x: npt.NDArray[np.float64],
    bottom: npt.NDArray[np.float64],
    width: float,
    per_line: int,
) -> None:
    """Under each line, a bracket for every stretch of kernels of one cluster, with the cluster's number."""
    start = 0
    for i in range(1, len(block.groups) + 1):
        if i < len(block.groups) and i % per_line and block.groups[i] == block.groups[start]:
            continue
        if block.groups[start]:
            y, rise = bottom[start] + 0.045, 0.025
            low, high = x[start] + 0.005, x[i - 1] + width - 0.005
            path = [(low, y - rise), (low, y), (high, y), (high, y - rise)]
            axes.add_collection(LineCollection([path], colors="black", linewidths=0.7))
            axes.text(
                (low + high) / 2,
                y + 0.012,
                str(block.groups[start]),
                fontsize=SMALL_TEXT_PT,
                ha="center",
                va="top",
            )
        start = i


def _draw_scale(figure: Figure, height: float) -> None:
    """The colour scale, at the foot of the page."""
    width_in = 1.6
    left = (DOUBLE_COLUMN_IN - width_in) / 2
    axes = figure.add_axes((left / DOUBLE_COLUMN_IN, 0.33 / height, width_in / DOUBLE_COLUMN_IN, 0.08 / height))
    edges = np.linspace(-1, 1, 65)
    axes.pcolormesh(edges, [0, 1], ((edges[1:] + edges[:-1]) / 2)[None], cmap=_COLORMAP, norm=_NORM, edgecolors="face")
    axes.set_yticks([])
    axes.set_xticks([-1, 0, 1], ["\N{MINUS SIGN}1", "0", "1"])
    axes.set_xlabel("weight / largest absolute weight of the kernel", labelpad=1)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _caption(
    weights: pd.DataFrame,
    kinds: pd.DataFrame,
    shown: list[Run],
    blocks: dict[tuple[Run, str], _Block],
    threshold: float,
) -> str:
    findings = []
    for run in shown:
        before, after = (np.count_nonzero(blocks[run, stage].groups) for stage in _STAGES)
        findings.append(f"{display_name(run[0])} with {run[1]:,} filters, {before} before and {after} after training")
    names = in_order(run[0] for run in shown)
    free = [display_name(name) for name in names if _sign_is_free(kinds, name)]
    fixed = [display_name(name) for name in names if not _sign_is_free(kinds, name)]
    seeds = join_words([str(seed) for seed in sorted({run[2] for run in shown})])
    return paragraph(
        f"""Convolution kernels of {join_words([display_name(name) for name in names])} on
        {dataset_name(weights)}, one network each (seed {seeds}; no mean, so no interval). Left: as
        initialised, their null. Right: the same networks trained.""",
        """Each kernel is divided by its largest absolute weight; zero is mid-grey, negative darker,
        positive lighter.""",
        f"""Brackets join near duplicates: clusters of two or more (average linkage, cosine threshold τ =
        {threshold:g}), the largest first, numbered anew in each block. Kernels without a bracket are in no
        cluster. Within a cluster, and among the single ones, the order is by orientation, so places on the
        left and on the right do not correspond.""",
        f"""A filter and its negative do the same job in {join_words(free)}: there, kernels are shown up to
        sign, alike within a cluster."""
        if free
        else "",
        f"""In {join_words(fixed)} the sign counts, and so does the bias, which is part of the comparison
        but not drawn."""
        if fixed
        else "",
        f"Filters in such clusters: {'; '.join(findings)}.",
    )


def _sign_is_free(kinds: pd.DataFrame, name: str) -> bool:
    return bool((kinds.loc[kinds["architecture"] == name, "equivalence"] != "positive_scale").all())
