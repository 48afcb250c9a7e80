"""Do filters that start equal stay equal, and how fast do nearly equal ones part?"""

from __future__ import annotations

import math

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from filtertwins.figures.axes import steps_axis
from filtertwins.figures.series import draw_lines, measured, near_twins, with_ends
from filtertwins.figures.style import (
    NULL_COLOR,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    readable,
    style,
)

_EQUAL, _APART = "0.25", "0.93"
_MOST_ACTIVATIONS = 2
_MOST_STEP_NUMBERS = 8


@style()
def draw(twins_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw which planted twins are still equal, step by step, and how far near twins have parted.

    Args:
        twins_means: means over networks of whether twins are equal, and of how much farther apart near twins are.
        look: how series are named and drawn.
    """
    rows = twins_means[twins_means["second_filter"] == "twin"]
    rows = rows[rows["filters"] == rows.groupby("architecture")["filters"].transform("max")]
    activations = list(dict.fromkeys(rows["activation"]))[:_MOST_ACTIVATIONS]
    rows = rows[rows["activation"].isin(activations)]
    equal = measured(rows[rows["epsilon"] == 0], "equal")
    near = measured(near_twins(rows), "growth")
    if equal.empty and near.empty:
        return nothing_to_draw("No twins were planted.")
    words = _trainings(rows, look)
    for part in (equal, near):
        part["training"] = part["architecture"].map(words)
    looks = _looks(words, look)
    figure, grid = panels(2, 0.75 + 1.7 * len(activations), rows=len(activations), sharex="col", width_ratios=[1.25, 1])
    for index, activation in enumerate(activations):
        left, right = grid[2 * index : 2 * index + 2]
        name = "no activation" if activation == "linear" else readable(activation)
        _draw_equal(left, equal[equal["activation"] == activation])
        label_panel(left, 2 * index, f"{name}: are equal twins still equal?")
        if index:
            right.sharey(grid[1])
        _draw_near(right, near[near["activation"] == activation], looks)
        label_panel(right, 2 * index + 1, f"{name}: do near twins part?")
        start = f"\n(both moved by {near['epsilon'].iloc[0]:g})" if len(near) else ""
        right.set_ylabel(f"Growth of the distance{start}")
    for axes in grid[:-2]:
        axes.set_xlabel("")
    legend_above(figure, _legend(looks), columns=4)
    return figure


def _trainings(rows: pd.DataFrame, look: Look) -> dict[str, str]:
    """How each architecture was trained: its name without the activation, which the panel gives, and what all share."""
    activations = rows.drop_duplicates("architecture").set_index("architecture")["activation"]
    labels = {str(name): look.label(str(name)) for name in activations.index}
    words = {
        name: [word for word in label.split(", ") if word not in ("no activation", readable(activations[name]))]
        for name, label in labels.items()
    }
    shared = set.intersection(*map(set, words.values()))
    return {name: ", ".join(word for word in words[name] if word not in shared) or labels[name] for name in labels}


def _looks(trainings: dict[str, str], look: Look) -> dict[str, tuple[str, str]]:
    """The colour and marker of each training, which are those of the first architecture that is trained so."""
    first = {training: name for name, training in reversed(trainings.items())}
    colors, markers = look.palette(trainings), look.markers(trainings)
    return {training: (colors[first[training]], markers[first[training]]) for training in trainings.values()}


def _draw_equal(axes: Axes, equal: pd.DataFrame) -> None:
    """A heat map: a row for each training, a column for each recorded step."""
    if equal.empty:
        axes.set_axis_off()
        return
    order = list(dict.fromkeys(equal["training"]))
    shares = equal.pivot_table(index="training", columns="step", values="mean").loc[order]
    shades = LinearSegmentedColormap.from_list("equal", [_APART, _EQUAL])
    settings = {"vmin": 0, "vmax": 1, "cmap": shades, "cbar": False, "linewidths": 0.6, "linecolor": "white"}
    sns.heatmap(shares, xticklabels=math.ceil(shares.shape[1] / _MOST_STEP_NUMBERS), ax=axes, **settings)
    axes.set(xlabel="Training step", ylabel="")
    axes.tick_params(length=0, rotation=0)


def _draw_near(axes: Axes, near: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    """Lines of how many times farther apart near twins are than at the start."""
    axes.axhline(1, color=NULL_COLOR, linewidth=1.4, zorder=1)
    rows, order = with_ends(near[near["mean"] > 0]), [name for name in looks if name in set(near["training"])]
    colors, markers = ({name: looks[name][place] for name in order} for place in (0, 1))
    draw_lines(axes, rows, x="step", hue="training", order=order, palette=colors, markers=markers)
    steps_axis(axes)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")


def _legend(looks: dict[str, tuple[str, str]]) -> dict[str, Patch | Line2D]:
    handles: dict[str, Patch | Line2D] = {
        name: Line2D([], [], color=color, marker=marker) for name, (color, marker) in looks.items()
    }
    handles["equal in all networks"] = Patch(color=_EQUAL)
    handles["equal in none"] = Patch(color=_APART)
    return handles
