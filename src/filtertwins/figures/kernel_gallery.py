"""Kernels before and after training: those of three weights as points on a disc, larger ones as images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Rectangle

from filtertwins.figures.disc import places_on_disc
from filtertwins.figures.style import (
    REFERENCE_COLOR,
    SMALL_TEXT_PT,
    STAGES,
    Look,
    label_panel,
    legend_above,
    panels,
    style,
)

_OF_THREE = ((3, 1, 1), (1, 3, 1))
"""Rows, columns and channels of kernels that are drawn as directions."""

_ALONE, _FAINT = "0.6", 0.35
_RIM: dict[str, Any] = {"ha": "center", "va": "center", "color": REFERENCE_COLOR, "fontsize": SMALL_TEXT_PT}
"""How filters without near duplicates, circles, and the words around a disc look."""


@dataclass(frozen=True)
class _Network:
    """The kernels of one network at both stages, in one order.

    Attributes:
        kernels: for each stage the weights  # (filter, row, column, channel)
        clustered: for each stage which filters share a cluster of near duplicates; dead ones have none  # (filter,)
    """

    name: str
    kernels: dict[str, npt.NDArray[np.float64]]
    clustered: dict[str, npt.NDArray[np.bool_]]
    ignores_sign: bool


@style()
def draw(kernels: pd.DataFrame, clusters: pd.DataFrame, redundancy: pd.DataFrame, *, look: Look) -> Figure:
    """Draw one network with kernels of three weights and one with larger ones, each before and after training.

    Args:
        kernels: one row a weight of the networks that may be shown; of each architecture the first seed of the largest
            filter count is.
        clusters: one row a network, stage and filter.
        redundancy: one row a network and stage; it says whether a kernel's sign matters.
        look: how series are named and drawn.
    """
    shown = []
    for name in _chosen(kernels, look):
        own = kernels[kernels["architecture"] == name]
        own = own[own["filters"] == own["filters"].max()]
        shown.append(_network(own[own["seed"] == own["seed"].min()], clusters, redundancy))
    figure, axes = panels(2 * len(shown), 2.65 if len(shown) > 1 else 3.6)
    handles: dict[str, Artist] = {}
    for place, (network, stage) in enumerate((network, stage) for network in shown for stage in STAGES):
        panel = axes[place]
        if network.kernels[stage].shape[1:] in _OF_THREE:
            _draw_disc(panel, network, stage, look)
            handles["in a cluster of near duplicates"] = Patch(color=look.color(network.name), alpha=_FAINT)
            handles["in none"] = Patch(color=_ALONE, alpha=_FAINT)
        else:
            draw_images(panel, network.kernels[stage], network.clustered[stage])
            handles["framed: in a cluster"] = Patch(fill=False)
        count = len(network.kernels[stage])
        label_panel(panel, place, f"{look.label(network.name)}\n{count} filters, {STAGES[stage]}", wrap=23)
    images = [panel for panel in axes if panel.collections]
    if images:
        bar = figure.colorbar(images[0].collections[0], ax=images, location="bottom", panchor="N", pad=0.02, aspect=30)
        bar.set_label("Weight / largest weight of its kernel")
        bar.set_ticks([-1, 0, 1])
        bar.outline.set_visible(False)
    legend_above(figure, handles, columns=len(handles))
    return figure


def _chosen(kernels: pd.DataFrame, look: Look) -> list[str]:
    """The first architecture whose kernels have three weights, and the first whose kernels are the largest."""
    names = look.order(kernels["architecture"])
    ends = kernels.groupby("architecture")[["row", "column", "channel"]].max() + 1
    sizes = ends.prod(axis=1)
    three = [name for name in names if sizes[name] == 3 == ends.loc[name, ["row", "column"]].max()]
    larger = [name for name in names if sizes[name] == sizes.max() and name not in three]
    return [*three[:1], *larger[:1]]


def _network(weights: pd.DataFrame, clusters: pd.DataFrame, redundancy: pd.DataFrame) -> _Network:
    """The kernels of one network, ordered by the clusters after training, the largest first, and by orientation."""
    name, count, seed = (weights[column].iloc[0] for column in ("architecture", "filters", "seed"))
    own = clusters[(clusters["architecture"] == name) & (clusters["filters"] == count) & (clusters["seed"] == seed)]
    kind = redundancy.loc[redundancy["architecture"] == name, "equivalence"].iloc[0]
    values, members, axes = {}, {}, ["filter", "row", "column", "channel"]
    for stage in STAGES:
        rows = weights[weights["stage"] == stage].sort_values(axes)
        shape = tuple(int(rows[column].max()) + 1 for column in axes)
        values[stage] = rows["weight"].to_numpy(dtype=np.float64).reshape(shape)
        members[stage] = own[own["stage"] == stage].sort_values("filter")["cluster"]
    sizes = members["trained"].map(members["trained"].value_counts()).where(members["trained"] >= 0, 0)
    angles = [_orientation(kernel.mean(axis=2)) for kernel in values["trained"]]
    shared = {stage: np.asarray(own.duplicated(keep=False) & (own >= 0)) for stage, own in members.items()}
    order = np.lexsort((angles, members["trained"].where(sizes > 1, -1), -sizes))
    return _Network(
        name=str(name),
        kernels={stage: values[stage][order] for stage in STAGES},
        clustered={stage: shared[stage][order] for stage in STAGES},
        ignores_sign=bool(kind != "positive_scale"),
    )


def _orientation(kernel: npt.NDArray[np.float64]) -> float:
    """The direction in which a kernel's weights rise, in radians."""
    rows, columns = (np.arange(length) - (length - 1) / 2 for length in kernel.shape)
    return math.atan2(float(rows @ kernel.sum(axis=1)), float(kernel.sum(axis=0) @ columns))


def _draw_disc(axes: Axes, network: _Network, stage: str, look: Look) -> None:
    """Each kernel's direction on an equal-area map of the sphere, or of half of it where the sign does not matter.

    A circle has the area of the directions within half the near duplicates' angle, so near duplicates overlap.
    """
    points, rim = places_on_disc(network.kernels[stage].reshape(-1, 3), ignores_sign=network.ignores_sign)
    radius = 2 * math.sin(math.acos(look.threshold) / 4)
    disc = axes.add_patch(Circle((0, 0), rim, facecolor="0.96", edgecolor=REFERENCE_COLOR, linewidth=0.6))
    places = np.column_stack([points, network.clustered[stage]])
    for x, y, alike in places[~np.isnan(points[:, 0])]:
        color = look.color(network.name) if alike else _ALONE
        circle = axes.add_patch(Circle((x, y), radius, facecolor=color, alpha=_FAINT, edgecolor="none"))
        circle.set_clip_path(disc)
        axes.plot(x, y, ".", color=color, markersize=2)
    for words, x, y, turned in (("edge", -1, 0, 90), ("edge", 1, 0, -90), ("line", 0, 1, 0), ("line", 0, -1, 0)):
        axes.text(1.09 * rim * x, 1.09 * rim * y, words, rotation=turned, **_RIM)
    axes.set(xlim=(-1.16 * rim, 1.16 * rim), ylim=(-1.16 * rim, 1.16 * rim), aspect="equal", anchor="N")
    axes.set(xticks=[], yticks=[], xlabel="middle: blur")
    axes.spines[:].set_visible(False)


def draw_images(axes: Axes, kernels: npt.NDArray[np.float64], framed: npt.NDArray[np.bool_]) -> None:
    """Each kernel, (filter, row, column[, channel]), as an image divided by its largest weight; some have a frame.

    Three channels are colours, with grey for 0. Of another number of channels the mean is shown.
    """
    kernels = kernels if kernels.ndim == 4 else kernels[..., np.newaxis]
    in_colour = kernels.shape[3] == 3
    shown = kernels if in_colour else kernels.mean(axis=3, keepdims=True)
    count, rows, columns, channels = shown.shape
    abreast = math.ceil(math.sqrt(count * (rows + 1) / (columns + 1)))
    lines = math.ceil(count / abreast)
    page = np.full((lines * (rows + 1), abreast * (columns + 1), channels), np.nan)
    largest = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
    for i, kernel in enumerate(shown / np.where(largest > 0, largest, 1)):
        top, left = (i // abreast) * (rows + 1), (i % abreast) * (columns + 1)
        page[top : top + rows, left : left + columns] = kernel
        if framed[i]:
            axes.add_patch(Rectangle((left, top), columns, rows, fill=False, linewidth=0.7, zorder=3))
    if in_colour:
        colours = np.where(np.isnan(page), 1, (1 + page) / 2)
        axes.imshow(colours, extent=(0, page.shape[1], page.shape[0], 0), interpolation="nearest")
        axes.set(xticks=[], yticks=[], xlabel="Red, green, blue;\ngrey: weight 0")
        axes.spines[:].set_visible(False)
        return
    options = {"cmap": "vlag", "center": 0, "vmin": -1, "vmax": 1, "cbar": False}
    sns.heatmap(page[..., 0], **options, square=True, xticklabels=False, yticklabels=False, ax=axes)
