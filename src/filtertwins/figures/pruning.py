"""How accurate are networks with fewer filters, by how these are chosen?"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.axes import accuracy_axis, filters_axis
from filtertwins.figures.series import draw_lines, measured, networks, with_ends
from filtertwins.figures.style import (
    COLORS,
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)
from filtertwins.labels import method_name
from filtertwins.names import COSINE_MERGE, RANDOM, SELECTED, UNPRUNED

_OTHER = "0.85"
_MOST_PANELS = 4
_THIN = 1.1
_SERIES = {  # of each method that is drawn its words, colour, marker and width; the claims are about the first one
    SELECTED: ("criterion chosen on other seeds", COLORS[6], "P", 2.4),
    COSINE_MERGE: (method_name(COSINE_MERGE), COLORS[5], "D", _THIN),
    RANDOM: (method_name(RANDOM), "0.35", "X", _THIN),
}


@style()
def draw(pruning_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the test accuracy of pruned networks against the number of filters kept, a panel for each architecture.

    Args:
        pruning_means: means over seeds of the accuracy, by method and stage; the method ``selected`` is for each seed
            the criterion that is best on the validation images of the others.
        look: how series are named and drawn.
    """
    means = measured(pruning_means, "test_accuracy", percent=True)
    if (means["method"] == UNPRUNED).all():
        return nothing_to_draw("No network was pruned.")
    shown = networks(means, look, _MOST_PANELS)
    figure, grid = panels(len(shown), 2.5)
    for index, (name, filters, own) in enumerate(shown):
        _draw_panel(grid[index], own)
        grid[index].set_xlabel(f"Filters kept of {filters}")
        label_panel(grid[index], index, look.label(name))
    grid[0].set_ylabel("Test accuracy (%)")
    legend_above(figure, _legend(), columns=3)
    return figure


def _draw_panel(axes: Axes, means: pd.DataFrame) -> None:
    """One architecture's networks: fine-tuned with solid lines, and as pruned with dashed ones."""
    tuned = means[means["fine_tuning_steps"] > 0]
    raw = means[means["fine_tuning_steps"] == 0]
    for mean, low, high in tuned.loc[tuned["method"] == UNPRUNED, ["mean", "low", "high"]].to_numpy():
        axes.axhspan(low, high, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
        axes.axhline(mean, color=NULL_COLOR, linewidth=1.4, zorder=1)
    others = tuned[~tuned["method"].isin([UNPRUNED, *_SERIES])].groupby("kept")["mean"]
    axes.fill_between(others.min().index, others.min(), others.max(), color=_OTHER, linewidth=0, zorder=0.5)
    for stage, line in ((tuned, "-"), (raw, (0, (2, 1.5)))):
        _draw_series(axes, stage[stage["method"].isin(list(_SERIES))], line)
    pruned = means[means["method"] != UNPRUNED]
    filters_axis(axes, pruned["kept"])
    accuracy_axis(axes.yaxis, means[["mean", "low", "high"]])
    axes.set_ylabel("")


def _draw_series(axes: Axes, rows: pd.DataFrame, line: Any) -> None:
    names = list(_SERIES)
    _, colors, markers, widths = (dict(zip(names, looks, strict=True)) for looks in zip(*_SERIES.values(), strict=True))
    sizes = widths if line == "-" else dict.fromkeys(names, _THIN)
    looks = {"palette": colors, "markers": markers, "sizes": sizes}
    draw_lines(axes, with_ends(rows), x="kept", hue="method", size="method", order=names, linestyle=line, **looks)


def _legend() -> dict[str, Line2D | Patch]:
    handles: dict[str, Line2D | Patch] = {
        words: Line2D([], [], color=color, marker=marker, linewidth=width)
        for words, color, marker, width in _SERIES.values()
    }
    handles["means of other criteria"] = Patch(color=_OTHER)
    handles["as pruned, before fine-tuning"] = Line2D([], [], color=REFERENCE_COLOR, linestyle=(0, (2, 1.5)))
    handles["unpruned, trained on as long"] = Line2D([], [], color=NULL_COLOR, linewidth=1.4)
    return handles
