"""Numbers beside data points, where they cover neither each other nor what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

from filtertwins.figures.style import REFERENCE_COLOR, SMALL_TEXT_PT

_LEADER = {"arrowstyle": "-", "linewidth": 0.4, "color": REFERENCE_COLOR, "shrinkA": 0, "shrinkB": 2}
_LEADER_FROM_PT = 11.0
_GAP_PT = 1.5
"""Between labels abreast: digits that touch read as one number."""

_ON_A_LINE = 40
_ON_A_CIRCLE = 24
"""How many points stand for what is drawn, close enough for no label to slip between them."""

_OVERLAP_COST = 20.0
"""As much as 40 covered points of what is drawn: worth any other place."""

_MOST_FOR_OPTIONAL = 4.0
"""An optional label is left out if its best place costs more."""


@dataclass(frozen=True)
class Label:
    """A short text that belongs to a data point.

    Attributes:
        x: of the point, in data coordinates.
        y: of the point, in data coordinates.
        text: usually a number.
        color: of the text.
        marker_pt: radius of the point's marker, in typographic points, which no label should cover; with zero only
            the point itself counts.
        optional: left out where there is no room.
    """

    x: float
    y: float
    text: str
    color: ColorType = "black"
    marker_pt: float = 0.0
    optional: bool = False


def label_points(
    axes: Axes, labels: Sequence[Label], starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]
) -> None:
    """Write each label beside its point, where it covers least; with a thin line to the point from further away.

    Call it when limits, scales and the figure's layout are final (``figure.draw_without_rendering()``): where there is
    room depends on them.

    Args:
        axes: the axes to write in.
        labels: what is written, the most important first; all optional ones come after the others.
        starts: where straight lines start that should stay visible, in data coordinates  # (line, 2)
        ends: where they end; those that are not finite are not drawn  # (line, 2)
    """
    if not labels:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 (axes made by a figure)
    dpi = figure.dpi

    def in_points(data: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(axes.transData.transform(data)) * 72 / dpi

    points = in_points([(label.x, label.y) for label in labels])
    drawn = np.isfinite(ends).all(axis=1)
    markers = [_circle(point, label.marker_pt) for point, label in zip(points, labels, strict=True) if label.marker_pt]
    obstacles = np.concatenate([_along(in_points(starts[drawn]), in_points(ends[drawn])), points, *markers])
    window = np.asarray(axes.get_window_extent().extents) * 72 / dpi
    centres = _free_places(points, labels, obstacles, window)
    for point, centre, label in zip(points, centres, labels, strict=True):
        if centre is None:
            continue
        axes.annotate(
            label.text,
            xy=tuple(axes.transData.inverted().transform(point * dpi / 72)),
            xytext=tuple(centre - point),
            textcoords="offset points",
            fontsize=SMALL_TEXT_PT,
            color=label.color,
            ha="center",
            va="center_baseline",
            zorder=5,
            arrowprops=_LEADER if np.linalg.norm(centre - point) > _LEADER_FROM_PT else None,
        )


def _along(starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points along straight lines  # (point, 2)."""
    shares = np.linspace(0, 1, _ON_A_LINE)[:, None, None]
    return np.asarray((starts + shares * (ends - starts)).reshape(-1, 2))


def _circle(centre: npt.NDArray[np.float64], radius: float) -> npt.NDArray[np.float64]:
    """Points on a circle  # (point, 2)."""
    angles = np.linspace(0, 2 * math.pi, _ON_A_CIRCLE, endpoint=False)
    return np.asarray(centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def _free_places(
    points: npt.NDArray[np.float64],
    labels: Sequence[Label],
    obstacles: npt.NDArray[np.float64],
    window: npt.NDArray[np.float64],
) -> list[npt.NDArray[np.float64] | None]:
    """For each point a centre for its label nearby, where it covers the fewest obstacles and labels.

    Args:
        points: what is labelled  # (point, 2), in typographic points
        labels: the texts, each given its place before the next.
        obstacles: what should stay visible  # (obstacle, 2)
        window: left, bottom, right and top of the axes.

    Returns:
        The centres; None for an optional label without room.
    """
    boxes: list[npt.NDArray[np.float64]] = []  # left, bottom, right, top of the labels placed so far
    centres: list[npt.NDArray[np.float64] | None] = []
    gap = np.array([_GAP_PT, 0.0])
    for point, label in zip(points, labels, strict=True):
        half = np.array([0.32 * SMALL_TEXT_PT * len(label.text), 0.42 * SMALL_TEXT_PT])
        candidates = list(_candidates(point, half))
        costs = []
        for order, centre in enumerate(candidates):
            box = np.concatenate([centre - half, centre + half])
            inside = np.all((obstacles > box[:2] - 0.5) & (obstacles < box[2:] + 0.5), axis=1).sum()
            overlaps = sum(bool(np.all(box[:2] < b[2:] + gap) and np.all(box[2:] > b[:2] - gap)) for b in boxes)
            outside = bool(np.any(box[:2] < window[:2]) or np.any(box[2:] > window[2:]))
            costs.append(0.5 * inside + _OVERLAP_COST * (overlaps + outside) + 0.15 * order)
        best = int(np.argmin(costs))
        if label.optional and costs[best] > _MOST_FOR_OPTIONAL:
            centres.append(None)
            continue
        boxes.append(np.concatenate([candidates[best] - half, candidates[best] + half]))
        centres.append(candidates[best])
    return centres


def _candidates(point: npt.NDArray[np.float64], half: npt.NDArray[np.float64]) -> Iterator[npt.NDArray[np.float64]]:
    """Places around a point, the nearest and the upper ones first."""
    for distance in (2.5, 5.0, 9.0, 14.0, 20.0):
        for degrees in (45, 135, 315, 225, 0, 180, 90, 270):
            direction = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
            yield point + direction * (half + distance)
