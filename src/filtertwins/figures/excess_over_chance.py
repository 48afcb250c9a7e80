"""By how much filters are more alike than re-drawn initial kernels, against the kernel's dimension."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.axes import numbered_ticks
from filtertwins.figures.series import draw_means
from filtertwins.figures.style import (
    COLORS,
    MARKERS,
    NULL_COLOR,
    Look,
    activation_in_words,
    legend_above,
    nothing_to_draw,
    panel,
    style,
)


@style()
def draw(excess: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the excess over re-drawn kernels by dimension, a series for each activation.

    Args:
        excess: one row a condition, with the excess over each null and its interval. Conditions of one filter count
            are drawn: the count that occurs with the most kernels and activations.
        look: unused; an activation is no architecture.
    """
    rows = excess.dropna(subset=["redrawn_excess"])
    if rows.empty:
        return nothing_to_draw("No network has two filters to compare.")
    kernels = rows.drop_duplicates(["filters", "kernel_height", "kernel_width", "activation"])
    count = kernels["filters"].value_counts().sort_index(ascending=False).idxmax()
    # Where two architectures have the same kernel and activation, the later one is trained as the other kernels are.
    rows = rows[rows["filters"] == count].drop_duplicates(["kernel_height", "kernel_width", "activation"], keep="last")
    rows = rows.drop_duplicates(["dimension", "activation"])  # Of 3x1 and 1x3, the first one.
    rows = rows.rename(columns={"redrawn_excess": "mean", "redrawn_low": "low", "redrawn_high": "high"})
    activations = list(dict.fromkeys(excess.loc[excess["activation"].isin(rows["activation"]), "activation"]))
    rows = rows.sort_values("activation", key=lambda column: column.map(activations.index), kind="stable")
    # An activation is no architecture, so it has none of the first colours.
    colors, markers = (dict(zip(activations, looks * 2, strict=False)) for looks in (COLORS[:3:-1], MARKERS[4::-1]))
    figure, axes = panel(2.5)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.4, zorder=1)
    draw_means(axes, rows, look, hue="activation", dodge=0.12, x="dimension", palette=colors, markers=markers)
    axes.set_xscale("log", base=2)
    numbered_ticks(axes.xaxis, sorted(set(rows["dimension"])))
    axes.set_xlabel("Weights in a kernel")
    axes.set_ylabel("Cosine to the most similar\nfilter, minus chance")
    handles = {
        activation_in_words(activation): Line2D([], [], color=color, marker=markers[activation])
        for activation, color in colors.items()
    }
    legend_above(figure, handles, columns=len(handles))
    axes.set_title(f"{count} filters", loc="left")
    return figure
