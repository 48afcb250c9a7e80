"""Optimal Brain Damage weight by weight: is the loss's increase foretold, and how many weights can go?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from filtertwins.figures.methods import method_look
from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    REFERENCE_COLOR,
    SMALL_TEXT_PT,
    Series,
    display_name,
    label_panel,
    legend_above,
    new_figure,
    scale_by_error,
    style,
)
from filtertwins.figures.tables import (
    TableError,
    dataset_name,
    in_order,
    interval_text,
    join_words,
    paragraph,
    seed_counts,
    select,
    signed,
    summarise,
    whiskers,
)

_NETWORK = ["architecture", "filters"]
_COLUMNS = (
    "dataset",
    *_NETWORK,
    "activation",
    "seed",
    "ranking",
    "share",
    "parameters",
    "predicted_increase",
    "predicted_increase_1990",
    "actual_increase",
    "loss",
    "test_accuracy",
    "test_accuracy_retrained",
    "retraining_steps",
)
_PREDICTED_WELL_PERCENT = 30
"""Up to here the paper finds its prediction good (LeCun, Denker & Solla 1990)."""

_RETRAINED_WELL_PERCENT = 60
"""Up to here the paper finds the error after retraining unchanged."""

_RANKINGS = {"obd": "by OBD's saliency", "magnitude": "by absolute value"}
_LOOKS = {"obd": method_look("obd"), "magnitude": method_look("l1")}
"""Like the criteria for filters that add these up."""

_LINE: dict[str, Any] = {"linewidth": 0.9, "markersize": 3.2}
_INCREASES: dict[str, tuple[str, dict[str, Any]]] = {
    "actual_increase": ("actual loss", {"linestyle": "solid"}),
    "predicted_increase": ("predicted loss", {"linestyle": (0.0, (4.0, 1.5)), "markerfacecolor": "white"}),
    "predicted_increase_1990": (
        "predicted, recursion of 1990",
        {"linestyle": (0.0, (1.0, 1.2)), "linewidth": 0.7, "marker": ""},
    ),
}
"""What panels of increases show of each ranking: words, and how these are drawn."""

_ACCURACIES: dict[str, tuple[str, dict[str, Any]]] = {
    "test_accuracy_retrained": ("accuracy retrained", {"linestyle": "solid"}),
    "test_accuracy": ("accuracy as deleted", {"linestyle": (0.0, (4.0, 1.5)), "markerfacecolor": "white"}),
}
_MOST_DECADES = 5
"""The axis of increases is logarithmic over so many powers of ten at most, and linear around zero below."""

_DODGE_PERCENT = 0.5
"""Between the two rankings at one share."""


def draw(obd: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the loss's increase, predicted and actual, and the test accuracy, against the share of weights deleted.

    Args:
        obd: one row per network, ranking of the weights and share deleted.

    Returns:
        The figure (two panels for each network), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, two are of the same network, or a network has no row
            without deleted weights.
    """
    rows = _checked(select(obd, "obd", _COLUMNS))
    rows["percent"] = 100 * rows["share"]
    for column in _ACCURACIES:
        rows[column] *= 100
    networks = [own for _, own in rows.groupby(_NETWORK, sort=False)]
    looks = {ranking: _LOOKS.get(ranking, method_look(ranking)) for ranking in in_order(rows["ranking"])}
    with style():
        handles = _legend(looks)
        figure = new_figure(DOUBLE_COLUMN_IN, 0.15 + 0.15 * math.ceil(len(handles) / 3) + 2.3 * len(networks))
        panels = figure.subplots(len(networks), 2, squeeze=False)
        for index, (own, (left, right)) in enumerate(zip(networks, panels, strict=True)):
            name = f"{display_name(str(own['architecture'].iloc[0]))}: " if len(networks) > 1 else ""
            _draw_increases(left, own, looks)
            label_panel(left, 2 * index, f"{name}training loss")
            _draw_accuracies(right, own, looks)
            label_panel(right, 2 * index + 1, f"{name}test accuracy")
        legend_above(figure, handles, columns=3)
    return figure, _caption(rows, networks, looks)


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, of which each is of another network, and each network has one without deleted weights."""
    key = [*_NETWORK, "ranking", "seed"]
    twice = rows[rows.duplicated([*key, "share"])]
    if not twice.empty:
        raise TableError("obd", f"two rows with {_where(twice.iloc[0], [*key, 'share'])}")
    without = rows.groupby(key, sort=False)["share"].min().reset_index().query("share > 0")
    if not without.empty:
        raise TableError("obd", f"no row with share = 0, the reference, for {_where(without.iloc[0], key)}")
    return rows


def _where(row: pd.Series[Any], columns: list[str]) -> str:
    return ", ".join(f"{column} = {row[column]}" for column in columns)


def _over_shares(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean over seeds and its interval for each ranking and share, of one network.

    Returns:
        Columns ranking, percent (of the weights deleted), mean, low, high, seeds.
    """
    shares = sorted(rows["percent"].unique())
    places = rows["percent"].map({percent: place for place, percent in enumerate(shares)})
    means = summarise(rows.assign(architecture=rows["ranking"], filters=places), value)
    means = means.rename(columns={"architecture": "ranking", "filters": "percent"})
    return means.assign(percent=means["percent"].map(dict(enumerate(shares))))


def _draw_increases(axes: Axes, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    """The loss's increase over the share deleted: predicted by both diagonals, and what it is."""
    means = {value: _over_shares(rows, value) for value in _INCREASES}
    _increase_axis(axes, means)
    _draw_series(axes, means, _INCREASES, looks)
    _share_axis(axes)
    axes.set_ylabel("Increase of the loss (nats)")
    _mark(axes, _PREDICTED_WELL_PERCENT, "1990: prediction\ngood up to here", at_top=True)


def _draw_accuracies(axes: Axes, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    """The test accuracy over the share deleted, before and after training on, beside that without deletion."""
    means = {value: _over_shares(rows, value) for value in _ACCURACIES}
    reference = means["test_accuracy_retrained"].query("percent == 0").iloc[0]
    shown = np.concatenate([own[["mean", "low", "high"]].to_numpy().ravel() for own in means.values()])
    shown = shown[np.isfinite(shown)]
    errors = 100 - shown[shown < 100]
    scale_by_error(axes, list(shown), finest=errors.min() / 2 if len(errors) else 0.01)
    axes.axhspan(reference["low"], reference["high"], color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axhline(reference["mean"], color=NULL_COLOR, linewidth=1.0, zorder=1)
    _draw_series(axes, means, _ACCURACIES, looks)
    _share_axis(axes)
    axes.set_ylabel("Test accuracy (%)")
    _mark(axes, _RETRAINED_WELL_PERCENT, "1990: error\nunchanged\nup to here", at_top=False)


def _draw_series(
    axes: Axes,
    means: dict[str, pd.DataFrame],
    drawn: dict[str, tuple[str, dict[str, Any]]],
    looks: dict[str, Series],
) -> None:
    """Means with intervals, joined, of each ranking and each of what is drawn; thin lines have neither."""
    for index, (ranking, look) in enumerate(looks.items()):
        beside = _DODGE_PERCENT * (index - (len(looks) - 1) / 2)
        for value, (_, special) in drawn.items():
            own = means[value][means[value]["ranking"] == ranking]
            thin = special.get("marker") == ""
            kind = {"color": look.color, "marker": look.marker} | _LINE | special
            axes.errorbar(
                own["percent"] + beside,
                own["mean"],
                yerr=None if thin else whiskers(own),
                elinewidth=0.7,
                capsize=1.4,
                capthick=0.7,
                zorder=2 if thin else 3,
                **kind,
            )


def _increase_axis(axes: Axes, means: dict[str, pd.DataFrame]) -> None:
    """Logarithmic in the increase, and linear around zero, in a grey strip: some predict nothing, some losses fall."""
    ends = np.concatenate([own[["mean", "low", "high"]].to_numpy().ravel() for own in means.values()])
    ends = ends[np.isfinite(ends)]
    linear = _linear_up_to(means)
    low, high = min(ends.min(), 0.0), max(ends.max(), linear)
    axes.set_yscale("symlog", linthresh=linear, linscale=0.5)
    axes.set_ylim(1.6 * low if low < -linear else -1.2 * linear if low < 0 else -0.25 * linear, 1.6 * high)
    axes.axhspan(-linear, linear, color=NULL_BAND_COLOR, linewidth=0, zorder=0)
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    powers = 10.0 ** np.arange(round(math.log10(linear)), math.floor(math.log10(1.6 * high)) + 1)
    bottom = axes.get_ylim()[0]
    axes.set_yticks([*(-power for power in powers[::-1] if -power >= bottom), 0.0, *powers])
    axes.set_yticks([], minor=True)


def _linear_up_to(means: dict[str, pd.DataFrame]) -> float:
    """The power of ten from which increases are drawn to a logarithmic scale: below the smallest if not too many."""
    sizes = np.abs(means["actual_increase"]["mean"].to_numpy())
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 1.0
    largest = max(own["mean"].abs().max() for own in means.values())
    lowest = max(math.floor(math.log10(sizes.min())), math.ceil(math.log10(largest)) - _MOST_DECADES)
    return float(10.0**lowest)


def _share_axis(axes: Axes) -> None:
    axes.set_xlim(-2, 102)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("Weights deleted (%)")


def _mark(axes: Axes, percent: float, words: str, *, at_top: bool) -> None:
    """A vertical line where the paper's own finding ends, named to its left."""
    axes.axvline(percent, color=REFERENCE_COLOR, linewidth=0.7, linestyle=(0.0, (1.0, 1.5)), zorder=1.5)
    axes.text(
        percent - 1,
        0.98 if at_top else 0.02,
        words,
        transform=axes.get_xaxis_transform(),  # y in parts of the panel's height
        fontsize=SMALL_TEXT_PT,
        color=REFERENCE_COLOR,
        ha="right",
        va="top" if at_top else "bottom",
    )


def _legend(looks: dict[str, Series]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        _RANKINGS.get(ranking, ranking): Line2D([], [], color=look.color, marker=look.marker, linestyle="none")
        for ranking, look in looks.items()
    }
    ink = {"color": REFERENCE_COLOR, "marker": "o"} | _LINE
    for increase, accuracy in zip(_INCREASES.values(), [*_ACCURACIES.values(), None], strict=True):
        words = increase[0] if accuracy is None else f"{increase[0]}, {accuracy[0]}"
        handles[words] = Line2D([], [], **ink | increase[1])
    handles["undeleted, trained on as long"] = Line2D([], [], color=NULL_COLOR, linewidth=1.0)
    return handles


# Caption


def _caption(rows: pd.DataFrame, networks: list[pd.DataFrame], looks: dict[str, Series]) -> str:
    described, foretold, kept = [], [], []
    for own in networks:
        first = own.iloc[0]
        name = display_name(str(first["architecture"]))
        described.append(
            f"""{name} ({first["activation"]}, {first["filters"]:,} filters, {first["parameters"]:,} weights and biases,
            training loss {own["loss"].mean():.3g} nats)"""
        )
        foretold.append(f"{name}, {_about_prediction(own, looks)}")
        kept.append(f"{name}, {_about_retraining(own, looks)}")
    steps = join_words([f"{value:,}" for value in sorted(rows["retraining_steps"].unique())], "or")
    rankings = join_words([_RANKINGS.get(ranking, ranking) for ranking in looks], "or")
    grey = "Grey line and band" if seed_counts(rows).max() > 1 else "Grey line"
    strips = sorted({_linear_up_to({v: _over_shares(own, v) for v in _INCREASES}) for own in networks})
    return paragraph(
        f"""Optimal Brain Damage (LeCun, Denker & Solla 1990) on {dataset_name(rows)}: {join_words(described)}. Weights,
        biases among them, are deleted in order {rankings}, smallest first.""",
        f"""Left: by how much the training loss rises on the images that the Hessian was averaged over (solid), and what
        OBD predicts, the sum of h w²/2 over the deleted weights w with curvature h: dashed, with the exact diagonal of
        the Hessian; dotted thin (means, without intervals), with the paper's own recursion, which drops cross terms
        between positions that share a weight and between classes. The axis is logarithmic beyond
        ± {join_words([f"{strip:g}" for strip in strips], "or")} nats and linear within, in the grey strip: there
        predictions of zero and losses that fall have a place.""",
        f"""Right: test accuracy, on an axis logarithmic in the error, as deleted (dashed) and after training on for
        {steps} steps with the deleted weights held at zero (solid). {grey}: the network of which nothing is deleted,
        trained on for as long.""",
        interval_text(rows),
        f"""Dotted vertical lines: up to where the paper finds the prediction good, {_PREDICTED_WELL_PERCENT} %, and the
        error unchanged after retraining, {_RETRAINED_WELL_PERCENT} %.""",
        """What differs: the paper's network is deeper, of 2,578 parameters, trained on handwritten zip-code digits with
        a squared error, and its recipe deletes in rounds with training in between; here a network of one convolutional
        and one dense layer loses its weights at once, the error is the cross-entropy, and h is exact. The paper judges
        the prediction by the loss itself, this figure by its increase, which is harder to meet: the diagonal leaves out
        how weights that go together add to each other's effect.""",
        f"Increase in nats, predicted (by the recursion of 1990) and actual: {'; '.join(foretold)}.",
        f"Accuracy after retraining minus that of the undeleted network, paired by seed, in points: {'; '.join(kept)}.",
    )


def _nearest(rows: pd.DataFrame, percent: float) -> float:
    """The share of the table, in percent, that is nearest to this one; nothing deleted does not count."""
    shares = [share for share in rows["percent"].unique() if share > 0] or [0.0]
    return float(min(shares, key=lambda share: abs(share - percent)))


def _about_prediction(rows: pd.DataFrame, looks: dict[str, Series]) -> str:
    """What was foretold and what came, for each ranking, as far as the paper finds it good."""
    percent = _nearest(rows, _PREDICTED_WELL_PERCENT)
    at = rows[np.isclose(rows["percent"], percent)]
    found = []
    for ranking in looks:
        own = at[at["ranking"] == ranking]
        exact, recursion, actual = (
            f"{own[value].mean():.2g}".replace("-", "\N{MINUS SIGN}")
            for value in ("predicted_increase", "predicted_increase_1990", "actual_increase")
        )
        found += [f"{_RANKINGS.get(ranking, ranking)} {exact} ({recursion}) and {actual}"] if len(own) else []
    return f"at {percent:g} % deleted {join_words(found)}"


def _about_retraining(rows: pd.DataFrame, looks: dict[str, Series]) -> str:
    """What deletion costs after retraining, for each ranking, and from where on it costs more than nothing."""
    key = [*_NETWORK, "ranking", "seed"]
    whole = rows.loc[rows["percent"] == 0, [*key, "test_accuracy_retrained"]]
    pairs = rows.merge(whole, on=key, suffixes=("", "_whole"))
    pairs["lost"] = pairs["test_accuracy_retrained"] - pairs["test_accuracy_retrained_whole"]
    means = _over_shares(pairs[pairs["percent"] > 0], "lost")
    percent = _nearest(rows, _RETRAINED_WELL_PERCENT)
    found = []
    for ranking in looks:
        own = means[means["ranking"] == ranking]
        at = [_estimate(row) for _, row in own[np.isclose(own["percent"], percent)].iterrows()]
        worse = own.loc[own["high"] < 0, "percent"]
        since = f", interval below zero first at {worse.min():g} %" if len(worse) else ""
        found += [f"{_RANKINGS.get(ranking, ranking)} {at[0]}{since}"] if at else []
    return f"at {percent:g} % deleted {join_words(found)}"


def _estimate(row: pd.Series[Any]) -> str:
    mean, low, high = (signed(row[part], 2) for part in ("mean", "low", "high"))
    return mean if np.isnan(row["low"]) else f"{mean} ({low} to {high})"
