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

from filtertwins.figures.axes import draw_lines, measured, with_ends
from filtertwins.figures.style import (
    COLORS,
    MARKERS,
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
    equal = measured(rows[rows["epsilon"] == 0], "equal")
    sizes = sorted(rows.loc[rows["epsilon"] > 0, "epsilon"].unique())
    near = measured(rows[rows["epsilon"].isin(sizes[len(sizes) // 2 :][:1])], "growth")
    if equal.empty and near.empty:
        return nothing_to_draw("No twins were planted.")
    for part in (equal, near):
        names = zip(part["architecture"], part["activation"], strict=True)
        part["training"] = [_training(architecture, activation, look) for architecture, activation in names]
    activations = list(dict.fromkeys(rows["activation"]))[:_MOST_ACTIVATIONS]
    trainings = list(dict.fromkeys([*equal["training"], *near["training"]]))
    figure, grid = panels(2, 0.75 + 1.7 * len(activations), rows=len(activations), sharex="col", width_ratios=[1.25, 1])
    for index, activation in enumerate(activations):
        left, right = grid[2 * index : 2 * index + 2]
        name = "no activation" if activation == "linear" else readable(activation)
        _draw_equal(left, equal[equal["activation"] == activation])
        label_panel(left, 2 * index, f"{name}: are equal twins still equal?")
        _draw_near(right, near[near["activation"] == activation], trainings)
        right.sharey(grid[1])
        label_panel(right, 2 * index + 1, f"{name}: do near twins part?")
        start = f"\n({near['epsilon'].iloc[0]:g} at the start)" if len(near) else ""
        right.set_ylabel(f"Growth of the distance{start}")
    for axes in grid[-2:]:
        axes.set_xlabel("Training step")
    legend_above(figure, _legend(trainings), columns=4)
    return figure


def _training(architecture: str, activation: str, look: Look) -> str:
    """How a network was trained: its name without the activation, which the panel gives."""
    words = look.label(architecture)
    for prefix in (activation, readable(activation), "no activation"):
        words = words.removeprefix(prefix)
    return words.strip(",: ") or look.label(architecture)


def _draw_equal(axes: Axes, equal: pd.DataFrame) -> None:
    """A heat map: a row for each training, a column for each recorded step."""
    if equal.empty:
        axes.set_axis_off()
        return
    order = list(dict.fromkeys(equal["training"]))
    shares = equal.pivot_table(index="training", columns="step", values="mean").loc[order]
    shades = LinearSegmentedColormap.from_list("equal", [_APART, _EQUAL])
    sns.heatmap(
        shares,
        vmin=0,
        vmax=1,
        cmap=shades,
        cbar=False,
        linewidths=0.6,
        linecolor="white",
        xticklabels=math.ceil(shares.shape[1] / _MOST_STEP_NUMBERS),
        ax=axes,
    )
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=0)


def _draw_near(axes: Axes, near: pd.DataFrame, trainings: list[str]) -> None:
    """Lines of how many times farther apart near twins are than at the start."""
    axes.axhline(1, color=NULL_COLOR, linewidth=1.4, zorder=1)
    present = [training for training in trainings if training in set(near["training"])]
    draw_lines(
        axes,
        with_ends(near[near["mean"] > 0]),
        x="step",
        hue="training",
        order=present,
        palette={name: COLORS[trainings.index(name) % len(COLORS)] for name in present},
        markers={name: MARKERS[trainings.index(name) % len(MARKERS)] for name in present},
    )
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_yscale("log")
    axes.set(xlabel="")
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")


def _legend(trainings: list[str]) -> dict[str, Patch | Line2D]:
    handles: dict[str, Patch | Line2D] = {
        name: Line2D([], [], color=COLORS[i % len(COLORS)], marker=MARKERS[i % len(MARKERS)])
        for i, name in enumerate(trainings)
    }
    handles["equal in all networks"] = Patch(color=_EQUAL)
    handles["equal in none"] = Patch(color=_APART)
    return handles
