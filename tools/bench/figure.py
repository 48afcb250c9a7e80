"""The figure ``bench_training``: how long each competitor takes for a training step, and what no one can beat."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from tables import CONDITION, rounded

from filtertwins.figures.style import (
    COLORS,
    DOUBLE_COLUMN_IN,
    MARKERS,
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    Look,
    legend_above,
    new_figure,
    style,
)

DRAWN = {
    "project": "this project",
    "keras": "Keras fit",
    "naive": "naive pipeline",
    "torch": "PyTorch",
    "jax": "JAX, vmap",
}
LOOKS = {name: (COLORS[place], MARKERS[place]) for place, name in enumerate(DRAWN)}


@style()
def draw(table: pd.DataFrame, look: Look) -> Figure:
    """Draw the time of a training step of one network, a row for each condition.

    Args:
        table: the benchmark's table ``training``.
        look: how architectures are named.
    """
    table = table.assign(row=[f"{look.label(name)}\nk = {k}" for name, k in table[CONDITION].itertuples(index=False)])
    rows = list(dict.fromkeys(table["row"]))
    times = table[table["competitor"].isin(DRAWN)]
    figure = new_figure(DOUBLE_COLUMN_IN, 0.95 + 0.46 * len(rows))
    axes = figure.add_subplot()
    axes.set_xscale("log")
    _draw_times(axes, times, rows)
    limits = table.pivot_table(index="row", columns="competitor", values="step_ms")
    left = min(times["step_ms_least"].min(), limits["limit"].min()) / 2
    for place, row in enumerate(rows):
        band = [place - 0.42, place + 0.42]
        axes.fill_betweenx(band, left, limits.loc[row, "limit"], color=NULL_BAND_COLOR, linewidth=0, zorder=0)
        if "limit_layered" in limits and pd.notna(limits.loc[row, "limit_layered"]):
            axes.plot([limits.loc[row, "limit_layered"]] * 2, band, color=NULL_COLOR, linewidth=1.4, zorder=0.5)
        own = table[(table["row"] == row) & (table["competitor"] == "project")].iloc[0]
        words = f"{rounded(own['step_ratio'], 2)}{chr(0xD7)} as fast\nas Keras fit"
        axes.text(1.01, place, words, transform=axes.get_yaxis_transform(), va="center", color=REFERENCE_COLOR)
    axes.set(xlim=(left, 1.3 * times["step_ms_most"].max()), ylim=(len(rows) - 0.5, -0.5))
    axes.set(xlabel="Time of a training step of one network, on all cores (ms)", ylabel="")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(axis="y", length=0)
    legend_above(figure, _legend(table), columns=4)
    return figure


def _draw_times(axes: Axes, times: pd.DataFrame, rows: list[str]) -> None:
    """Medians over rounds, and lines from the least to the most."""
    ends = times.melt(["row", "competitor"], ["step_ms", "step_ms_least", "step_ms_most"], value_name="time")
    order = [name for name in DRAWN if name in set(times["competitor"])]
    sns.pointplot(
        ends,
        x="time",
        y="row",
        order=rows,
        hue="competitor",
        hue_order=order,
        palette={name: LOOKS[name][0] for name in order},
        markers=[LOOKS[name][1] for name in order],
        estimator="median",
        errorbar=("pi", 100),
        dodge=0.6,
        linestyle="none",
        err_kws={"linewidth": 0.9},
        markersize=4,
        legend=False,
        ax=axes,
    )


def _legend(table: pd.DataFrame) -> dict[str, Line2D | Patch]:
    present = set(table["competitor"])
    handles: dict[str, Line2D | Patch] = {
        words: Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], linestyle="none")
        for name, words in DRAWN.items()
        if name in present
    }
    handles["out of the machine's reach"] = Patch(color=NULL_BAND_COLOR)
    if "limit_layered" in present:
        handles["limit of the layered form"] = Line2D([], [], color=NULL_COLOR, linewidth=1.4)
    return handles
