"""What redundancy and accuracy become without training of the filters, and without anything to learn."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    Series,
    display_name,
    draw_runs,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
    scale_by_error,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    TableError,
    dataset_name,
    in_order,
    interval_text,
    join_words,
    paragraph,
    select,
    signed,
    summarise,
    whiskers,
)

GUESSING_PERCENT = 10
"""The accuracy of guessing one of ten digits."""

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "filters",
    "seed",
    "train_loss",
    "test_accuracy",
    "mean_nearest_cosine",
    "null_mean_nearest_cosine",
    "null_sd",
    "excess",
    "cosine_to_initial",
)
_MEANING = {
    "frozen": "random kernels, only the dense layer is trained",
    "shuffled": "labels permuted, so that nothing about digits can be learnt",
}
_NULL_SDS = 2
_LEGEND_COLUMNS = 3
_DODGE = 0.14
_BESIDE = 0.12
"""Single runs stand left of their mean by this many doublings."""


def draw(controls: pd.DataFrame) -> tuple[Figure, str]:
    """Draw test accuracy and excess redundancy of trained networks beside those of the controls.

    Args:
        controls: one row per network.

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or two are of the same network.
    """
    rows = select(controls, "controls", _COLUMNS)
    twice = rows[rows.duplicated(["architecture", "filters", "seed"])]
    if not twice.empty:
        name, count, seed = twice.iloc[0][["architecture", "filters", "seed"]]
        raise TableError("controls", f"two rows with architecture = {name!r}, filters = {count}, seed = {seed}")
    rows["percent"] = 100 * rows["test_accuracy"]
    looks = series_styles(in_order(rows["architecture"]))
    paired = rows.dropna(subset=["excess"])  # a single filter has no nearest one
    with style():
        handles = _legend(looks)
        figure = new_figure(DOUBLE_COLUMN_IN, 2.4 + 0.15 * math.ceil(len(handles) / _LEGEND_COLUMNS))
        left, right = figure.subplots(1, 2)
        _draw_accuracy(left, rows, looks)
        label_panel(left, 0, "what is learnt")
        _draw_excess(right, paired, rows, looks)
        label_panel(right, 1, "redundancy over chance")
        legend_above(figure, handles, columns=_LEGEND_COLUMNS)
    return figure, _caption(rows)


def _draw_accuracy(axes: Axes, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    summary = summarise(rows, "percent")
    shown = [*rows["percent"], *summary["low"].dropna(), *summary["high"].dropna(), GUESSING_PERCENT]
    errors = [100 - percent for percent in shown if percent < 100]
    filters_axis(axes, rows["filters"])
    scale_by_error(axes, shown, finest=min(errors) / 2)
    axes.axhline(GUESSING_PERCENT, color=NULL_COLOR, linewidth=1.0, zorder=1)
    _draw_series(axes, rows, summary, "percent", looks)
    axes.set_ylabel("Test accuracy (%)")


def _draw_excess(axes: Axes, paired: pd.DataFrame, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    filters_axis(axes, rows["filters"])
    half = _NULL_SDS * paired.groupby("filters")["null_sd"].mean()
    edges = [2**-0.3, 1.0, 2**0.3]  # a lone filter count has a band too
    if len(half):
        at = [half.index[0] * edges[0], *half.index, half.index[-1] * edges[2]]
        height = [half.iloc[0], *half, half.iloc[-1]]
        axes.fill_between(at, [-h for h in height], height, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    _draw_series(axes, paired, summarise(paired, "excess"), "excess", looks)
    axes.set_ylabel("Excess of mean nearest cosine")


def _draw_series(axes: Axes, rows: pd.DataFrame, summary: pd.DataFrame, value: str, looks: dict[str, Series]) -> None:
    dodge = min(_DODGE, 0.75 / len(looks))
    for index, (name, look) in enumerate(looks.items()):
        shift = 2 ** (dodge * (index - (len(looks) - 1) / 2))
        own, means = (table[table["architecture"] == name] for table in (rows, summary))
        draw_runs(axes, own["filters"] * shift * 2**-_BESIDE, own[value], look)
        axes.errorbar(
            means["filters"] * shift,
            means["mean"],
            yerr=whiskers(means),
            color=look.color,
            marker=look.marker,
            linestyle=look.linestyle,
            markersize=3.6,
            elinewidth=1.0,
            capsize=1.8,
            capthick=0.8,
            zorder=3,
        )


def _legend(looks: dict[str, Series]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        display_name(name): Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
        for name, look in looks.items()
    }
    handles["guessing, no excess"] = Line2D([], [], color=NULL_COLOR, linewidth=1.0)
    handles[f"chance: re-drawn initial (± {_NULL_SDS} sd)"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    return handles


def _caption(rows: pd.DataFrame) -> str:
    names = in_order(rows["architecture"])
    described = [
        f"{display_name(name)} ({_MEANING[name]})" if name in _MEANING else display_name(name) for name in names
    ]
    accuracies, redundancies, others = [], [], []
    for name in names:
        own = rows[rows["architecture"] == name]
        widest = own[own["filters"] == own["filters"].max()]
        accuracies.append(f"{display_name(name)}, {_estimate(widest, 'percent', 2, sign=False)} %")
        turned, loss = widest["cosine_to_initial"].mean(), widest["train_loss"].mean()
        others.append(f"{display_name(name)}, {turned:.3f} and {loss:.3f} nats")
        measured = widest.dropna(subset=["excess"])
        if not measured.empty:
            cosine, null = measured["mean_nearest_cosine"].mean(), measured["null_mean_nearest_cosine"].mean()
            redundancies.append(
                f"{display_name(name)}, {cosine:.3f} against {null:.3f}, excess {_estimate(measured, 'excess', 3)}"
            )
    most = join_words([f"{count:,}" for count in sorted(rows.groupby("architecture")["filters"].max().unique())], "or")
    activations = join_words(in_order(rows["activation"]))
    return paragraph(
        f"""Trained networks and their controls on {dataset_name(rows)} ({activations}): {join_words(described)}.""",
        f"""Left: test accuracy, on an axis logarithmic in the error; grey, the {GUESSING_PERCENT} % of guessing. Right:
        excess of redundancy (the mean over filters of the cosine to the nearest other filter) over the null, kernels
        re-drawn from the same initialiser; the grey band is the null's mean ± {_NULL_SDS} standard deviations of one
        network's redundancy. Faint dots: single runs, beside their mean.""",
        interval_text(rows),
        f"Test accuracy at {most} filters: {'; '.join(accuracies)}.",
        f"Redundancy there, against its null: {'; '.join(redundancies)}." if redundancies else "",
        f"""Mean cosine of a kernel to its own start, and training loss on the true labels, there:
        {"; ".join(others)}.""",
    )


def _estimate(rows: pd.DataFrame, value: str, digits: int, *, sign: bool = True) -> str:
    """The mean over seeds of one condition, with its interval where there is one."""
    summary = summarise(rows, value).iloc[0]
    mean, low, high = (
        signed(summary[part], digits) if sign else f"{summary[part]:.{digits}f}" for part in ("mean", "low", "high")
    )
    return mean if pd.isna(summary["low"]) else f"{mean} ({low} to {high})"
