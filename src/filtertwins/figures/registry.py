"""Figures of files beside the config. Those of the package are modules, see :mod:`filtertwins.figures`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from filtertwins.errors import StudyError
from filtertwins.extensions import Registry
from filtertwins.figures.style import style
from filtertwins.mistakes import did_you_mean

Draw = Callable[..., Figure]


@dataclass(frozen=True)
class Drawing:
    """A figure in the registry."""

    draw: Draw
    tables: tuple[str, ...]  # that it is drawn from
    optional: tuple[str, ...]  # that it can do without
    caption: str

    def require(self, tables: Collection[str]) -> None:
        """Check that a study makes the tables that it is drawn from.

        Raises:
            StudyError: names those that it does not make.
        """
        if missing := [name for name in self.tables if name not in tables]:
            near = "".join(did_you_mean(name, tables) for name in missing)
            name = self.draw.__name__
            raise StudyError(f"the figure {name} reads {', '.join(missing)}, which this study does not make{near}")


FIGURES: Registry[Drawing] = Registry("figure", taken={path.stem for path in Path(__file__).parent.glob("*.py")})


def figure(caption: str) -> Callable[[Draw], Draw]:
    """Enter a function that draws a figure, in the style of all figures.

    Its positional parameters are named after the tables that it reads; a table whose default is None may be missing.
    Its parameter ``look`` says how series are named and drawn.

    Args:
        caption: what the figure shows and how to read it; a claim's name in braces stands for what it found.

    Raises:
        StudyError: it reads no table, or has no look.
    """

    def register(function: Draw) -> Draw:
        parameters = inspect.signature(function).parameters
        tables = {name: own for name, own in parameters.items() if own.kind is own.POSITIONAL_OR_KEYWORD}
        if not tables or set(parameters) - set(tables) != {"look"}:
            form = f"{function.__name__}(table, *, look)"
            raise StudyError(f"the figure {function.__name__}: its parameters must be as in {form}, the tables by name")
        optional = tuple(name for name, own in tables.items() if own.default is not own.empty)
        needed = tuple(name for name in tables if name not in optional)
        FIGURES.enter(function, Drawing(style()(function), needed, optional, caption))
        return function

    return register


def drawing(name: str) -> Draw:
    """The function that draws a figure."""
    if name in FIGURES:
        return FIGURES[name].draw
    draw: Draw = importlib.import_module(f"filtertwins.figures.{name}").draw
    return draw
