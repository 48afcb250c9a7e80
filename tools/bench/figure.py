"""The figure ``bench_training``: what a model-step takes each competitor, against the limit."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from tables import CONDITION, rounded

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_COLOR,
    SMALL_TEXT_PT,
    display_name,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import dataset_name, paragraph

DRAWN = {
    "project": "this project",
    "keras": "Keras fit",
    "naive": "naive pipeline",
    "torch": "PyTorch",
    "jax": "JAX, vmap",
}
BETWEEN = 0.13  # of a row, from one competitor to the next


def draw(table: pd.DataFrame, machine: str, dataset: str) -> tuple[Figure, str]:
    """The figure and its caption, of the table ``training``."""
    looks = series_styles(DRAWN)
    conditions = list(table[CONDITION].drop_duplicates().itertuples(index=False, name=None))
    with style():
        figure = new_figure(DOUBLE_COLUMN_IN, 0.85 + 0.52 * len(conditions))
        axes = figure.add_subplot()
        handles: dict[str, Artist] = {}
        for place, (architecture, filters) in enumerate(conditions):
            own = table[(table["architecture"] == architecture) & (table["filters"] == filters)].set_index("competitor")
            for index, competitor in enumerate(name for name in DRAWN if name in own.index):
                look, row = looks[competitor], own.loc[competitor]
                y = place + BETWEEN * (index - 2)
                spread = [[row["step_ms"] - row["step_ms_least"]], [row["step_ms_most"] - row["step_ms"]]]
                axes.errorbar(row["step_ms"], y, xerr=spread, color=look.color, marker=look.marker, elinewidth=0.8)
                axes.plot([row["step_ms_most"], row["whole_ms"]], [y, y], color=look.color, linewidth=0.5, zorder=1)
                axes.plot(row["whole_ms"], y, marker=look.marker, color=look.color, markerfacecolor="white", zorder=1.5)
                handles.setdefault(
                    DRAWN[competitor], Line2D([], [], color=look.color, marker=look.marker, linestyle="none")
                )
            axes.fill_betweenx([place - 0.42, place + 0.42], 1e-9, own.loc["limit", "step_ms"], color="0.89", zorder=0)
            if "limit_layered" in own.index:
                x = own.loc["limit_layered", "step_ms"]
                axes.plot([x, x], [place - 0.42, place + 0.42], color=NULL_COLOR, linewidth=0.8, zorder=0.5)
            ratio = own.loc["project", ["step_ratio", "whole_ratio"]]
            axes.text(
                1.01,
                place,
                f"{rounded(ratio['step_ratio'], 2)} ({rounded(ratio['whole_ratio'], 2)})",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=SMALL_TEXT_PT,
            )
        _finish(axes, table, conditions)
        handles["limit"] = Line2D([], [], color="0.89", linewidth=6)
        if (table["competitor"] == "limit_layered").any():
            handles["limit, layered"] = Line2D([], [], color=NULL_COLOR, linewidth=0.8)
        legend_above(figure, handles, columns=math.ceil(len(handles) / 2))
    return figure, _caption(table, machine, dataset)


def _finish(axes: Axes, table: pd.DataFrame, conditions: list[tuple[str, int]]) -> None:
    drawn = table[table["competitor"].isin([*DRAWN, "limit", "limit_layered"])]
    times = drawn[["step_ms", "step_ms_least", "step_ms_most", "whole_ms"]]
    axes.set_xscale("log")
    axes.set_xlim(times.min().min() / 1.6, times.max().max() * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Time of a model-step on all cores (ms)")
    axes.set_ylim(len(conditions) - 0.5, -0.5)
    axes.set_yticks(range(len(conditions)), [f"{display_name(name)}\n$k$ = {filters}" for name, filters in conditions])
    axes.tick_params(axis="y", length=0)
    axes.text(
        1.01, 1.0, "Keras fit takes\ntimes as long", transform=axes.transAxes, fontsize=SMALL_TEXT_PT, va="bottom"
    )


def _caption(table: pd.DataFrame, machine: str, dataset: str) -> str:
    rounds = table.loc[table["competitor"] == "keras", "rounds"]
    worst = 100 * table["accuracy_difference"].max()
    return paragraph(
        f"""What a training step takes, on {dataset_name(pd.DataFrame({"dataset": [dataset]}))}: one network, one batch,
        forward, backward and optimiser, on {machine}. Who trains several networks together or side by side divides by
        their number.""",
        """Filled: steps alone, the median over rounds, with the least and the most. Open: with all that is paid once
        spread over 2,000 steps; for Keras fit, PyTorch and JAX that is the compilation, for this project and the naive
        pipeline a whole process, imports and testing included.""",
        f"""Keras fit and this project took turns in {rounds.min():.0f} rounds, the others in one. All
        started from the same weights and saw the same batches: their test accuracies differ from those of Keras by
        {worst:.2f} points at most.""",
        """Grey: out of reach, since the arithmetic of a step at the measured peak of matrix products, or the traffic of
        its optimiser at the measured rate of copying, takes so long; for linear networks in their collapsed form,
        with a line at the layered form's.""",
        """At the right: how many times as long as this project Keras fit takes, for steps alone (and with all that is
        paid once).""",
    )
