"""The figure ``bench_training``: how long each competitor takes for a training step, and what no one can beat."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from tables import rounded

from filtertwins.figures.series import draw_points
from filtertwins.figures.style import NULL_BAND_COLOR, NULL_COLOR, REFERENCE_COLOR, Look, legend_above, panels, style

COMPETITORS = Look(
    {
        "project": "this project",
        "keras_fit": "Keras fit",
        "naive": "naive pipeline",
        "torch_loop": "PyTorch",
        "jax_vmap": "JAX, vmap",
    }
)


@style()
def draw(table: pd.DataFrame, look: Look) -> Figure:
    """Draw the time of a training step of one network, a row for each condition.

    Args:
        table: the benchmark's table ``training``.
        look: how architectures are named.
    """
    table = table.assign(row=table["architecture"].map(look.label) + "\nk = " + table["filters"].astype(str))
    rows = list(table["row"].unique())
    times = table[table["competitor"].isin(COMPETITORS.labels)]
    times = times.melt(["row", "competitor"], ["step_ms", "step_ms_least", "step_ms_most"])
    figure, [axes] = panels(1, 0.95 + 0.46 * len(rows), subplot_kw={"xscale": "log"})
    draw_points(axes, times, COMPETITORS, hue="competitor", x="value", y="row", order=rows, dodge=0.6)

    by_row = table.pivot_table("step_ms", index="row", columns="competitor").loc[rows]
    left, places = by_row.min(axis=None) / 2, pd.RangeIndex(len(rows)).to_numpy()
    bands = {"height": 0.84, "left": left, "color": NULL_BAND_COLOR, "zorder": 0}
    axes.barh(places, by_row["limit"] - left, label="out of the machine's reach", **bands)
    if "limit_layered" in by_row:
        ends = places - 0.42, places + 0.42
        axes.vlines(by_row["limit_layered"], *ends, color=NULL_COLOR, label="limit of the layered form", zorder=0.5)
    own = table[table["competitor"] == "project"].set_index("row")["step_ratio"]
    for place, row in enumerate(rows):
        words = f"{rounded(own[row], 2)}\N{MULTIPLICATION SIGN} as fast\nas Keras fit"
        axes.text(1.01, place, words, transform=axes.get_yaxis_transform(), va="center", color=REFERENCE_COLOR)
    axes.set(xlim=(left, 1.3 * times["value"].max()), ylim=(len(rows) - 0.5, -0.5))
    axes.set(xlabel="Time of a training step of one network, on all cores (ms)", ylabel="")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(axis="y", length=0)
    limits, words_of_limits = axes.get_legend_handles_labels()
    names = COMPETITORS.order(times["competitor"])
    handles = COMPETITORS.handles(names, "none") | dict(zip(words_of_limits, limits, strict=True))
    legend_above(figure, handles, columns=4)
    return figure
