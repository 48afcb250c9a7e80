"""Do filters that start equal stay equal, and do nearly equal ones part?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from filtertwins.figures.series import draw_points, measured, near_twins, with_ends
from filtertwins.figures.style import (
    NULL_COLOR,
    Look,
    activation_in_words,
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
_NEAR = {  # of each measure its words, colour and marker
    "log_growth": ("near twins", "black", "o"),
    "log_growth_at_large": ("other filters of their network", NULL_COLOR, "D"),
}


@style()
def draw(twins_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw which planted twins are still equal, step by step, and how far near twins part in the end.

    Args:
        twins_means: means over networks of whether twins are equal, and of the logarithm of how many times as far apart
            near twins are as at the start, and other filters.
        look: how series are named and drawn.
    """
    rows = twins_means[(twins_means["second_filter"] == "twin") & (twins_means["bias_gap"] == 0)]
    rows = rows[rows["filters"] == rows.groupby("architecture")["filters"].transform("max")]
    activations = list(dict.fromkeys(rows["activation"]))[:_MOST_ACTIVATIONS]
    rows = rows[rows["activation"].isin(activations)]
    rows = rows.assign(training=rows["architecture"].map(_trainings(rows, look)))
    equal = measured(rows[rows["epsilon"] == 0], "equal")
    near = near_twins(rows[rows["step"] == rows.groupby("architecture")["step"].transform("max")])
    if equal.empty and near.empty:
        return nothing_to_draw("No twins were planted.")
    figure, grid = panels(2, 0.75 + 1.7 * len(activations), rows=len(activations), sharex="col", width_ratios=[1.25, 1])
    for index, activation in enumerate(activations):
        left, right = grid[2 * index : 2 * index + 2]
        name = activation_in_words(activation)
        _draw_equal(left, equal[equal["activation"] == activation])
        label_panel(left, 2 * index, f"{name}: are equal twins still equal?")
        _draw_near(right, near[near["activation"] == activation], look)
        label_panel(right, 2 * index + 1, f"{name}: do near twins part?")
        if len(equal):
            right.tick_params(axis="y", labelleft=False)  # The rows are those of the panel to the left.
    for axes in grid[:-2]:
        axes.set_xlabel("")
    legend_above(figure, _legend(), columns=4)
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


def _draw_near(axes: Axes, near: pd.DataFrame, look: Look) -> None:
    """Points of how many times as far apart near twins are in the end, and other filters; a row for each training."""
    factors = pd.concat([measured(near, measure) for measure in _NEAR])
    if factors.empty:
        axes.set_axis_off()
        return
    factors[["mean", "low", "high"]] = np.exp(factors[["mean", "low", "high"]])
    series = {measure: _NEAR[measure] for measure in dict.fromkeys(factors["measure"])}
    draw_points(
        axes,
        with_ends(factors),
        look,
        x="mean",
        y="training",
        hue="measure",
        apart=0.3,
        order=list(dict.fromkeys(factors["training"])),
        palette={measure: color for measure, (_, color, _) in series.items()},
        markers=[marker for _, _, marker in series.values()],
    )
    axes.axvline(1, color=NULL_COLOR, linewidth=1.0, zorder=0)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="Distance in the end, as a\nmultiple of that at the start", ylabel="")
    axes.tick_params(axis="y", length=0)


def _legend() -> dict[str, Patch | Line2D]:
    handles: dict[str, Patch | Line2D] = {
        words: Line2D([], [], color=color, marker=marker, linestyle="none") for words, color, marker in _NEAR.values()
    }
    return {"equal in all networks": Patch(color=_EQUAL), "equal in none": Patch(color=_APART)} | handles
