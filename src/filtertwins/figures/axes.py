"""The axes of the study: filter counts, training steps, and accuracy at any accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import MaxNLocator, NullLocator

_RATIOS = (0.06, 0.12, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0)
"""The numbered ticks of an axis of ratios."""

_APART = 1.45
"""Two numbers of filters can both be written where they differ by more than this factor."""


def filters_axis(axes: Axes, counts: Iterable[int], label: str = "Number of filters") -> None:
    """Make x a logarithmic axis whose ticks are the filter counts themselves.

    Where they are crowded, the count that occurs most often has its number, and of such ones the largest.
    """
    often = Counter(counts)
    ticks = sorted(often)
    axes.set_xscale("log", base=2)
    axes.set_xlim(ticks[0] * 2**-0.6, ticks[-1] * 2**0.6)
    named: list[int] = []
    for tick in sorted(ticks, key=lambda it: (-often[it], -it)):
        if all(abs(math.log(tick / other)) > math.log(_APART) for other in named):
            named.append(tick)
    numbered_ticks(axes.xaxis, ticks, [str(tick) if tick in named else "" for tick in ticks])
    axes.set_xlabel(label)


def numbered_ticks(axis: XAxis | YAxis, ticks: Iterable[float], words: Sequence[str] | None = None) -> None:
    """Put these ticks on an axis and no others, each with its own number or with these words."""
    ticks = list(ticks)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, labels=words or [f"{tick:g}" for tick in ticks])


def steps_axis(axes: Axes) -> None:
    """Make x a logarithmic axis of training steps that begins at step 0."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("Training step")


def ratio_axis(axes: Axes, ratios: pd.DataFrame, reach: float = math.inf) -> None:
    """Make y a logarithmic axis of ratios that always shows 1.

    Args:
        axes: the axes to change.
        ratios: with the columns ``ratio``, ``ratio_low`` and ``ratio_high``. All ratios are in view.
        reach: how many times as far as the ratios the axis goes at most. An interval that ends beyond that is cut.
    """
    low = min(0.7, max(0.95 * ratios["ratio_low"].min(), ratios["ratio"].min() / reach))
    high = max(1.4, min(1.05 * ratios["ratio_high"].max(), ratios["ratio"].max() * reach))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    numbered_ticks(axes.yaxis, [tick for tick in _RATIOS if low <= tick <= high])


def accuracy_axis(axis: XAxis | YAxis, percents: npt.ArrayLike) -> None:
    """An axis of accuracy in percent with at least three numbered ticks, whatever the accuracies.

    Where the errors differ by more than a factor of four, it is logarithmic in the error, so that one network that
    learnt nothing does not flatten all others.

    Args:
        axis: the axis to change, ``axes.yaxis`` or ``axes.xaxis``.
        percents: all accuracies that must be in view. Missing ones are ignored, and so are those above 100 %, where an
            interval can end.
    """
    shown = np.asarray(percents, dtype=np.float64)
    errors = 100 - shown[shown <= 100]
    finest = min(0.05, errors[errors > 0].min(initial=100) / 2)  # where a perfect accuracy stands on the logarithm
    low, high = errors.min(initial=100), errors.max(initial=0)
    ratio = max(high, finest) / max(low, finest)
    set_scale = axis.axes.set_yscale if isinstance(axis, YAxis) else axis.axes.set_xscale
    if ratio < 4:
        set_scale("linear")
        margin = max(0.07 * (high - low), 0.02 * high, 0.06)
        limits = max(0.0, 100 - high - margin), 100 - low + margin
        ticks = np.asarray(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3).tick_values(*limits))
    else:
        functions = (lambda p: -np.log(np.maximum(100 - p, finest / 2)), lambda t: 100 - np.exp(-t))
        set_scale("function", functions=functions)
        margin = ratio**0.06
        limits = 100 - min(100.0, high * margin), 100 - max(low, finest) / margin
        ticks = np.sort([100 - d * 10.0**power for power in range(-4, 3) for d in _error_ticks(ratio)])
    ticks = ticks[(ticks >= limits[0]) & (ticks <= min(100.0, limits[1]))].round(6)
    axis.set_view_interval(*limits, ignore=True)
    numbered_ticks(axis, ticks)


def _error_ticks(ratio: float) -> tuple[float, ...]:
    """The numbered errors within a power of ten, for an axis whose largest and smallest error have this ratio."""
    if ratio >= 200:
        return (1, 3)
    return (1, 2, 5) if ratio >= 15 else (1, 1.5, 2, 3, 5, 7)
