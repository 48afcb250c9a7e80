"""The look that all figures share: settings, sizes, and how each series is named and drawn."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Literal

import matplotlib as mpl
from matplotlib import style as mpl_style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.tables.by_layer import split_layer

SINGLE_COLUMN_IN = 3.25
DOUBLE_COLUMN_IN = 6.75
SMALL_TEXT_PT = 7.0
"""The size of numbers within a panel."""

NULL_COLOR = "0.55"
NULL_BAND_COLOR = "0.88"
REFERENCE_COLOR = "0.35"

# Any two differ by a CIE76 distance of at least 20 for readers with protanopia and with deuteranopia, and each has a
# lightness of its own, for a print in grey.
COLORS = ("#004488", "#BB5566", "#DDAA33", "#186605", "#62A9D9", "#36D9B8", "#661A38", "#A26DF2")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STAGES = {"initial": "before", "trained": "after"}
"""The stages of training in words."""

REPORTED = {"mnist": (0.92, 0.93)}
"""The test accuracies that the question reports, for its own dataset only."""

_STYLE = Path(__file__).with_name("study.mplstyle")
_SPELLINGS = {"relu": "ReLU", "adam": "Adam", "sgd": "SGD"}


@contextmanager
def style() -> Iterator[None]:
    """Set matplotlib up for these figures, whatever the user's settings are; they are restored on leaving.

    Both drawing and saving belong inside, because matplotlib looks up ticks and fonts late. A function is decorated
    with ``@style()``.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl_style.use(_STYLE)
        yield


@dataclass(frozen=True)
class Look:
    """How the series of a study are named and drawn, the same in every figure.

    Attributes:
        labels: for each architecture its name in words. The order decides colours and markers.
        own: how many of them, the first ones, are the study's own. Others, of experiments, share the remaining colours.
        same: for an experiment's architecture the study's own one that it is under another name; they look alike.
        threshold: the cosine from which two filters count as near duplicates.
        margins: the differences of accuracy (as a share) and of loss (in nats) that do not matter.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    own: int = 0
    same: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 0.95
    margins: Mapping[str, float] = field(default_factory=lambda: {"accuracy": 0.003, "loss": 0.005})

    def label(self, name: str) -> str:
        """The architecture's name in words; that of a deeper layer, ``deep conv2``, with the layer."""
        whole, layer = split_layer(name)
        return (self.labels.get(whole) or readable(whole)) + (f", {readable(layer)}" if layer else "")

    def palette(self, names: Iterable[str]) -> dict[str, str]:
        """The colour of each architecture. Those without a label take the colours after the labelled ones."""
        own = min(self.own, len(COLORS) - 4)
        others = COLORS[own:]
        places = self._places(names).items()
        return {name: COLORS[place] if place < own else others[(place - own) % len(others)] for name, place in places}

    def markers(self, names: Iterable[str]) -> dict[str, str]:
        """The marker of each architecture, chosen as its colour is."""
        return {name: MARKERS[place % len(MARKERS)] for name, place in self._places(names).items()}

    def color(self, name: str) -> str:
        """The colour of one architecture."""
        return self.palette([name])[name]

    def marker(self, name: str) -> str:
        """The marker of one architecture."""
        return self.markers([name])[name]

    def order(self, names: Iterable[str]) -> list[str]:
        """Each architecture once, in the order of the labels."""
        places = self._places(names)
        return sorted(places, key=lambda name: places[name])

    def handles(self, names: Iterable[str], linestyle: Literal["-", "none"] = "-") -> dict[str, Artist]:
        """What a legend shows for each architecture, by its name in words."""
        names = self.order(names)
        colors, markers = self.palette(names), self.markers(names)
        lines = [Line2D([], [], color=colors[name], marker=markers[name], linestyle=linestyle) for name in names]
        return dict(zip(map(self.label, names), lines, strict=True))

    def _places(self, names: Iterable[str]) -> dict[str, int]:
        known = {name: place for place, name in enumerate(self.labels)}
        unknown = [name for name in dict.fromkeys(names) if name not in known]
        places = known | {name: len(known) + i for i, name in enumerate(unknown)}
        return {name: places.get(self.same.get(name, name), places[name]) for name in dict.fromkeys(names)}


def readable(name: str) -> str:
    """A name of the configuration as a reader of a paper expects it.

    >>> readable("relu_wide")
    'ReLU wide'
    """
    words = re.sub(r"(\d+)x(\d+)", "\\1\N{MULTIPLICATION SIGN}\\2", name).split("_")
    return " ".join(_SPELLINGS.get(word, word) for word in words)


def activation_in_words(name: str) -> str:
    """An activation as a reader of a paper expects it."""
    return "no activation" if name == "linear" else readable(name)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure of exactly this printed size, which pyplot does not know. Call it inside ``style()``."""
    return Figure(figsize=(width_in, height_in))


def panel(height_in: float) -> tuple[Figure, Axes]:
    """A figure as wide as a column of text, with one panel, of this printed height."""
    figure = new_figure(SINGLE_COLUMN_IN, height_in)
    return figure, figure.subplots()


def panels(columns: int, height_in: float, *, rows: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the page with a grid of panels, row by row.

    Args:
        columns: how many panels stand abreast.
        height_in: the figure's printed height.
        rows: how many rows of panels there are.
        options: passed to ``Figure.subplots``, such as ``sharey=True``.
    """
    figure = new_figure(DOUBLE_COLUMN_IN, height_in)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def label_panel(axes: Axes, index: int, text: str, *, wrap: int = 100) -> None:
    """Put a bold letter and what the panel shows above the left end of its axes, in lines of ``wrap`` letters."""
    lines = [piece for line in text.splitlines() for piece in textwrap.wrap(line, wrap)]
    axes.set_title(rf"$\mathbf{{{ascii_lowercase[index]}}}$  " + "\n".join(lines), loc="left")


def beside(axes: Axes, text: str, place: tuple[float, float], *, right: bool = True) -> None:
    """Put a small number to the right of a mark, or to its left."""
    side, shift = ("left", 4) if right else ("right", -4)
    axes.annotate(text, place, (shift, 3), textcoords="offset points", ha=side, fontsize=SMALL_TEXT_PT)


def legend_above(figure: Figure, handles: Mapping[str, Any], columns: int) -> None:
    """The figure's one legend, above all panels, where it can cover no data."""
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=columns)


def nothing_to_draw(reason: str) -> Figure:
    """A figure that says why it is empty, for studies in which a question does not arise."""
    figure = new_figure(SINGLE_COLUMN_IN, 1.0)
    figure.text(0.5, 0.5, reason, ha="center", va="center", wrap=True, color=REFERENCE_COLOR)
    return figure
