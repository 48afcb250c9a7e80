"""Do criteria agree on which filters a network needs, and with the measured loss increase without each?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from filtertwins.figures.series import measured, networks
from filtertwins.figures.style import REFERENCE_COLOR, SMALL_TEXT_PT, Look, label_panel, nothing_to_draw, panels, style
from filtertwins.labels import method_name
from filtertwins.names import RANDOM

_MOST_PANELS = 3
_ORACLE = "oracle"  # the criterion that the others estimate: the loss increase that is measured without a filter


@style()
def draw(criteria_means: pd.DataFrame, *, look: Look) -> Figure:
    """Draw how far every two criteria rank a network's filters alike, a heat map for each architecture.

    Args:
        criteria_means: means over seeds of the rank correlation, one row for each network and pair of criteria.
        look: how series are named and drawn.
    """
    means = measured(criteria_means, "rank_correlation")
    shown = networks(means, look, _MOST_PANELS)
    if not shown:
        return nothing_to_draw("No filters were rated by several criteria.")
    criteria = _in_order(means)
    figure, grid = panels(len(shown), 1.1 + 0.2 * max(5, len(criteria)), sharey=True)
    for index, (name, filters, own) in enumerate(shown):
        _draw_map(grid[index], own, criteria)
        grid[index].text(0.98, 0.95, f"k = {filters}", transform=grid[index].transAxes, ha="right", va="top")
        label_panel(grid[index], index, look.label(name))
    bar = figure.colorbar(grid[0].collections[0], ax=grid, ticks=[-1, 0, 1], aspect=30, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("Mean rank correlation")
    return figure


def _in_order(means: pd.DataFrame) -> list[str]:
    """The criteria, the measured loss first and chance last; the others in the table's order."""
    names = dict.fromkeys([*means["criterion"], *means["other"]])
    return sorted(names, key=lambda name: (name == RANDOM) - (name == _ORACLE))


def _draw_map(axes: Axes, means: pd.DataFrame, criteria: list[str]) -> None:
    """The lower triangle. Its first column says how well each criterion foretells the measured loss."""
    half = means.pivot_table(index="criterion", columns="other", values="mean")
    table = half.combine_first(half.T).reindex(index=criteria[1:], columns=criteria[:-1])
    above = np.triu(np.ones(table.shape, dtype=bool), k=1)
    digits = table.map(lambda value: f"{value:.1f}".replace("-0.0", "0.0").replace("-", "\N{MINUS SIGN}"))
    numbers = {"annot": digits, "fmt": "", "annot_kws": {"fontsize": SMALL_TEXT_PT}}
    cells = {"vmin": -1, "vmax": 1, "cmap": "RdBu", "cbar": False, "linewidths": 0.6, "linecolor": "white"}
    named = table.rename(index=method_name, columns=method_name)
    sns.heatmap(named, mask=above | table.isna().to_numpy(), ax=axes, **numbers, **cells)
    frame = Rectangle((0, 0), 1, len(table), fill=False, edgecolor=REFERENCE_COLOR, linewidth=1.2, clip_on=False)
    axes.add_patch(frame)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="x", length=0, rotation=90)
    axes.tick_params(axis="y", length=0, rotation=0)
