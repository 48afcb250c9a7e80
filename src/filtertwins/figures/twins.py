"""Do filters that start alike stay alike? Twins, half twins and near twins over the course of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    SMALL_TEXT_PT,
    TEXT_PT,
    LineStyle,
    Series,
    display_name,
    label_panel,
    legend_above,
    new_figure,
    series_styles,
    style,
)
from filtertwins.figures.tables import (
    TableError,
    dataset_name,
    in_order,
    join_words,
    paragraph,
    seeds_text,
    select,
)

_COLUMNS = (
    "dataset",
    "architecture",
    "activation",
    "optimizer",
    "learning_rate",
    "momentum",
    "weight_decay",
    "dropout",
    "filters",
    "seed",
    "second_filter",
    "epsilon",
    "step",
    "separation",
    "outgoing_separation",
    "equal",
    "cosine",
    "bound",
)
_NETWORK = ["architecture", "filters", "seed", "second_filter", "epsilon"]
_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
_MOST_NEAR = 2
"""Columns of near twins: with the weakest weight decay (or none) and with the strongest."""

_SMALLEST = 1e-10
"""The axes go down to this at most: float32 weights of ordinary size differ by 1e-9 or not at all."""

_BOUND_TOLERANCE = 0.01
"""Relative: the bound is about exact arithmetic, and the networks are float32."""

_BOUND_LINE: LineStyle = (0.0, (3.0, 1.5))
_STRIP_LEVEL = 0.055
"""Height of one series' level in the strip of zeros, as a share of the axes."""

_ROOM_LEFT = 0.15
_ROOM_FOR_EPSILON = 1.0
"""Left of step 0, in decades of the step axis."""

_MOST_EPSILON_LABELS = 5

Column = tuple[str, str]
"""What a column of panels shows: the kind of pair, and for near twins the training (see ``_trainings``)."""


def draw(twins: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the distance of two filters that start alike against the training step, on log scales.

    Args:
        twins: one row per network and recorded step.

    Returns:
        The figure (a row of panels for each activation), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing or no network has twins or half twins.
    """
    rows = select(twins, "twins", _COLUMNS)
    rows = rows[rows["second_filter"].isin(["twin", "half_twin"])].copy()
    if rows.empty:
        raise TableError("twins", "no network has second_filter = 'twin' or 'half_twin', so there is nothing to draw")
    rows["training"] = rows["architecture"].map(_trainings(rows))
    rows["distance"] = np.hypot(rows["separation"], rows["outgoing_separation"])
    drawn = rows[rows["filters"] == rows.groupby("architecture")["filters"].transform("max")]
    columns = _columns(drawn)
    with style():
        figure = _draw_panels(drawn, columns)
    return figure, _caption(rows, drawn, columns)


def _trainings(rows: pd.DataFrame) -> dict[str, str]:
    """A name for how each architecture is trained, without its activation; its own name where that is ambiguous."""
    first = rows.drop_duplicates("architecture").set_index("architecture")
    names = {}
    for architecture, row in first.iterrows():
        extras = [(word, float(row[word.replace(" ", "_")])) for word in ("momentum", "weight decay", "dropout")]
        words = [f"{word} {value:g}" for word, value in extras if value > 0]
        if row["optimizer"] != "sgd" or not words:
            words.insert(0, _OPTIMIZERS.get(row["optimizer"], row["optimizer"]))
        names[str(architecture)] = ", ".join(words)
    with_rate = {
        name: f"{words}, rate {float(str(first.loc[name, 'learning_rate'])):g}" for name, words in names.items()
    }
    for clearer in (with_rate, {name: display_name(name) for name in names}):
        pairs = [(first.loc[name, "activation"], words) for name, words in names.items()]
        ambiguous = {words for pair in pairs if pairs.count(pair) > 1 for words in pair[1:]}
        names = {name: clearer[name] if words in ambiguous else words for name, words in names.items()}
    return names


def _planted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["second_filter"] == "twin") & (rows["epsilon"] == 0)]


def _half(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["second_filter"] == "half_twin"]


def _near(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["second_filter"] == "twin") & (rows["epsilon"] > 0)]


_KINDS = {"twins": _planted, "half twins": _half, "near twins": _near}


def _columns(drawn: pd.DataFrame) -> list[Column]:
    """The columns of panels. Near twins are drawn where their growth has a bound, or anywhere if it has none."""
    columns = [(kind, "") for kind in ("twins", "half twins") if len(_KINDS[kind](drawn))]
    near = _near(drawn)
    bounded = near[near["bound"].notna()]
    names = in_order((near if bounded.empty else bounded).sort_values("weight_decay", kind="stable")["training"])
    chosen = names if len(names) <= _MOST_NEAR else [names[0], names[-1]]
    return columns + [("near twins", name) for name in chosen]


def _of_column(rows: pd.DataFrame, column: Column) -> pd.DataFrame:
    kind, training = column
    own = _KINDS[kind](rows)
    return own[own["training"] == training] if training else own


def _of_columns(rows: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    return pd.concat([rows.iloc[:0], *(_of_column(rows, column) for column in columns)])


# Panels


@dataclass(frozen=True)
class _Distances:
    """A log axis of distances over a strip for those that are exactly 0."""

    low: int
    high: int  # both powers of ten
    strip: float  # the strip's share of the axes' height, 0 where no distance is 0
    levels: dict[Any, float]  # where in the strip each series is drawn

    @classmethod
    def of(cls, distances: pd.Series[float], series: Collection[Any], include: Sequence[float] = ()) -> _Distances:
        """The axis for these distances and those to include; each series has a level of its own in the strip."""
        positive = [*distances[distances > 0].clip(lower=_SMALLEST), *include] or [1.0]
        low = math.floor(math.log10(min(positive)))
        high = max(math.ceil(math.log10(1.2 * max(positive))), low + 1)
        if not (distances == 0).any():
            return cls(low, high, 0.0, dict.fromkeys(series, 10.0**low))
        strip = min(0.35, _STRIP_LEVEL * (len(series) + 1))
        step = (high - low) * strip / (1 - strip) / (len(series) + 1)
        return cls(low, high, strip, {name: 10 ** (low - step * (i + 1)) for i, name in enumerate(series)})

    def shape(self, axes: Axes) -> None:
        """Give the axes this y axis."""
        powers = range(self.low, self.high + 1, max(1, math.ceil((self.high - self.low) / 5)))
        ticks = {10.0**power: f"$10^{{{power}}}$" for power in powers}
        bottom = self.low - (self.high - self.low) * self.strip / (1 - self.strip)
        axes.set_yscale("log")
        axes.set_ylim(10**bottom, 10.0**self.high)
        if self.strip:
            axes.axhspan(10**bottom, 10.0**self.low, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
            ticks[10 ** ((bottom + self.low) / 2)] = "0"
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks(list(ticks), list(ticks.values()))

    def cut_off_below(self, axes: Axes, artist: Artist) -> None:
        """Let what is too small for the axis end above the strip: only what is exactly 0 is drawn there."""
        artist.set_clip_path(Rectangle((0, self.strip), 1, 1 - self.strip, transform=axes.transAxes))

    def drawable(self, values: pd.Series[float]) -> pd.Series[float]:
        """Values beyond the axis brought near to it: a bound may be infinite, and a least distance 0."""
        return values.clip(lower=10.0 ** (self.low - 3), upper=10.0 ** (self.high + 3))


def _draw_panels(drawn: pd.DataFrame, columns: list[Column]) -> Figure:
    activations = in_order(drawn["activation"])
    alike = [column for column in columns if column[0] != "near twins"]
    near = _of_columns(drawn, columns[len(alike) :])
    sizes = sorted(near["epsilon"].unique())
    looks = series_styles(in_order(drawn["training"]))
    alike_axis = _Distances.of(_of_columns(drawn, alike)["separation"], looks)
    room_for_texts = [sizes[0] / 30, 15 * sizes[-1]] if sizes else []
    near_axis = _Distances.of(near["distance"], sizes, room_for_texts)
    figure = new_figure(DOUBLE_COLUMN_IN, 0.75 + 1.95 * len(activations))
    grid = figure.subplots(len(activations), len(columns), squeeze=False)
    panel = itertools.count()
    for line, activation in enumerate(activations):
        for axes, column in zip(grid[line], columns, strict=True):
            rows = _of_column(drawn[drawn["activation"] == activation], column)
            if rows.empty:
                axes.set_visible(False)
            elif column in alike:
                _draw_alike(axes, rows, looks, alike_axis, int(drawn["step"].max()))
            else:
                _draw_near(axes, rows, looks[column[1]], near_axis, int(drawn["step"].max()))
            if axes.get_visible():
                label_panel(axes, next(panel), f"{display_name(activation)}: {column[0]}")
        _label_leftmost(grid[line][: len(alike)], "Distance of\nthe kernels")
        _label_leftmost(grid[line][len(alike) :], "Distance, outgoing\nweights included")
    figure.supxlabel("Training step", fontsize=TEXT_PT)
    legend_above(figure, _legend(_of_columns(drawn, columns), looks), columns=4)
    return figure


def _draw_alike(
    axes: Axes, rows: pd.DataFrame, looks: Mapping[str, Series], distances: _Distances, last_step: int
) -> None:
    """Twins or half twins, a line for each training."""
    _step_axis(axes, last_step, _ROOM_LEFT)
    distances.shape(axes)
    for training, own in rows.groupby("training", sort=False):
        name = str(training)
        _draw_series(axes, _over_seeds(own, "separation"), looks[name], distances, distances.levels[name])


def _draw_near(axes: Axes, rows: pd.DataFrame, look: Series, distances: _Distances, last_step: int) -> None:
    """Near twins of one training, a line for each ε, named where it starts; and their bound."""
    _step_axis(axes, last_step, _ROOM_FOR_EPSILON)
    distances.shape(axes)
    axes.text(0.03, distances.strip + 0.03, str(rows["training"].iloc[0]), transform=axes.transAxes)
    marks = series_styles(str(epsilon) for epsilon in distances.levels)
    sizes = list(distances.levels)
    labelled = sizes[:: -math.ceil(len(sizes) / _MOST_EPSILON_LABELS)]
    for epsilon, level in distances.levels.items():
        own = rows[rows["epsilon"] == epsilon]
        if own.empty:
            continue
        summary = _over_seeds(own, "distance")
        _draw_series(axes, summary, replace(look, marker=marks[str(epsilon)].marker), distances, level)
        bound = distances.drawable(_over_seeds(own, "bound")["median"])
        (line,) = axes.plot(bound.index, bound, color=NULL_COLOR, linestyle=_BOUND_LINE, linewidth=0.9, zorder=1)
        distances.cut_off_below(axes, line)
        if epsilon not in labelled:
            continue
        power = round(math.log10(epsilon))
        label = f"$10^{{{power}}}$" if math.isclose(epsilon, 10.0**power) else f"{epsilon:g}"
        start = (float(summary.index[0]), summary["median"].iloc[0] or level)
        _beside(axes, label, start, -4, 0)
        if epsilon == sizes[-1]:
            _beside(axes, "ε =", start, -4, 9)


def _beside(axes: Axes, text: str, place: tuple[float, float], right_pt: float, up_pt: float) -> None:
    axes.annotate(
        text,
        xy=place,
        xytext=(right_pt, up_pt),
        textcoords="offset points",
        fontsize=SMALL_TEXT_PT,
        ha="right",
        va="center",
    )


def _draw_series(axes: Axes, summary: pd.DataFrame, look: Series, distances: _Distances, level: float) -> None:
    """Median and range over seeds; while the median is 0, a line at this level of the strip."""
    median, lowest, highest = (distances.drawable(summary[column]) for column in ("median", "min", "max"))
    is_zero = summary["median"] == 0
    band = axes.fill_between(
        summary.index,
        lowest,
        highest,
        where=(summary["max"] > 0).to_list(),
        color=look.color,
        alpha=0.18,
        linewidth=0,
        zorder=2,
    )
    shape: dict[str, Any] = {"color": look.color, "marker": look.marker, "linestyle": look.linestyle}
    shape |= {"linewidth": 0.9, "markersize": 2.6, "zorder": 3}
    (line,) = axes.plot(summary.index, median.mask(is_zero), **shape)
    axes.plot(summary.index, median.mask(is_zero, level).where(is_zero), **shape)
    for artist in (band, line):
        distances.cut_off_below(axes, artist)


def _over_seeds(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    return rows.groupby("step")[value].agg(["median", "min", "max"])


def _step_axis(axes: Axes, last: int, room_left: float) -> None:
    """An x axis of steps, logarithmic from 1, with step 0 beside it and some room left of that, in decades."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.45)
    scale = axes.xaxis.get_transform()
    left, right = scale.transform(np.array([0.0, max(1, last)])) + np.array([-room_left, 0.12])
    axes.set_xlim(*scale.inverted().transform(np.array([left, right])))
    powers = range(len(str(last)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(
        [0, *(10**power for power in powers)],
        ["0", *("1" if power == 0 else "10" if power == 1 else f"$10^{power}$" for power in powers)],
    )


def _label_leftmost(line: npt.NDArray[np.object_], text: str) -> None:
    """Label the first of the visible panels that share a y axis; the others need no numbers."""
    visible = [axes for axes in line if axes.get_visible()]
    for axes in visible[1:]:
        axes.tick_params(labelleft=False)
    for axes in visible[:1]:
        axes.set_ylabel(text)


def _legend(shown: pd.DataFrame, looks: Mapping[str, Series]) -> dict[str, Artist]:
    trainings = set(shown["training"])
    handles: dict[str, Artist] = {
        name: Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle, linewidth=0.9)
        for name, look in looks.items()
        if name in trainings
    }
    if (_shown_distance(shown) == 0).any():
        handles["0: equal to the last bit"] = Patch(color=NULL_BAND_COLOR, linewidth=0)
    if _near(shown)["bound"].notna().any():
        handles["growth bound"] = Line2D([], [], color=NULL_COLOR, linestyle=_BOUND_LINE, linewidth=0.9)
    return handles


def _shown_distance(rows: pd.DataFrame) -> pd.Series[float]:
    """The distance that is drawn: of near twins with their outgoing weights, else of the kernels."""
    return rows["separation"].where(rows["epsilon"] == 0, rows["distance"])


# Caption


def _caption(rows: pd.DataFrame, drawn: pd.DataFrame, columns: list[Column]) -> str:
    shown = _of_columns(drawn, columns)
    near = _near(shown)
    counts = join_words([f"{count:,}" for count in sorted(drawn["filters"].unique())], "or")
    activations = join_words([display_name(name) for name in in_order(drawn["activation"])])
    undrawn = [name for name in in_order(_near(rows)["training"]) if name not in set(near["training"])]
    distance = _shown_distance(shown)
    return paragraph(
        f"""How far two filters that start alike move apart in training on {dataset_name(rows)}: Euclidean distance of
        their kernels with biases against the training step, in networks of {counts} filters ({activations}). Training,
        by SGD unless another optimiser is named: {join_words(_described(drawn))}.""",
        "Twins start with equal kernels, biases and outgoing weights." if len(_planted(shown)) else "",
        "Half twins start with equal kernels and biases but outgoing weights of their own."
        if len(_half(shown))
        else "",
        f"""Near twins are twins whose kernels are moved apart, by ε in opposite directions (left of the lines:
        {join_words([f"{size:g}" for size in sorted(near["epsilon"].unique())])}); their distance includes the outgoing
        weights."""
        if len(near)
        else "",
        f"""Lines: medians over {seeds_text(shown)}; shading: their whole range (no interval).""",
        "Grey strip: a distance of exactly 0, the series one below the other." if (distance == 0).any() else "",
        f"""Lines that leave the axes at the bottom fall to {_number(distance[distance > 0].min())}."""
        if distance.between(0, _SMALLEST, "neither").any()
        else "",
        """Dashed grey: the bound on near twins of linear networks under plain SGD: first distance times the product
        over steps of 1 - ημ + ηs, with learning rate η, weight decay μ, and s the largest singular value of the loss
        gradient by the outer product of kernel and outgoing weights."""
        if near["bound"].notna().any()
        else "",
        _twins_text(_planted(rows)),
        _half_twins_text(_half(shown)),
        _near_twins_text(near),
        f"Near twins in the table, not drawn: {join_words(undrawn)}." if undrawn else "",
    )


def _described(drawn: pd.DataFrame) -> list[str]:
    """Each training with its learning rates, in the activations' order."""
    return [
        f"{name} (learning rate {join_words([f'{rate:g}' for rate in own['learning_rate'].unique()], 'or')})"
        for name, own in drawn.groupby("training", sort=False)
    ]


def _twins_text(planted: pd.DataFrame) -> str:
    """How many pairs of twins stayed equal, by training."""
    found = []
    for name, own in planted.groupby("training", sort=False):
        equal = own.groupby(_NETWORK)["equal"].all()
        text = f"{name}, {equal.sum():,} of {len(equal):,}"
        if not equal.all():
            parted = own.loc[~own["equal"].astype(bool), "step"].min()
            text += f" (the first apart at step {parted:,}; at the end {_number(_at_the_end(own, 'separation'))} apart)"
        found.append(text)
    return (
        f"""Twins equal to the last bit in kernel, bias and outgoing weights at every recorded step, of all networks
        trained: {"; ".join(found)}."""
        if found
        else ""
    )


def _half_twins_text(half: pd.DataFrame) -> str:
    """When half twins part, and how far they get, by activation."""
    found = []
    for activation, own in half[half["step"] > 0].groupby("activation", sort=False):
        early = own[own["step"] == own["step"].min()]
        found.append(
            f"""{display_name(str(activation))}, {(early["separation"] > 0).sum():,} of {len(early):,} networks apart at
            step {early["step"].iloc[0]:,} (median {_number(early["separation"].median())}); at the end the median is
            {_number(_at_the_end(own, "separation"))}, with a cosine of {_at_the_end(own, "cosine"):.3f}"""
        )
    return f"Half twins: {'; '.join(found)}." if found else ""


def _at_the_end(rows: pd.DataFrame, value: str) -> float:
    """Median over networks at each one's last step."""
    return float(rows.sort_values("step").groupby(_NETWORK)[value].last().median())


def _near_twins_text(near: pd.DataFrame) -> str:
    """How near twins' distance changed, and whether it stayed within the bound, for each panel."""
    found = []
    in_time = near.sort_values("step", kind="stable")
    for (activation, training), own in in_time.groupby(["activation", "training"], sort=False):
        distance = own.groupby(_NETWORK)["distance"]
        factor = (distance.last() / distance.first().where(distance.first() > 0)).median()
        change = "equal from the start" if np.isnan(factor) else _number(factor)
        text = f"{display_name(str(activation))}, {training}, {change}"
        ratio = (own["distance"] / own["bound"]).groupby([own[name] for name in _NETWORK]).max().dropna()
        if len(ratio):
            beyond = ratio[ratio > 1 + _BOUND_TOLERANCE].reset_index()
            text += f" (within the bound in {len(ratio) - len(beyond):,} of {len(ratio):,} networks"
            if len(beyond):
                sizes = join_words([f"{size:g}" for size in sorted(beyond["epsilon"].unique())], "or")
                text += f"; the others, with ε = {sizes}, up to {ratio.max():.2f} times it"
            text += ")"
        found.append(text)
    return f"Last over first distance of near twins, median over networks: {'; '.join(found)}." if found else ""


def _number(value: float) -> str:
    """Two digits, and no more zeros than it takes."""
    return f"{value:.2g}"
