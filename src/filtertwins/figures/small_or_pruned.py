"""Is a small network trained from scratch as good as one that was pruned from a large one?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.series import draw_points, with_ends
from filtertwins.figures.style import (
    COLORS,
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    Look,
    legend_above,
    nothing_to_draw,
    panel,
    style,
)
from filtertwins.names import SELECTED

_ARROW = "\N{RIGHTWARDS ARROW}"
_LOOKS = {
    "equal_epochs": ("as many epochs", COLORS[6], "o"),
    "equal_compute": ("as much computing", COLORS[7], "s"),
    "matched_convergence": ("until the loss of both is flat", COLORS[4], "^"),
}
"""For each budget of the small network its name, colour and marker."""

_APART = 0.3  # of two marks of one network, in rows


@style()
def draw(small_or_pruned: pd.DataFrame, *, look: Look) -> Figure:
    """Draw by how much pruned networks are more accurate than small ones from scratch, paired by seed.

    A mark is filled where the small network is shown to be as good, as the claim about it judges.

    Args:
        small_or_pruned: one row per architecture, number of filters kept, budget and method; only the
            method ``selected`` is drawn, whose rows are the parts of the claims.
        look: how series are named and drawn.
    """
    rows = small_or_pruned[small_or_pruned["method"] == SELECTED].copy()
    if rows.empty:
        return nothing_to_draw("No pruned network has a small one to compare with.")
    rows[["mean", "low", "high", "margin"]] = 100 * rows[["difference", "low", "high", "margin"]]
    rows["shown"] = rows["no_worse"].isin([True])
    places = {name: place for place, name in enumerate(look.order(rows["architecture"]))}
    rows["place"] = rows["architecture"].map(places)
    rows = rows.sort_values(["place", "filters", "kept"], kind="stable")
    counts = rows["filters"].astype(str) + f" {_ARROW} " + rows["kept"].astype(str) + " filters"
    rows["network"] = rows["architecture"].map(look.label) + "\n" + counts
    networks, budgets = list(dict.fromkeys(rows["network"])), list(dict.fromkeys(rows["budget"]))
    margin = rows["margin"].max()
    figure, axes = panel(1.35 + 0.36 * len(networks))
    _draw(axes, rows, look, networks, budgets)
    left = min(rows["mean"].min(), -margin, rows["low"].min())
    right = max(rows["mean"].max(), margin, rows["high"].max())
    room = 0.05 * (right - left)
    axes.axvspan(left - room, margin, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axvline(0, color=NULL_COLOR, linewidth=1.4, zorder=1)
    axes.set(xlim=(left - room, right + room), ylabel="")
    axes.set_xlabel("Test accuracy of the pruned minus\nthat of the small network (points)")
    axes.tick_params(axis="y", length=0)
    legend_above(figure, _legend(budgets, margin), columns=1)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, look: Look, networks: list[str], budgets: list[str]) -> None:
    draw_points(
        axes,
        with_ends(rows),
        look,
        x="mean",
        y="network",
        order=networks,
        hue="budget",
        hue_order=budgets,
        palette={budget: _look(budget)[1] for budget in budgets},
        markers=[_look(budget)[2] for budget in budgets],
        apart=_APART,
        err_kws={"linewidth": 1.0},
        capsize=0.1,
    )
    steps = _APART * (np.arange(len(budgets)) - (len(budgets) - 1) / 2)
    open_ones = rows.loc[~rows["shown"], ["network", "budget", "mean"]]
    for network, budget, mean in open_ones.itertuples(index=False, name=None):  # white marks over the filled ones
        _, color, marker = _look(budget)
        y = networks.index(network) + steps[budgets.index(budget)]
        axes.plot(mean, y, marker, color=color, markerfacecolor="white", markersize=4, zorder=10)


def _look(budget: str) -> tuple[str, str, str]:
    return _LOOKS.get(budget, (budget.replace("_", " "), REFERENCE_COLOR, "^"))


def _legend(budgets: list[str], margin: float) -> dict[str, Line2D | Patch]:
    handles: dict[str, Line2D | Patch] = {}
    for budget in budgets:
        name, color, marker = _look(budget)
        handles[name] = Line2D([], [], color=color, marker=marker, linestyle="none")
    handles[f"the small one is as good, to {margin:g} points"] = Patch(color=NULL_BAND_COLOR)
    hollow = Line2D([], [], color=REFERENCE_COLOR, marker="o", markerfacecolor="white", linestyle="none")
    handles["it is not shown to be as good"] = hollow
    return handles
