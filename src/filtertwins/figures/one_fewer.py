"""What is a network with two equal filters worth: as much as one with a filter fewer, or as one with all different?"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from filtertwins.figures.series import draw_points, measured, with_ends
from filtertwins.figures.style import NULL_BAND_COLOR, NULL_COLOR, Look, label_panel, legend_above, panels, style

_COMPARISONS = {
    "twin - silent": ("Training loss minus that with\none filter fewer (nats)", "are twins worth one filter?"),
    "twin - own": ("Training loss minus that with\nall filters different (nats)", "do twins cost anything?"),
}


@style()
def draw(one_fewer_means: pd.DataFrame, replanted_means: pd.DataFrame | None = None, *, look: Look) -> Figure:
    """Draw by how much the training loss with twins differs from that without, paired by seed.

    Args:
        one_fewer_means: means over seeds of the differences, for both comparisons.
        replanted_means: the same of exact and near twins that were planted in trained networks, and these trained on.
        look: how series are named and drawn; its margin of loss is the grey band.
    """
    planted = one_fewer_means.iloc[:0] if replanted_means is None else replanted_means.assign(later=", trained")
    means = measured(pd.concat([one_fewer_means.assign(later=""), planted]), "train_loss_difference")
    names = look.order(means["architecture"])
    near = means["epsilon"].gt(0).map({True: ", near twins", False: ""})
    means["row"] = (
        means["architecture"].map(look.label) + ", k = " + means["filters"].astype(str) + means["later"] + near
    )
    places = ["later", "place", "filters", "epsilon"]
    order = means.assign(place=means["architecture"].map(names.index)).sort_values(places)
    rows = list(dict.fromkeys(order["row"]))
    figure, both = panels(2, 0.9 + 0.24 * max(3, len(rows)), sharey=True)
    for index, (comparison, (words, title)) in enumerate(_COMPARISONS.items()):
        _draw(both[index], means[means["comparison"] == comparison], rows, look)
        both[index].set(xlabel=words, ylabel="")
        both[index].xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        label_panel(both[index], index, title)
    band = {f"margin, ± {look.margins['loss']:g} nats: does not matter": Patch(color=NULL_BAND_COLOR)}
    legend_above(figure, band, columns=1)
    return figure


def _draw(axes: Axes, means: pd.DataFrame, rows: list[str], look: Look) -> None:
    axes.axvspan(-look.margins["loss"], look.margins["loss"], color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axvline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    black: dict[str, Any] = {"palette": ["black"], "markers": ["o"], "err_kws": {"linewidth": 0.9}, "capsize": 0.2}
    if len(means):
        draw_points(axes, with_ends(means), look, hue="comparison", x="mean", y="row", order=rows, **black)
    for place, row in enumerate(rows):
        if row not in set(means["row"]):
            side = axes.get_yaxis_transform()
            axes.text(0.02, place, "not compared", va="center", color=NULL_COLOR, transform=side)
    axes.tick_params(axis="y", length=0)
