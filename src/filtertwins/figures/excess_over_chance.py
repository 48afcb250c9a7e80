"""By how much filters are more alike than re-drawn initial kernels, against the kernel's dimension."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from filtertwins.figures.axes import numbered_ticks
from filtertwins.figures.series import draw_means
from filtertwins.figures.style import NULL_COLOR, Look, activation_in_words, legend_above, nothing_to_draw, panel, style


@style()
def draw(excess: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the excess over re-drawn kernels by dimension, a series for each activation.

    Args:
        excess: one row a condition, with the excess over each null and its interval. Conditions of one filter count
            are drawn: the count that occurs with the most kernels and activations.
        look: how series are named and drawn. An activation is drawn as the first architecture that has it.
    """
    rows = excess.dropna(subset=["redrawn_excess"])
    if rows.empty:
        return nothing_to_draw("No network has two filters to compare.")
    kernels = rows.drop_duplicates(["filters", "kernel_height", "kernel_width", "activation"])
    count = kernels["filters"].value_counts().sort_index(ascending=False).idxmax()
    # Where two architectures have the same kernel and activation, the later one is trained as the other kernels are.
    rows = rows[rows["filters"] == count].drop_duplicates(["kernel_height", "kernel_width", "activation"], keep="last")
    rows = rows.rename(columns={"redrawn_excess": "mean", "redrawn_low": "low", "redrawn_high": "high"})
    first = excess.drop_duplicates("activation").set_index("activation")["architecture"]
    activations = [activation for activation in first.index if activation in set(rows["activation"])]
    rows = rows.sort_values("activation", key=lambda column: column.map(activations.index), kind="stable")
    colors, markers = look.palette(first), look.markers(first)
    figure, axes = panel(2.5)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.4, zorder=1)
    draw_means(
        axes,
        rows,
        look,
        x="dimension",
        hue="activation",
        dodge=0.12,
        palette={activation: colors[first[activation]] for activation in activations},
        markers={activation: markers[first[activation]] for activation in activations},
    )
    axes.set_xscale("log", base=2)
    numbered_ticks(axes.xaxis, sorted(set(rows["dimension"])))
    axes.set_xlabel("Weights in a kernel")
    axes.set_ylabel("Cosine to the most similar\nfilter, minus chance")
    handles = {
        activation_in_words(activation): handle
        for activation in activations
        for handle in look.handles([first[activation]]).values()
    }
    legend_above(figure, handles, columns=len(handles))
    axes.set_title(f"{count} filters", loc="left")
    return figure
