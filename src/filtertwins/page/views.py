"""The page's charts, from tables to Vega-Lite: each shows something as it stands, and has at most two menus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from filtertwins.figures.disc import places_on_disc
from filtertwins.figures.style import COLORS, STAGES, Look
from filtertwins.labels import method_name
from filtertwins.names import SELECTED, UNPRUNED

_WIDTH, _HEIGHT, _DISC = "container", 300, 300  # pixels; charts are as wide as the page has room
_GREY = "#888888"
_LEGEND = alt.Legend(orient="bottom", columns=2, labelLimit=260)  # Two columns have room on a telephone.
_MOST_ROWS = 200  # A table with more rows is not shown beside its chart.

MEASURES = {
    "redundant_share": "Share of filters that are redundant",
    "mean_nearest_cosine": "Mean cosine to the most similar filter",
    "near_duplicate_pairs": "Pairs of near duplicates in a network",
}
"""Measures of redundancy in words."""


@dataclass(frozen=True)
class View:
    """One chart of the page.

    Attributes:
        name: unique on the page.
        spec: Vega-Lite, with its data.
        rows: what is drawn, as a table for those who do not see the chart; None where it would be too long.
    """

    name: str
    spec: dict[str, Any]
    rows: pd.DataFrame | None


def menu(field: str, choices: Sequence[Any], chosen: Any, text: str) -> alt.Parameter:
    """A menu of the values that a column has; its chart shows the rows with the chosen one."""
    return alt.param(name=field, value=chosen, bind=alt.binding_select(options=list(choices), name=f"{text}: "))


def network_in_words(look: Look, architecture: str, filters: int) -> str:
    """What a menu calls a network."""
    return f"{look.label(architecture)}, {filters} filter{'s' * (filters > 1)}"


def kernels_view(kernels: pd.DataFrame, redundancy: pd.DataFrame, look: Look) -> View | None:
    """Kernels of three weights as points on a map of their directions, before and after training.

    Args:
        kernels: ``kernels.csv``.
        redundancy: ``redundancy.csv``, which says whether a kernel's sign matters.
        look: names of architectures, and the cosine from which two filters count as near duplicates.

    Returns:
        None if no architecture's kernels have three weights.
    """
    signs = redundancy.drop_duplicates("architecture").set_index("architecture")["equivalence"]
    parts = []
    names = ["architecture", "filters", "seed"]
    for (name, filters, _), own in kernels[kernels["seed"] == kernels["seed"].min()].groupby(names, sort=False):
        if len(own) != 3 * filters * own["stage"].nunique() or own["channel"].max() > 0:
            continue
        for stage, rows in own.groupby("stage", sort=False):
            weights = rows.sort_values(["filter", "row", "column"])["weight"].to_numpy(dtype=float).reshape(-1, 3)
            places, rim = places_on_disc(weights, ignores_sign=signs[name] != "positive_scale")
            radius = 2 * np.sin(np.arccos(look.threshold) / 4) / rim * _DISC / 2
            part = pd.DataFrame(places / rim, columns=["x", "y"]).round(4)
            part["kernel"] = [", ".join(f"{weight:.3f}" for weight in kernel) for kernel in weights]
            part["architecture"] = name
            part["network"] = network_in_words(look, name, filters)
            parts.append(part.assign(stage=STAGES[stage], area=np.pi * radius**2))
    if not parts:
        return None
    points = pd.concat(parts).dropna()
    networks = points["network"].unique().tolist()
    first = points.loc[points["architecture"] == points["architecture"].iloc[0], "network"]
    network = menu("network", networks, first.iloc[-1], "Network")
    stages = alt.Scale(domain=list(STAGES.values()), range=[_GREY, COLORS[0]])
    square = alt.Scale(domain=[-1.02, 1.02])
    place = {"x": alt.X("x:Q", scale=square, axis=None), "y": alt.Y("y:Q", scale=square, axis=None)}
    base = (
        alt.Chart(points)
        .transform_filter(alt.datum.network == network)
        .encode(
            **place,
            color=alt.Color("stage:N", scale=stages, title="Training", legend=alt.Legend(orient="top")),
        )
    )
    angles = np.linspace(0, 2 * np.pi, 181)
    rim = alt.Chart(pd.DataFrame({"x": np.cos(angles).round(4), "y": np.sin(angles).round(4), "order": range(181)}))
    circle = rim.mark_line(color=_GREY, strokeWidth=1).encode(**place, order="order:Q")
    blots = base.mark_circle(opacity=0.3).encode(size=alt.Size("area:Q", scale=None, legend=None))
    dots = base.mark_circle(size=12, opacity=1).encode(tooltip=["kernel:N", "stage:N"])
    chart = (circle + blots + dots).add_params(network).properties(width=_DISC, height=_DISC)
    return _view("kernels", chart, points, "Kernels as points on a map of their directions, before and after training")


def accuracy_view(runs_means: pd.DataFrame, look: Look, reported: tuple[float, float] | None = None) -> View:
    """Test accuracy by the number of filters, with intervals over seeds.

    Args:
        runs_means: ``runs_means.csv``.
        look: names and colours of architectures.
        reported: accuracies that somebody reported, from the lowest to the highest; a band shows them.
    """
    rows = _named(runs_means[runs_means["measure"] == "test_accuracy"], look)
    chart = _curves(rows, "filters", "Filters", "Test accuracy", _colors(rows, look), log_x=True, percent=True)
    if reported:
        band = alt.Chart(pd.DataFrame([dict(zip(("from", "to"), reported, strict=True))]))
        chart = band.mark_rect(opacity=0.25, color=COLORS[2]).encode(y="from:Q", y2="to:Q") + chart
    return _view("accuracy", chart, rows, "Test accuracy by the number of filters")


def redundancy_view(redundancy_means: pd.DataFrame, look: Look) -> View | None:
    """A measure of redundancy by the number of filters, trained, beside strangers and re-drawn initial kernels.

    Args:
        redundancy_means: ``redundancy_means.csv``.
        look: names of architectures.
    """
    shown = (redundancy_means["stage"] == "trained") & redundancy_means["measure"].isin(list(MEASURES))
    rows = _named(redundancy_means[shown], look).dropna(subset=["mean"])
    if rows.empty:
        return None
    rows = rows.assign(what=rows["measure"].map(MEASURES))
    measures = [words for words in MEASURES.values() if (rows["what"] == words).any()]
    telling = [words for words in measures if rows.loc[rows["what"] == words, "mean"].any()]  # not 0 everywhere
    what = menu("what", measures, [*telling, *measures][0], "Measure")
    names = list(dict.fromkeys(rows["series"]))
    series = menu("series", names, names[0], "Network")
    base = alt.Chart(rows).transform_filter((alt.datum.what == what) & (alt.datum.series == series))
    x = alt.X("filters:Q", scale=alt.Scale(type="log", base=2, nice=False), axis=_counts(rows["filters"]))
    chance = base.mark_area(opacity=0.3, color=_GREY).encode(x=x, y=alt.Y("null_low:Q", title=""), y2="null_high:Q")
    colors = {"one network, trained": COLORS[0], "strangers": COLORS[2], "re-drawn initial kernels": _GREY}
    kinds = alt.Scale(domain=list(colors), range=list(colors.values()))
    lines = [
        base.transform_calculate(kind=f"'{kind}'")
        .mark_line(point=column == "mean", strokeDash=[1, 0] if column == "mean" else [4, 3])
        .encode(
            x=x,
            y=alt.Y(f"{column}:Q", title="The chosen measure"),
            color=alt.Color("kind:N", scale=kinds, title=None, legend=_LEGEND),
            tooltip=_tips(rows),
        )
        for column, kind in zip(("mean", "strangers", "null"), colors, strict=True)
    ]
    # No share and no number of pairs is below 0, wherever an interval ends.
    lowest = "!isValid(datum.low) || datum.measure == 'mean_nearest_cosine' ? datum.low : max(0, datum.low)"
    ends = base.transform_calculate(lowest=lowest).mark_rule(color=COLORS[0]).encode(x=x, y="lowest:Q", y2="high:Q")
    chart = alt.layer(chance, *lines, ends).add_params(what, series).properties(width=_WIDTH, height=_HEIGHT)
    return _view(
        "redundancy", chart, rows.drop(columns="measure"), "Redundancy by the number of filters, beside chance"
    )


def twins_view(twins_means: pd.DataFrame, look: Look) -> View | None:
    """How far near twins part while they are trained.

    Args:
        twins_means: ``twins_means.csv``.
        look: names and colours of architectures.
    """
    rows = twins_means[(twins_means["measure"] == "log_growth") & (twins_means["epsilon"] > 0)]
    rows = rows[(rows["second_filter"] == "twin") & (rows["step"] > 0)]
    if rows.empty:
        return None
    rows = _named(rows, look)
    rows = rows.assign(start=rows["epsilon"].map("{:g}".format))
    rows[["mean", "low", "high"]] = np.exp(rows[["mean", "low", "high"]])
    starts = list(dict.fromkeys(rows["start"]))
    start = menu("start", starts, starts[len(starts) // 2], "Distance at the start")
    chart = _curves(
        rows, "step", "Step", "Distance, as a multiple of that at the start", _colors(rows, look), log_y=True
    )
    chart = chart.transform_filter(alt.datum.start == start).add_params(start)
    return _view("twins", chart, rows, "How far near twins part while they are trained")


def pruning_view(pruning_means: pd.DataFrame, look: Look) -> View | None:
    """Test accuracy by the number of filters that pruning keeps, for each way to choose them.

    Args:
        pruning_means: ``pruning_means.csv``.
        look: names of architectures.
    """
    rows = _named(pruning_means[pruning_means["measure"] == "test_accuracy"], look, series="network")
    if rows.empty:
        return None
    words = {SELECTED: "best on validation images", UNPRUNED: "none removed"}
    rows["series"] = [words.get(name, method_name(name)) for name in rows["method"]]
    rows["when"] = np.where(rows["fine_tuning_steps"] > 0, "after fine-tuning", "before fine-tuning")
    network = menu("network", list(dict.fromkeys(rows["network"])), rows["network"].iloc[0], "Network")
    when = menu("when", sorted(set(rows["when"]), reverse=True), "before fine-tuning", "When")
    colors = dict(zip(dict.fromkeys(rows["series"]), COLORS * 3, strict=False))
    chart = _curves(rows, "kept", "Filters kept", "Test accuracy", colors, log_x=True, percent=True)
    chart = chart.transform_filter((alt.datum.network == network) & (alt.datum.when == when)).add_params(network, when)
    return _view("pruning", chart, rows, "Test accuracy by the number of filters that pruning keeps")


def _named(means: pd.DataFrame, look: Look, series: str = "series") -> pd.DataFrame:
    """The rows in the look's order, with the architecture's words in a column."""
    order = look.order(means["architecture"])
    parts = [means[means["architecture"] == name].assign(**{series: look.label(name)}) for name in order]
    return pd.concat(parts) if parts else means.assign(**{series: []})


def _colors(rows: pd.DataFrame, look: Look) -> dict[str, str]:
    return {look.label(name): color for name, color in look.palette(rows["architecture"]).items()}


def _counts(values: pd.Series[int]) -> alt.Axis:
    """An axis that names the numbers of filters that there are."""
    return alt.Axis(
        values=sorted(map(int, values.unique())), format="d", grid=False, title="Filters", labelOverlap=True
    )


def _tips(rows: pd.DataFrame, spelled: str = ".3g") -> list[alt.Tooltip]:
    fields = [name for name in ("series", "filters", "kept", "step") if name in rows]
    numbers = [name for name in ("mean", "low", "high", "strangers", "null") if name in rows]
    return [*map(alt.Tooltip, fields), *(alt.Tooltip(f"{name}:Q", format=spelled) for name in numbers)]


def _curves(
    rows: pd.DataFrame,
    x: str,
    x_title: str,
    y_title: str,
    colors: dict[str, str],
    *,
    log_x: bool = False,
    log_y: bool = False,
    percent: bool = False,
) -> alt.LayerChart:
    """Means with intervals as lines and bars, a colour for each series."""
    across = alt.Axis(values=sorted(map(int, rows[x].unique())), format="d", labelOverlap=True) if log_x else alt.Axis()
    x_scale = alt.Scale(type="log", base=2, nice=False) if log_x else alt.Scale()
    y_scale = alt.Scale(type="log") if log_y else alt.Scale(zero=False)
    place = alt.X(f"{x}:Q", scale=x_scale, axis=across, title=x_title)
    up = alt.Axis(format="%") if percent else alt.Axis(format="~g")
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    color = alt.Color("series:N", scale=scale, title=None, legend=_LEGEND)
    dashes = [[1, 0] if own < len(COLORS) else [5, 3] for own in range(len(colors))]  # Later series repeat colours.
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=list(colors), range=dashes), title=None, legend=_LEGEND)
    shown = rows.assign(low=rows["low"].clip(lower=0), high=rows["high"].clip(upper=1)) if percent else rows
    base = alt.Chart(shown).encode(x=place, color=color, strokeDash=dash)
    line = base.mark_line(point=True).encode(
        y=alt.Y("mean:Q", scale=y_scale, axis=up, title=y_title), tooltip=_tips(rows, ".2%" if percent else ".3g")
    )
    ends = base.mark_rule().encode(y="low:Q", y2="high:Q")
    return (line + ends).properties(width=_WIDTH, height=_HEIGHT)


def _view(name: str, chart: Any, rows: pd.DataFrame, description: str) -> View:
    sizes = {"labelFontSize": 12, "titleFontSize": 12}
    spec = (
        chart.properties(description=description)
        .configure(background="transparent")
        .configure_axis(titlePadding=8, **sizes)
        .configure_legend(**sizes)
        .to_dict()
    )
    if spec.get("width") == _WIDTH:  # The map of directions stays round instead.
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    numbers = rows.select_dtypes("number").columns.difference(["filters", "kept", "n"])
    table = rows.round(dict.fromkeys(numbers, 4)) if len(rows) <= _MOST_ROWS and "mean" in rows else None
    return View(name, spec, table)
