"""The look that all figures share: sizes, fonts, series that differ without colour, axes of filter counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

SINGLE_COLUMN_IN = 3.25
DOUBLE_COLUMN_IN = 6.75
PNG_DPI = 300

TEXT_PT = 8.0
TIMES = "\N{MULTIPLICATION SIGN}"

LineStyle = Literal["solid"] | tuple[float, tuple[float, ...]]

SMALL_TEXT_PT = 7.0
"""Only for numbers beside data points."""

NULL_COLOR = "0.55"
NULL_BAND_COLOR = "0.89"
REFERENCE_COLOR = "0.35"

# Paul Tol's high-contrast set first (its three colours differ in grey too), then his vibrant and muted ones.
_COLORS = ("#004488", "#BB5566", "#DDAA33", "#009988", "#882255", "#33AADD")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINESTYLES: tuple[LineStyle, ...] = (
    "solid",
    (0.0, (5.0, 1.5)),
    (0.0, (1.0, 1.0)),
    (0.0, (5.0, 1.5, 1.0, 1.5)),
    (0.0, (9.0, 2.0)),
    (0.0, (3.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
)

_TICKS_BETWEEN = (98.5, 97.5, 96.5, 95.5, 92.5, 91.5, 89, 88)
_ACCURACY_TICKS = (90, 98, 50, 80, 95, 99, 10, 99.5, 99.9, 70, 92, 97, 96, 94, 93, 91, 85, *_TICKS_BETWEEN)
"""Places for ticks, the roundest first; those too near to one before them are left out."""

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # bundled with matplotlib: the same bytes on every machine
    "mathtext.fontset": "dejavusans",
    "font.size": TEXT_PT,
    "axes.labelsize": TEXT_PT,
    "axes.titlesize": TEXT_PT,
    "xtick.labelsize": TEXT_PT,
    "ytick.labelsize": TEXT_PT,
    "legend.fontsize": TEXT_PT,
    "figure.dpi": 100,
    "savefig.dpi": PNG_DPI,
    "savefig.bbox": None,  # "tight" would change the printed size
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    "svg.fonttype": "none",
    "svg.hashsalt": "filter-twins",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=_COLORS),
    "axes.axisbelow": True,
    "axes.titlepad": 4.0,
    "axes.labelpad": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.0,
    "lines.markeredgewidth": 0.8,
    "patch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.3,
    "legend.borderaxespad": 0.2,
}


_SPELLINGS = {"relu": "ReLU", "adam": "Adam", "sgd": "SGD"}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for these figures, whatever the machine's own; restored on leaving.

    Drawing *and* saving belong inside: ticks and fonts are resolved late.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # its keys are a Literal of hundreds
        yield


@dataclass(frozen=True)
class Series:
    """How one architecture is drawn, in every figure."""

    color: str
    marker: str
    linestyle: LineStyle


def series_styles(names: Iterable[str]) -> dict[str, Series]:
    """A style for each name, in order. Markers and lines differ too, so the series survive a grey print."""
    return {
        name: Series(
            _COLORS[index % len(_COLORS)],
            _MARKERS[index % len(_MARKERS)],
            _LINESTYLES[index % len(_LINESTYLES)],
        )
        for index, name in enumerate(names)
    }


def display_name(architecture: str) -> str:
    """The architecture's name as a reader of a paper expects it.

    >>> display_name("relu_wide")
    'ReLU wide'
    """
    words = re.sub(r"(\d+)x(\d+)", rf"\1{TIMES}\2", architecture).split("_")
    return " ".join(_SPELLINGS.get(word, word) for word in words)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure of exactly this printed size, unknown to pyplot. Call inside ``style()``."""
    return Figure(figsize=(width_in, height_in))


def filters_axis(axes: Axes, counts: Iterable[int], *, room_right: float = 0.0) -> None:
    """Make x a log2 axis whose ticks are the filter counts themselves.

    Args:
        axes: the axes to change.
        counts: the filter counts of the study; all are ticks, and labelled where there is room.
        room_right: extra room beyond the largest count, in doublings.
    """
    ticks = sorted(set(counts))
    axes.set_xscale("log", base=2)
    axes.set_xlim(ticks[0] * 2**-0.6, ticks[-1] * 2 ** (0.5 + room_right))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, _labels_with_room(axes, ticks))
    axes.set_xlabel("Number of filters")


def _labels_with_room(axes: Axes, ticks: list[int]) -> list[str]:
    """Labels for as many ticks as fit without touching, the largest count always among them."""
    low, high = axes.get_xlim()
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 (axes made by a figure)
    width_pt = axes.get_position().width * figure.get_size_inches()[0] * 72
    x_pt = [width_pt * math.log2(tick / low) / math.log2(high / low) for tick in ticks]
    half_pt = [0.32 * TEXT_PT * len(str(tick)) for tick in ticks]
    labels = [""] * len(ticks)
    limit = float("inf")
    for index in reversed(range(len(ticks))):
        if x_pt[index] + half_pt[index] + 2 <= limit:
            labels[index] = str(ticks[index])
            limit = x_pt[index] - half_pt[index]
    return labels


def scale_by_error(axes: Axes, shown: Sequence[float], *, finest: float) -> None:
    """An axis of accuracy that is logarithmic in the error, so that a network that learnt nothing flattens no other.

    Args:
        axes: the axes whose y is changed.
        shown: all accuracies that must be in view, in percent.
        finest: the smallest error told from none, in percent: a perfect accuracy is infinitely far.
    """
    best = 100 - finest

    def forward(percent: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(-np.log10(100 - np.minimum(percent, best)))

    def inverse(position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(100 - 10 ** -np.asarray(position, dtype=float))

    axes.set_yscale("function", functions=(forward, inverse))
    bottom, top = float(forward(min(shown))), float(forward(max(shown)))
    margin = 0.06 * max(top - bottom, 0.05)
    bottom, top = bottom - margin, top + margin
    axes.set_ylim(*inverse([bottom, top]))
    ticks: list[float] = []
    for tick in _ACCURACY_TICKS:
        place = (forward(tick) - bottom) / (top - bottom)
        if 0 <= place <= 1 and all(abs(forward(other) - forward(tick)) > 0.075 * (top - bottom) for other in ticks):
            ticks.append(tick)
    axes.set_yticks(sorted(ticks), labels=[f"{tick:g}" for tick in sorted(ticks)])
    axes.set_yticks([], minor=True)


def draw_runs(
    axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, look: Series, *, alpha: float = 0.4, zorder: float = 2
) -> None:
    """Single runs, as small faint markers of their series; what they add up to is drawn over them."""
    axes.plot(x, y, look.marker, color=look.color, markersize=2.0, markeredgewidth=0, alpha=alpha, zorder=zorder)


def label_panel(axes: Axes, index: int, text: str) -> None:
    """Put a bold letter (a, b, ..., z, aa, ab, ...) and what the panel shows above the axes' left end."""
    letter = ascii_lowercase[index % 26]
    if index >= 26:
        letter = ascii_lowercase[index // 26 - 1] + letter
    axes.set_title(rf"$\mathbf{{{letter}}}$" + f"  {text}", loc="left")


def legend_above(figure: Figure, handles: Mapping[str, Artist], columns: int) -> None:
    """A legend above all panels, where it can cover no data."""
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=columns,
    )
