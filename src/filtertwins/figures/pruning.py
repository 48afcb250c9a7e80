"""How accurate are networks with fewer filters, by how these are chosen?"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import accuracy_axis, draw_lines, filters_axis, measured, with_ends
from filtertwins.figures.methods import RANDOM, method_color, method_marker, method_name
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
from filtertwins.names import COSINE_MERGE, UNPRUNED

_CHOSEN = "chosen"
_OTHER = "0.75"
_MOST_PANELS = 4
_COLORS = {_CHOSEN: COLORS[6]} | {method: method_color(method) for method in (COSINE_MERGE, RANDOM)}
_MARKERS = {_CHOSEN: "v"} | {method: method_marker(method) for method in (COSINE_MERGE, RANDOM)}
_NAMES = {_CHOSEN: "best on validation images"} | {method: method_name(method) for method in (COSINE_MERGE, RANDOM)}


@style()
def draw(pruning_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the test accuracy of pruned networks against the number of filters kept, a panel for each architecture.

    Args:
        pruning_means: means over seeds of the accuracy, by method and stage; ``selected`` marks, for each number of
            filters kept, the method of the best validation accuracy.
        look: how series are named and drawn.
    """
    means = measured(pruning_means, "test_accuracy", percent=True)
    networks = means[means["method"] != UNPRUNED].drop_duplicates(["architecture", "filters"])
    order = look.order(networks["architecture"])
    networks = networks.sort_values("architecture", key=lambda names: names.map(order.index), kind="stable")
    if networks.empty:
        return nothing_to_draw("No network was pruned.")
    shown = networks.head(_MOST_PANELS)
    figure, grid = panels(len(shown), 2.5)
    for index, (name, filters) in enumerate(zip(shown["architecture"], shown["filters"], strict=True)):
        own = means[(means["architecture"] == name) & (means["filters"] == filters)]
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
    selected = means["selected"].astype(bool)
    chosen = means.loc[selected, ["kept", "method"]].drop_duplicates()
    for stage, line in ((tuned, "-"), (raw, (0, (2, 1.5)))):
        others = stage[~stage["method"].isin([UNPRUNED, COSINE_MERGE, RANDOM])]
        for _, own in others.groupby("method"):
            axes.plot(own["kept"], own["mean"], color=_OTHER, linewidth=0.6, linestyle=line, zorder=1.5)
        best = stage.merge(chosen, on=["kept", "method"]).assign(method=_CHOSEN)
        _draw_series(axes, pd.concat([stage[stage["method"].isin([RANDOM, COSINE_MERGE])], best]), line)
    pruned = means[means["method"] != UNPRUNED]
    filters_axis(axes, pruned["kept"])
    accuracy_axis(axes.yaxis, means[["mean", "low", "high"]])
    axes.set_ylabel("")


def _draw_series(axes: Axes, rows: pd.DataFrame, line: object) -> None:
    draw_lines(
        axes,
        with_ends(rows),
        x="kept",
        hue="method",
        order=list(_COLORS),
        palette=_COLORS,
        markers=_MARKERS,
        linestyle=line,
    )


def _legend() -> dict[str, Line2D]:
    handles = {_NAMES[name]: Line2D([], [], color=_COLORS[name], marker=_MARKERS[name]) for name in _COLORS}
    handles["other criteria"] = Line2D([], [], color=_OTHER, linewidth=0.6)
    handles["as pruned, before fine-tuning"] = Line2D([], [], color=REFERENCE_COLOR, linestyle=(0, (2, 1.5)))
    handles["unpruned, trained on as long"] = Line2D([], [], color=NULL_COLOR, linewidth=1.4)
    return handles
