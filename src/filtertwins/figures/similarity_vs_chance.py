"""How near each filter's most similar one is, against what random directions give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from filtertwins.figures.series import unlike
from filtertwins.figures.style import (
    NULL_COLOR,
    REFERENCE_COLOR,
    Look,
    label_panel,
    legend_above,
    nothing_to_draw,
    panels,
    style,
)
from filtertwins.measures.nulls import isotropic_nearest_cdf


@style()
def draw(clusters: pd.DataFrame, redundancy: pd.DataFrame, *, look: Look) -> Figure:
    """Draw the distribution of the angle to the most similar filter, a panel for each of up to four architectures.

    Args:
        clusters: one row a network, stage and filter, with the cosine to the most similar other filter.
        redundancy: one row a network and stage; it says which cosine counts and in how many dimensions.
        look: how series are named and drawn.
    """
    filters = clusters.dropna(subset=["nearest_cosine"]).copy()
    if filters.empty:
        return nothing_to_draw("No network has two filters, so none has a most similar one.")
    kinds = redundancy.drop_duplicates("architecture").set_index("architecture", drop=False)
    names = unlike(kinds[kinds["architecture"].isin(filters["architecture"])], look, most=4)
    counts = _counts(filters[filters["architecture"].isin(names)])
    filters["degrees"] = np.degrees(np.arccos(filters["nearest_cosine"].clip(-1, 1)))
    shown = filters[filters["filters"] == filters["architecture"].map(counts)]
    near = float(np.degrees(np.arccos(look.threshold)))
    figure, axes = panels(len(names), 2.4, sharex=True, sharey=True)
    axes[0].set_xlim(-1, min(180.0, max(near, 1.05 * shown["degrees"].max())))
    axes[0].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 1.5, 3, 6, 10]))
    shared = set(counts.values()) if len(set(counts.values())) == 1 else set()
    for index, (name, panel) in enumerate(zip(names, axes, strict=True)):
        panel.axvspan(0, near, color="0.93", linewidth=0, zorder=0)
        _draw_panel(panel, shown[shown["architecture"] == name], look.color(name))
        _draw_isotropic(panel, counts[name], kinds["dimension"][name], kinds["equivalence"][name])
        words = look.label(name) if shared else f"{look.label(name)}\n{counts[name]} filters"
        label_panel(panel, index, words, wrap=100 // len(names))
    axes[0].set_ylabel("Share of filters (%)")
    among = "".join(f" of {count}" for count in shared)
    figure.supxlabel(f"Angle to the most similar{among} filter{'s' * len(shared)} (degrees)", fontsize="medium")
    handles: dict[str, Artist] = {
        "after training (in colour)": Line2D([], [], color="black", linewidth=1.6),
        "chance: before training": Line2D([], [], color=REFERENCE_COLOR, linewidth=0.9, linestyle="--"),
        "chance: random directions": Line2D([], [], color=NULL_COLOR, linewidth=2.6, alpha=0.6),
        "near duplicates": Patch(color="0.93"),
    }
    legend_above(figure, handles, columns=4)
    return figure


def _counts(filters: pd.DataFrame) -> dict[str, int]:
    """For each architecture the largest filter count that all have, or else its own largest."""
    own = {str(name): set(group["filters"]) for name, group in filters.groupby("architecture")}
    shared = set.intersection(*own.values())
    return {name: int(max(shared or counts)) for name, counts in own.items()}


def _draw_panel(axes: Axes, rows: pd.DataFrame, color: str) -> None:
    for stage, look in (
        ("initial", {"color": REFERENCE_COLOR, "linewidth": 0.9, "linestyle": "--"}),
        ("trained", {"color": color, "linewidth": 1.6}),
    ):
        own = rows[rows["stage"] == stage]
        weights = 100 / own.groupby("seed")["degrees"].transform("size") / own["seed"].nunique()
        sns.ecdfplot(own.assign(share=weights), x="degrees", weights="share", stat="count", ax=axes, **look)
    axes.set(xlabel="", ylim=(-2, 102), yticks=[0, 50, 100])


def _draw_isotropic(axes: Axes, count: int, dimension: int, equivalence: str) -> None:
    degrees = np.linspace(0, axes.get_xlim()[1], 200)
    beyond = isotropic_nearest_cdf(np.cos(np.radians(degrees)), count, dimension, equivalence)  # type: ignore[arg-type]
    axes.plot(degrees, 100 * (1 - beyond), color=NULL_COLOR, linewidth=2.6, alpha=0.6, zorder=1)
