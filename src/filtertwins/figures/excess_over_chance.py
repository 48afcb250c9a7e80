"""By how much filters are more alike than chance makes them, for kernels of all shapes and networks of all widths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
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
    REFERENCE_COLOR,
    TIMES,
    Series,
    display_name,
    draw_runs,
    filters_axis,
    label_panel,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    RESAMPLES,
    TableError,
    dataset_name,
    in_order,
    join_words,
    paragraph,
    seeds_text,
    select,
    signed,
    summarise,
    whiskers,
)

SIGNIFICANT = 0.05
"""Adjusted p-values below this count as more alike than chance."""

_RUN_COLUMNS = (
    "dataset",
    "architecture",
    "filters",
    "seed",
    "stage",
    "mean_nearest_cosine",
    "null_mean_nearest_cosine",
    "null_sd",
    "isotropic_mean_nearest_cosine",
    "excess",
)


@dataclass(frozen=True)
class _Null:
    """One of the three nulls: how it is drawn, and where beside the others."""

    words: str
    marker: str
    color: str
    shift: float


_NULLS = {
    "redrawn": _Null("re-drawn initial", "o", "black", -0.27),
    "initial": _Null("own initial", "s", "0.3", -0.09),
    "isotropic": _Null("isotropic", "^", "0.5", 0.09),
}
_EXCESS_COLUMNS = (
    "dataset",
    "architecture",
    "kernel_height",
    "kernel_width",
    "activation",
    "filters",
    "dimension",
    "equivalence",
    *(f"{null}_{part}" for null in _NULLS for part in ("null", "excess", "low", "high", "p_fdr")),
    "n",
)
_TRAINED_MARKER, _TRAINED_SHIFT = "D", 0.27
_NULL_SDS = 2
_DODGE = 0.2
"""Between the architectures of one filter count, at most, in doublings."""

_CEILING_LINE = (0.0, (1.0, 1.0))
_LEGEND_COLUMNS = 4
_LINEAR_TO = 0.01
"""Over the number of filters the excess falls from tenths to thousandths: its axis is logarithmic beyond this."""

_COSINES = {
    "nonzero_scale": "absolute cosine of the kernels",
    "positive_scale": "signed cosine of the kernels with their biases",
    "sign": "absolute cosine of the kernels with their biases",
}


def draw(
    redundancy: pd.DataFrame,
    excess: pd.DataFrame,
    kernel_shapes: pd.DataFrame | None = None,
    *,
    filters: float | None = None,
) -> tuple[Figure, str]:
    """Draw the excess of trained redundancy over its nulls, against the kernel's shape and the number of filters.

    Args:
        redundancy: one row per run and stage, of the study's main architectures.
        excess: one row per condition, of these and of those that differ in kernel shape.
        kernel_shapes: one row per run and stage of the latter. The main ones have shapes too, and stand in for others.
        filters: the number of filters at which kernel shapes are compared (default: the largest that most have)

    Returns:
        The figure, and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, no architecture is in both tables, or no condition has
            this number of filters.
    """
    conditions = _conditions(excess)
    runs = select(redundancy, "redundancy", _RUN_COLUMNS)
    looks = series_styles(in_order(runs["architecture"]))
    runs = runs.dropna(subset=["mean_nearest_cosine"])
    if runs.empty:
        raise TableError(
            "redundancy", "column 'mean_nearest_cosine' is empty for every run: a nearest filter takes two"
        )
    main = conditions[conditions["architecture"].isin(runs["architecture"])]
    if main.empty:
        raise TableError("excess", "no rows with an architecture of table 'redundancy'")
    others = None if kernel_shapes is None else select(kernel_shapes, "kernel_shapes", _RUN_COLUMNS)
    shapes = _shapes(conditions, runs, others, filters)
    runs = runs[runs["stage"] == "trained"]
    with style():
        figure = _draw_panels(main, runs, shapes, looks)
    return figure, _caption(main, runs, shapes)


def _conditions(excess: pd.DataFrame) -> pd.DataFrame:
    rows = select(excess, "excess", _EXCESS_COLUMNS)
    twice = rows[rows.duplicated(["architecture", "filters"])]
    if not twice.empty:
        name, count = twice.iloc[0][["architecture", "filters"]]
        raise TableError("excess", f"two rows with architecture = {name!r}, filters = {count}, expected one")
    return rows


@dataclass(frozen=True)
class _Shapes:
    """One architecture for each shape of kernels and activation, at one number of filters."""

    filters: int
    activations: list[str]
    conditions: pd.DataFrame  # with the column x, the place among those of its activation
    runs: pd.DataFrame  # with the same column
    every: pd.DataFrame  # the conditions with any number of filters
    from_main: list[str]  # those of its architectures that are the study's main ones


def _shapes(
    conditions: pd.DataFrame, main_runs: pd.DataFrame, shape_runs: pd.DataFrame | None, filters: float | None
) -> _Shapes:
    """What is compared over shapes: the experiment's architectures, and main ones where it has none of their shape."""
    runs = main_runs if shape_runs is None else pd.concat([shape_runs, main_runs])
    runs = runs.dropna(subset=["mean_nearest_cosine"]).drop_duplicates(["architecture", "filters", "seed", "stage"])
    in_turn = conditions.set_index("architecture").loc[
        [name for name in in_order(runs["architecture"]) if name in set(conditions["architecture"])]
    ]
    in_turn = in_turn.reset_index()
    kinds = in_turn.drop_duplicates(["activation", "kernel_height", "kernel_width"])
    every = in_turn[in_turn["architecture"].isin(kinds["architecture"])]
    having = every.groupby("filters")["architecture"].nunique()
    count = int(having.index[having == having.max()].max() if filters is None else filters)
    if count not in having.index:
        have = ", ".join(map(str, having.index))
        raise TableError("excess", f"no rows with filters = {count}; it has: {have}")
    chosen = every[every["filters"] == count].sort_values(["dimension", "kernel_width"], kind="stable")
    chosen = chosen.assign(x=chosen.groupby("activation").cumcount())
    places = chosen.set_index("architecture")["x"]
    runs = runs[(runs["filters"] == count) & runs["architecture"].isin(places.index)]
    runs = runs.merge(chosen[["architecture", "activation", "x"]])
    main = set(main_runs["architecture"]) - set([] if shape_runs is None else shape_runs["architecture"])
    activations = [name for name in in_order(conditions["activation"]) if name in set(chosen["activation"])]
    return _Shapes(count, activations, chosen, runs, every, [name for name in places.index if name in main])


def _draw_panels(main: pd.DataFrame, runs: pd.DataFrame, shapes: _Shapes, looks: dict[str, Series]) -> Figure:
    columns = len(shapes.activations) + 1
    handles = _legend(in_order(main["architecture"]), looks)
    figure = new_figure(DOUBLE_COLUMN_IN, 3.5 + 0.15 * math.ceil(len(handles) / _LEGEND_COLUMNS))
    grid = figure.add_gridspec(2, columns)
    upper: list[Axes] = []
    lower: list[Axes] = []
    for column, activation in enumerate(shapes.activations):
        upper.append(figure.add_subplot(grid[0, column], sharey=upper[0] if upper else None))
        lower.append(figure.add_subplot(grid[1, column], sharey=lower[0] if lower else None, sharex=upper[-1]))
        conditions = shapes.conditions[shapes.conditions["activation"] == activation]
        _draw_excess(upper[-1], conditions)
        _draw_cosines(lower[-1], conditions, shapes.runs[shapes.runs["activation"] == activation])
        for axes, first in ((upper[-1], 0), (lower[-1], columns)):
            label_panel(axes, first + column, f"{display_name(activation)}, {shapes.filters:,} filters")
            axes.tick_params(labelleft=column == 0)
        upper[-1].tick_params(labelbottom=False)
        lower[-1].set_xlabel("Kernel, and its dimension d")
    upper[0].set_ylabel("Excess over chance\n(difference of cosines)")
    lower[0].set_ylabel("Redundancy (mean\nnearest cosine)")
    _draw_ceilings(upper, shapes)
    last = figure.add_subplot(grid[:, -1])
    _draw_widths(last, main, runs, looks)
    label_panel(last, columns - 1, "main architectures")
    last.set_ylabel("Excess over re-drawn initial kernels")
    figure.align_ylabels([upper[0], lower[0]])
    legend_above(figure, handles, columns=_LEGEND_COLUMNS)
    return figure


def _draw_excess(axes: Axes, conditions: pd.DataFrame) -> None:
    """The excess over each null at each kernel shape."""
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    for name, null in _NULLS.items():
        _draw_means(
            axes,
            conditions["x"] + null.shift,
            conditions,
            name,
            Series(null.color, null.marker, "solid"),
            join=False,
        )
    _shape_axis(axes, conditions)


def _draw_means(axes: Axes, x: pd.Series[float], conditions: pd.DataFrame, null: str, look: Series, join: bool) -> None:
    """Mean excess over a null with intervals; filled where it is more than chance after adjustment."""
    mean, low, high = (conditions[f"{null}_{part}"].astype(float) for part in ("excess", "low", "high"))
    axes.errorbar(
        x,
        mean,
        yerr=np.stack([mean - low, high - mean]).clip(min=0),
        color=look.color,
        linestyle=look.linestyle if join else "none",
        linewidth=0.9,
        elinewidth=0.9,
        capsize=1.6,
        capthick=0.8,
        zorder=2,
    )
    above = conditions[f"{null}_p_fdr"] < SIGNIFICANT
    for chosen, face in ((above, look.color), (~above, "white")):
        axes.plot(
            x[chosen],
            mean[chosen],
            look.marker,
            color=look.color,
            markerfacecolor=face,
            markersize=3.6,
            zorder=3,
        )


def _draw_cosines(axes: Axes, conditions: pd.DataFrame, runs: pd.DataFrame) -> None:
    """Trained redundancy itself at each kernel shape, and what each null gives."""
    trained, initial = (runs[runs["stage"] == stage] for stage in ("trained", "initial"))
    null = trained.groupby("x")[["null_mean_nearest_cosine", "null_sd", "isotropic_mean_nearest_cosine"]].mean()
    middle, half = null["null_mean_nearest_cosine"], _NULL_SDS * null["null_sd"]
    low, high = middle - half, (middle + half).clip(upper=1)
    axes.bar(null.index, high - low, bottom=low, width=0.86, color=NULL_BAND_COLOR, linewidth=0, zorder=1)
    means = {"redrawn": middle, "isotropic": null["isotropic_mean_nearest_cosine"]}
    before, after = (_by_place(rows) for rows in (initial, trained))
    for name, values in means.items():
        null_look = _NULLS[name]
        axes.plot(values.index + null_look.shift, values, null_look.marker, color=NULL_COLOR, markersize=3.2, zorder=2)
    for summary, color, marker, shift in (
        (before, NULL_COLOR, _NULLS["initial"].marker, _NULLS["initial"].shift),
        (after, "black", _TRAINED_MARKER, _TRAINED_SHIFT),
    ):
        axes.errorbar(
            summary["filters"] + shift,
            summary["mean"],
            yerr=whiskers(summary),
            color=color,
            marker=marker,
            markersize=3.2,
            linestyle="none",
            elinewidth=0.9,
            capsize=1.6,
            zorder=3,
        )
    axes.use_sticky_edges = False  # the lowest band keeps its margin too
    _shape_axis(axes, conditions)


def _by_place(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with intervals, at each place (in the column of filter counts)."""
    return summarise(runs.assign(filters=runs["x"]), "mean_nearest_cosine")


def _shape_axis(axes: Axes, conditions: pd.DataFrame) -> None:
    labels = [f"{row.kernel_height}{TIMES}{row.kernel_width}\n{row.dimension}" for row in conditions.itertuples()]
    axes.set_xticks(conditions["x"], labels)
    axes.set_xlim(-0.6, len(conditions) - 0.4)


def _draw_ceilings(panels: list[Axes], shapes: _Shapes) -> None:
    """Where it is in view, the most that the excess over re-drawn kernels can be: cosines end at 1."""
    bottom, top = panels[0].get_ylim()
    for axes, activation in zip(panels, shapes.activations, strict=True):
        group = shapes.conditions[shapes.conditions["activation"] == activation]
        ceilings = 1 - group["redrawn_null"]
        seen = ceilings <= top
        axes.hlines(
            ceilings[seen],
            group.loc[seen, "x"] - 0.42,
            group.loc[seen, "x"] + 0.42,
            color=REFERENCE_COLOR,
            linewidth=1.0,
            linestyle=_CEILING_LINE,
            zorder=1.5,
        )
    panels[0].set_ylim(bottom, top)


def _draw_widths(axes: Axes, main: pd.DataFrame, runs: pd.DataFrame, looks: dict[str, Series]) -> None:
    """The excess of the main architectures over re-drawn kernels against the number of filters."""
    names = in_order(main["architecture"])
    filters_axis(axes, main["filters"])
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    dodge = min(_DODGE, 0.75 / len(names))
    for index, name in enumerate(names):
        own = main[main["architecture"] == name].sort_values("filters")
        shift = 2 ** (dodge * (index - (len(names) - 1) / 2))
        single = runs[runs["architecture"] == name]
        draw_runs(axes, single["filters"] * shift, single["excess"], looks[name], alpha=0.35, zorder=1.5)
        _draw_means(axes, own["filters"] * shift, own, "redrawn", looks[name], join=True)
    _scale_by_power(axes)


def _scale_by_power(axes: Axes) -> None:
    """A y axis that is linear near zero and logarithmic beyond, with ticks at zero and at powers of ten."""
    if max(np.abs(axes.get_ylim())) <= _LINEAR_TO:
        return
    axes.set_yscale("symlog", linthresh=_LINEAR_TO, linscale=0.8)
    bottom, top = axes.get_ylim()
    powers = [10.0**power for power in range(round(np.log10(_LINEAR_TO)), 2)]
    ticks = [tick for tick in (*(-power for power in powers), 0.0, *powers) if bottom <= tick <= top]
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axes.set_yticks([], minor=True)


def _legend(names: list[str], looks: dict[str, Series]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for null in _NULLS.values():
        handles[f"chance: {null.words}"] = Line2D([], [], color=null.color, marker=null.marker, linestyle="none")
    handles["trained"] = Line2D([], [], color="black", marker=_TRAINED_MARKER, linestyle="none")
    handles[f"re-drawn initial ± {_NULL_SDS} sd"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    handles["the most possible"] = Line2D([], [], color=REFERENCE_COLOR, linewidth=1.0, linestyle=_CEILING_LINE)
    for words, face in (("filled: p < 0.05", REFERENCE_COLOR), ("open: not", "white")):
        handles[words] = Line2D([], [], color=REFERENCE_COLOR, marker="o", markerfacecolor=face, linestyle="none")
    for name in names:
        look = looks[name]
        handles[display_name(name)] = Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
    return handles


def _caption(main: pd.DataFrame, runs: pd.DataFrame, shapes: _Shapes) -> str:
    every = pd.concat([main, shapes.every]).drop_duplicates(["architecture", "filters"])
    kinds = every.drop_duplicates("activation")
    cosines = [
        f"{display_name(activation)}, {_COSINES[equivalence]}"
        for activation, equivalence in zip(kinds["activation"], kinds["equivalence"], strict=True)
    ]
    at_most = []
    for name in in_order(main["architecture"]):
        widest = main[main["architecture"] == name].sort_values("filters").iloc[-1]
        at_most.append(f"{display_name(name)} {_excess(widest)} at {widest['filters']:,}")
    seeds = seeds_text(pd.concat([runs, shapes.runs]))
    return paragraph(
        f"""Excess of trained filters' redundancy over chance on {dataset_name(main)}. Redundancy is the mean over
        filters of the cosine to the nearest other filter ({"; ".join(cosines)}); biases start at zero and are no part
        of the nulls.""",
        _about_shapes(shapes),
        f"""Right panel: the main architectures against the number of filters, excess over re-drawn kernels; faint dots
        are single runs. The axis is linear up to ± {_LINEAR_TO:g} and logarithmic beyond. At the largest numbers of
        filters: {"; ".join(at_most)}.""",
        _about_tests(every, main),
        f"Bars: 95 % bootstrap intervals ({RESAMPLES:,} resamples) of the mean over {seeds}."
        if every["n"].max() > 1
        else "With one seed there are no intervals.",
    )


def _about_shapes(shapes: _Shapes) -> str:
    """Sentences on the panels of kernel shapes, with their numbers."""
    found = []
    for activation in shapes.activations:
        rows = shapes.conditions[shapes.conditions["activation"] == activation]
        each = [f"{row['kernel_height']}{TIMES}{row['kernel_width']} {_excess(row)}" for _, row in rows.iterrows()]
        found.append(f"{display_name(activation)}, {join_words(each)}")
    from_main = [display_name(name) for name in shapes.from_main]
    source = f" ({join_words(from_main)} from among the main architectures)" if from_main else ""
    return f"""Upper panels: trained minus null at {shapes.filters:,} filters for kernels of several shapes{source},
    against three nulls: kernels re-drawn from the same initialiser, the same networks' own initial kernels (paired),
    and isotropic random directions. Dotted, where in view: one minus the re-drawn null, the most that the excess can
    be, since cosines end at 1. Lower panels: redundancy itself, trained in black, nulls in grey; the band is re-drawn
    kernels, mean ± {_NULL_SDS} standard deviations of one network's redundancy. Excess over re-drawn kernels:
    {"; ".join(found)}."""


def _about_tests(every: pd.DataFrame, main: pd.DataFrame) -> str:
    """Sentences on what is filled, and on how many conditions are, at any number of filters."""
    meaning = f"""Filled markers: above the null by a one-sided sign-flip test over seeds, p < {SIGNIFICANT:g} after the
    adjustment for the false discovery rate over all conditions; open markers: not."""
    if every["redrawn_p_fdr"].isna().all():
        return meaning + " There are too few seeds for a test."
    names = in_order(main["architecture"])
    others = every[~every["architecture"].isin(names)]
    groups = {display_name(name): every[every["architecture"] == name] for name in names} | {
        f"other {display_name(activation)} ones": others[others["activation"] == activation]
        for activation in in_order(others["activation"])
    }
    counted = [
        f"{words}, {(rows['redrawn_p_fdr'] < SIGNIFICANT).sum()} of {len(rows)}" for words, rows in groups.items()
    ]
    return meaning + f" Conditions above re-drawn kernels, of those with two or more filters: {'; '.join(counted)}."


def _excess(row: pd.Series[Any]) -> str:
    """The excess over re-drawn kernels, with its interval where there is one."""
    digits = 3 if abs(row["redrawn_excess"]) >= _LINEAR_TO else 4
    mean, low, high = (signed(row[f"redrawn_{part}"], digits) for part in ("excess", "low", "high"))
    return mean if np.isnan(row["redrawn_low"]) else f"{mean} ({low} to {high})"
