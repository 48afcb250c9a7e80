"""What does a network with fewer filters cost: accuracy against latency, and latency against its size."""

from __future__ import annotations

import math
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from filtertwins.figures.labels import Label, label_points
from filtertwins.figures.methods import CHANCE, UNPRUNED, method_name
from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_COLOR,
    REFERENCE_COLOR,
    SMALL_TEXT_PT,
    TEXT_PT,
    LineStyle,
    Series,
    display_name,
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
    interval_text,
    join_words,
    paragraph,
    select,
    summarise,
    whiskers,
)

_NETWORK = ["architecture", "filters"]
_SHAPE = [*_NETWORK, "kept"]
_COST_COLUMNS = (
    "dataset",
    *_SHAPE,
    "activation",
    "parameters",
    "bytes",
    "convolution_macs",
    "dense_macs",
    "batch",
    "round",
    "latency_s",
)
_PRUNING_COLUMNS = (
    "dataset",
    *_SHAPE,
    "seed",
    "method",
    "fine_tuning_steps",
    "validation_accuracy",
    "test_accuracy",
    "test_images",
)
_FROM, _TO = 0.1, 0.9
"""The quantiles over rounds between which latencies are drawn as bars."""

_MOST_ABREAST = 3
_ROOM = 1.15
"""The accuracy axis goes from this many times the largest error to the smallest error over it: numbers need room."""

_INK = 0.7
"""How bright numbers are beside their markers: thin strokes need more contrast."""

_LOGARITHMIC_FROM = 3.0
"""Latencies whose largest is this many times the smallest get a logarithmic axis."""

_STEPS: tuple[tuple[float, ...], ...] = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Where such an axis may have ticks, in each power of ten: the first of these whose numbers have room."""

_BATCH_LOOKS: tuple[tuple[str, LineStyle], ...] = (("o", "solid"), ("s", (0.0, (4.0, 1.5))), ("^", (0.0, (1.0, 1.0))))
"""Marker and line of each batch, the smallest first, in the panels of one network."""


_MARKER_PT, _RING_PT = 3.4, 8.0
"""Diameters of markers."""

_CLEAR_PT = 0.7
"""Between the edge of a marker without a ring and the numbers."""

_RING: dict[str, Any] = {
    "color": REFERENCE_COLOR,
    "marker": "o",
    "markersize": _RING_PT,
    "markerfacecolor": "none",
    "markeredgewidth": 0.7,
    "linestyle": "none",
}
_OPEN: dict[str, Any] = {"marker": "o", "markersize": _MARKER_PT, "markerfacecolor": "white", "linestyle": "none"}
_SIZES: dict[str, dict[str, Any]] = {
    "relative_parameters": {
        "color": REFERENCE_COLOR,
        "marker": "D",
        "markersize": 4.5,
        "markerfacecolor": "none",
        "markeredgewidth": 0.6,
        "linestyle": "none",
    },
    "relative_macs": {"color": "black", "marker": "+", "markersize": 4.5, "markeredgewidth": 0.6, "linestyle": "none"},
}
_SIZE_NAMES = {"relative_parameters": "parameters", "relative_macs": "MACs"}
_LEGEND_COLUMNS = 3

_Network = tuple[str, int]
"""An architecture and its number of filters before pruning."""


def draw(cost: pd.DataFrame, pruning: pd.DataFrame) -> tuple[Figure, str]:
    """Draw test accuracy against latency, and latency against the number of filters kept.

    Args:
        cost: one row per shape of network, batch and round.
        pruning: one row per pruned network and stage; of the methods, the one that is best on the validation images
            at each number of filters kept is drawn.

    Returns:
        The figure (a panel for each batch, and one for each network that was pruned), and its caption as a paragraph
        of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, a network has no unpruned shape, or none of
            its shapes has an accuracy.
    """
    costs = select(cost, "cost", _COST_COLUMNS)
    networks = select(pruning, "pruning", _PRUNING_COLUMNS)
    _check_once(costs, "cost", [*_SHAPE, "batch", "round"])
    _check_once(networks, "pruning", [*_SHAPE, "method", "fine_tuning_steps", "seed"])
    relative = _relative(costs)
    tuned = _fine_tuned_best(networks)
    points = _points(costs, tuned)
    with style():
        figure = _draw_panels(points, relative, finest=50 / int(networks["test_images"].max()))  # half an image
    return figure, _caption(costs, relative, tuned, int(tuned["fine_tuning_steps"].iloc[0]))


def _check_once(rows: pd.DataFrame, table: str, key: list[str]) -> None:
    twice = rows[rows.duplicated(key)]
    if not twice.empty:
        raise TableError(table, "two rows with " + ", ".join(f"{name} = {twice.iloc[0][name]}" for name in key))


# What is drawn


def _relative(costs: pd.DataFrame) -> pd.DataFrame:
    """Each row as a share of the unpruned network's, and its latency as a share of the next larger one's.

    Latencies are divided within their round, so that what slows the machine down for a while cancels.
    """
    place = [*_NETWORK, "batch", "round"]
    rows = costs.assign(macs=costs["convolution_macs"] + costs["dense_macs"])
    whole = rows.loc[rows["kept"] == rows["filters"], [*place, "parameters", "macs", "latency_s"]]
    together = rows.merge(whole, on=place, how="left", suffixes=("", "_unpruned"), validate="many_to_one")
    alone = together[together["latency_s_unpruned"].isna()]
    if not alone.empty:
        name, filters = alone.iloc[0][_NETWORK]
        raise TableError("cost", f"no row of the unpruned network (kept = {filters}) of architecture {name!r}")
    for measure in ("parameters", "macs", "latency_s"):
        together[f"relative_{measure}"] = together[measure] / together[f"{measure}_unpruned"]
    together = together.sort_values("kept", kind="stable")
    together["to_next"] = together["latency_s"] / together.groupby(place)["latency_s"].shift(-1)
    order = costs[_NETWORK].drop_duplicates()
    return order.merge(together, on=_NETWORK)  # in the table's order


def _fine_tuned_best(networks: pd.DataFrame) -> pd.DataFrame:
    """The fine-tuned networks of the method with the highest mean validation accuracy at each number of filters."""
    tuned = networks[(networks["fine_tuning_steps"] > 0) & (networks["method"] != CHANCE)]
    tuned = tuned[tuned["fine_tuning_steps"] == tuned["fine_tuning_steps"].max()]
    if tuned.empty:
        raise TableError("pruning", f"no row with fine_tuning_steps > 0 and a method other than {CHANCE!r}")
    means = tuned.groupby([*_SHAPE, "method"], sort=False)["validation_accuracy"].mean().reset_index()
    best: pd.DataFrame = means.loc[
        means.groupby(_SHAPE, sort=False)["validation_accuracy"].idxmax(), [*_SHAPE, "method"]
    ]
    return best.merge(tuned, on=[*_SHAPE, "method"])


def _points(costs: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Latency in ms and accuracy in % of each shape and batch, each with its spread, and if it is on the front."""
    seconds = costs.groupby([*_SHAPE, "batch"], sort=False)["latency_s"]
    quantiles = {"fast": _FROM, "latency": 0.5, "slow": _TO}
    latencies = pd.DataFrame({column: 1e3 * seconds.quantile(share) for column, share in quantiles.items()})
    accuracies = []
    for network in _networks(tuned):
        own = _of(tuned, network)
        summary = summarise(own.assign(filters=own["kept"], percent=100 * own["test_accuracy"]), "percent")
        summary = summary.rename(columns={"filters": "kept"})
        accuracies.append(summary.assign(architecture=network[0], filters=network[1]))
    points = latencies.reset_index().merge(pd.concat(accuracies), on=_SHAPE)
    if points.empty:
        raise TableError("cost", "no shape (architecture, filters, kept) is of a fine-tuned network of table 'pruning'")
    points["front"] = False
    for _, own in points.groupby([*_NETWORK, "batch"], sort=False):
        points.loc[own.index, "front"] = _not_dominated(own["latency"], own["mean"])
    return points


def _not_dominated(latency: pd.Series[float], accuracy: pd.Series[float]) -> npt.NDArray[np.bool_]:
    """Which points no other point beats in one of the two, being as good in the other  # (point,)."""
    slower = np.subtract.outer(latency.to_numpy(), latency.to_numpy())  # (point, other point)
    better = np.subtract.outer(accuracy.to_numpy(), accuracy.to_numpy())
    beaten = (slower >= 0) & (better <= 0) & ((slower > 0) | (better < 0))
    return np.asarray(~beaten.any(axis=1))


# How it is drawn


def _draw_panels(points: pd.DataFrame, relative: pd.DataFrame, *, finest: float) -> Figure:
    networks = _networks(relative)
    batches = sorted(int(batch) for batch in relative["batch"].unique())
    looks = dict(zip(networks, series_styles(map(_label, networks)).values(), strict=True))
    upper, lower = _front_legend(looks), _size_legend(batches)
    legends_in = 0.3 + 0.15 * sum(math.ceil(len(handles) / _LEGEND_COLUMNS) for handles in (upper, lower))
    lines, columns, cells = _cells(len(batches), len(networks))
    heights_in = [2.2] + [1.6] * (lines - 1)
    figure = new_figure(DOUBLE_COLUMN_IN, legends_in + sum(heights_in))
    grid = figure.add_gridspec(lines, columns, height_ratios=heights_in)
    panels = [figure.add_subplot(grid[line, columns]) for line, columns in cells]
    fronts = panels[: len(batches)]
    _draw_fronts(fronts, points, batches, looks, finest)
    sizes = panels[len(batches) :]
    _size_axes(sizes, relative)
    for index, (axes, network) in enumerate(zip(sizes, networks, strict=True), start=len(batches)):
        _draw_sizes(axes, _of(relative, network), batches, looks[network])
        label_panel(axes, index, display_name(network[0]))
        first = cells[index][1].start == 0 or len(networks) == 1  # alone it stands beside the fronts
        axes.tick_params(labelleft=first)
        axes.set_ylabel("Relative to unpruned" if first else "")
    legend_above(figure, upper, columns=_LEGEND_COLUMNS)
    figure.legend(list(lower.values()), list(lower), loc="outside lower center", ncols=_LEGEND_COLUMNS)
    figure.draw_without_rendering()  # the layout settles, and with it where the numbers have room
    for axes, batch in zip(fronts, batches, strict=True):
        _number_points(axes, points[points["batch"] == batch], looks)
    return figure


def _cells(batches: int, networks: int) -> tuple[int, int, list[tuple[int, slice]]]:
    """Lines and columns of a grid, and the line and columns of each panel: first of batches, then of networks."""
    if networks == 1:  # all in one line
        return 1, batches + 1, [(0, slice(index, index + 1)) for index in range(batches + 1)]
    abreast = math.ceil(networks / math.ceil(networks / _MOST_ABREAST))  # evenly: of four two and two
    columns = math.lcm(batches, abreast)
    cells = []
    for first, panels, in_a_line in ((0, batches, batches), (1, networks, abreast)):
        width = columns // in_a_line
        places = [divmod(index, in_a_line) for index in range(panels)]
        cells += [(first + line, slice(place * width, (place + 1) * width)) for line, place in places]
    return cells[-1][0] + 1, columns, cells


def _draw_fronts(
    panels: list[Axes], points: pd.DataFrame, batches: list[int], looks: dict[_Network, Series], finest: float
) -> None:
    """A panel for each batch, with one axis of accuracies for all."""
    ends = points[["mean", "low", "high"]].to_numpy()
    largest, smallest = 100 - np.nanmin(ends), 100 - np.nanmax(ends)
    shown = [100 - min(_ROOM * largest, 100.0), 100 - smallest / _ROOM]
    for index, (axes, batch) in enumerate(zip(panels, batches, strict=True)):
        own = points[points["batch"] == batch]
        _latency_axis(axes, own)
        scale_by_error(axes, shown, finest=finest)
        for network, look in looks.items():
            _draw_front(axes, _of(own, network), look)
        label_panel(axes, index, _batch_name(batch))
        axes.tick_params(labelleft=index == 0)
    panels[0].set_ylabel("Test accuracy (%)")


def _latency_axis(axes: Axes, points: pd.DataFrame) -> None:
    fastest, slowest = points["fast"].min(), points["slow"].max()
    if slowest > _LOGARITHMIC_FROM * fastest:
        axes.set_xscale("log")
        axes.set_xlim(fastest / 1.15, slowest * 1.3)
        ticks = _round_numbers_with_room(axes)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    else:
        room = 0.06 * (slowest - fastest) or 0.1 * slowest
        axes.set_xlim(fastest - room, slowest + 2 * room)
        axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("Latency (ms a call)")


def _round_numbers_with_room(axes: Axes) -> list[float]:
    """Ticks of a logarithmic x axis, as many as can be labelled without touching."""
    low, high = axes.get_xlim()
    powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 (axes made by a figure)
    width_pt = axes.get_position().width * figure.get_size_inches()[0] * 72
    ticks: list[float] = []
    for steps in _STEPS:
        ticks = [float(tick) for tick in np.outer(powers, steps).ravel() if low <= tick <= high]
        middle = width_pt * np.log(np.divide(ticks, low)) / math.log(high / low)
        half = np.array([0.32 * TEXT_PT * len(f"{tick:g}") for tick in ticks])
        if np.all(middle[1:] - half[1:] > middle[:-1] + half[:-1] + TEXT_PT / 2):
            break
    return ticks


def _draw_front(axes: Axes, points: pd.DataFrame, look: Series) -> None:
    """The shapes of one network: those on its front are filled and joined."""
    points = points.sort_values(["latency", "kept"], kind="stable")
    front = points[points["front"]]
    axes.plot(front["latency"], front["mean"], color=look.color, linestyle=look.linestyle, linewidth=0.8, zorder=2)
    for on_front, face in ((True, look.color), (False, "white")):
        own = points[points["front"] == on_front]
        axes.errorbar(
            own["latency"],
            own["mean"],
            xerr=[own["latency"] - own["fast"], own["slow"] - own["latency"]],
            yerr=whiskers(own),
            color=look.color,
            marker=look.marker,
            markerfacecolor=face,
            linestyle="none",
            markersize=_MARKER_PT,
            elinewidth=0.6,
            zorder=3,
        )
    whole = points[points["kept"] == points["filters"]]
    axes.plot(whole["latency"], whole["mean"], **_RING, zorder=4)


def _number_points(axes: Axes, points: pd.DataFrame, looks: dict[_Network, Series]) -> None:
    """Write the filters kept beside each point, clear of all networks' bars and fronts."""
    labels: list[Label] = []
    lines: list[npt.NDArray[np.float64]] = []  # from x, y to x, y
    for network, look in looks.items():
        own = _of(points, network).sort_values(["latency", "kept"], kind="stable")
        red, green, blue = (_INK * part for part in to_rgb(look.color))
        dispensable = ~own["front"] & ~own["kept"].isin([own["kept"].min(), own["kept"].max()])
        radii = np.where(own["kept"] == own["filters"], _RING_PT / 2, _MARKER_PT / 2 + _CLEAR_PT)
        for x, y, kept, radius, optional in zip(
            own["latency"], own["mean"], own["kept"], radii, dispensable, strict=True
        ):
            labels.append(Label(x, y, str(kept), (red, green, blue), radius, optional))
        for x_end, y_end in (("fast", "mean"), ("slow", "mean"), ("latency", "low"), ("latency", "high")):
            lines.append(own[["latency", "mean", x_end, y_end]].to_numpy())
        front = own.loc[own["front"], ["latency", "mean"]].to_numpy()
        lines.append(np.hstack([front[:-1], front[1:]]))
    starts, ends = np.hsplit(np.concatenate(lines), 2)
    label_points(axes, sorted(labels, key=lambda label: label.optional), starts, ends)


def _draw_sizes(axes: Axes, rows: pd.DataFrame, batches: list[int], look: Series) -> None:
    """How parameters, multiply-accumulates and latency shrink with the filters; latencies with their spread."""
    filters_axis(axes, rows["kept"])
    axes.set_xlabel("Filters kept")
    ends = np.array([rows["kept"].min(), rows["filters"].iloc[0]])
    axes.plot(ends, ends / ends[-1], color=NULL_COLOR, linewidth=1.0, zorder=1)
    shapes = rows.drop_duplicates("kept")
    for column, drawn in _SIZES.items():
        axes.plot(shapes["kept"], shapes[column], **drawn, zorder=5)
    for batch, (marker, linestyle) in zip(batches, cycle(_BATCH_LOOKS), strict=False):
        own = _over_rounds(rows[rows["batch"] == batch])
        axes.plot(own["kept"], own["middle"], color=look.color, linestyle=linestyle, linewidth=0.8, zorder=3)
        for faster, face in ((True, look.color), (False, "white")):
            some = own[own["faster"] == faster]
            axes.errorbar(
                some["kept"],
                some["middle"],
                yerr=[some["middle"] - some["least"], some["most"] - some["middle"]],
                color=look.color,
                marker=marker,
                markerfacecolor=face,
                linestyle="none",
                markersize=_MARKER_PT,
                elinewidth=0.8,
                capsize=1.4,
                zorder=4,
            )
    parameters, macs = _dense_percent(rows)
    axes.text(
        0.98,
        0.02,
        f"dense layer:\n{parameters:.1f} % of parameters\n{macs:.1f} % of MACs",
        transform=axes.transAxes,
        fontsize=SMALL_TEXT_PT,
        color=REFERENCE_COLOR,
        ha="right",
        va="bottom",
    )


def _over_rounds(rows: pd.DataFrame) -> pd.DataFrame:
    """Relative latency of each shape over rounds, and whether it is faster than the next larger shape."""
    groups = rows.groupby("kept")
    quantiles = {"least": _FROM, "middle": 0.5, "most": _TO}
    found = {column: groups["relative_latency_s"].quantile(share) for column, share in quantiles.items()}
    to_next = groups["to_next"].quantile(_TO)
    return pd.DataFrame(found | {"faster": to_next.isna() | (to_next < 1)}).reset_index()


def _size_axes(panels: list[Axes], relative: pd.DataFrame) -> None:
    """The y axis of all panels of networks: shares of the unpruned one, logarithmic."""
    shares = relative[[*_SIZES, "relative_latency_s"]].to_numpy()
    low, high = shares.min() / 1.4, shares.max() * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in decades for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    for axes in panels:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _front_legend(looks: dict[_Network, Series]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {
        _label(network): Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle)
        for network, look in looks.items()
    }
    handles["not on the front"] = Line2D([], [], color=REFERENCE_COLOR, **_OPEN)
    handles["unpruned"] = Line2D([], [], **_RING)
    return handles


def _size_legend(batches: list[int]) -> dict[str, Artist]:
    ink = REFERENCE_COLOR
    handles: dict[str, Artist] = {"in proportion to filters": Line2D([], [], color=NULL_COLOR, linewidth=1.0)}
    handles |= {_SIZE_NAMES[column]: Line2D([], [], **drawn) for column, drawn in _SIZES.items()}
    for batch, (marker, linestyle) in zip(batches, cycle(_BATCH_LOOKS), strict=False):
        words = f"latency, {_batch_name(batch)}"
        handles[words] = Line2D(
            [], [], color=ink, marker=marker, linestyle=linestyle, linewidth=0.8, markersize=_MARKER_PT
        )
    handles["no faster than the next larger"] = Line2D([], [], color=ink, **_OPEN)
    return handles


def _networks(table: pd.DataFrame) -> list[_Network]:
    return [(str(name), int(filters)) for name, filters in table[_NETWORK].drop_duplicates().to_numpy()]


def _of(table: pd.DataFrame, network: _Network) -> pd.DataFrame:
    name, filters = network
    return table[(table["architecture"] == name) & (table["filters"] == filters)]


def _label(network: _Network) -> str:
    return f"{display_name(network[0])}, k = {network[1]:,}"


def _batch_name(batch: int) -> str:
    return "single image" if batch == 1 else f"batch of {batch:,}"


def _dense_percent(rows: pd.DataFrame) -> tuple[float, float]:
    """The dense layer's part of an unpruned network's parameters (biases apart), and of its multiply-accumulates."""
    whole = rows[rows["kept"] == rows["filters"]].iloc[0]
    return 100 * whole["dense_macs"] / whole["parameters"], 100 * whole["dense_macs"] / whole["macs"]


# Caption


def _caption(costs: pd.DataFrame, relative: pd.DataFrame, tuned: pd.DataFrame, steps: int) -> str:
    networks = _networks(relative)
    words = {network: display_name(network[0]) for network in networks}
    described, sizes, smallest, late, methods = [], [], [], [], []
    for network in networks:
        own = _of(relative, network)
        whole = own[own["kept"] == own["filters"]].iloc[0]
        described.append(f"{words[network]} ({whole['activation']}, k = {whole['filters']:,})")
        parameters, macs = _dense_percent(own)
        sizes.append(
            f"""{words[network]}, {whole["parameters"]:,} parameters ({whole["bytes"] / 1e6:.2f} MB, {parameters:.1f} %
            in the dense layer) and {whole["macs"]:,} MACs ({macs:.1f} %)"""
        )
        smallest.append(f"{words[network]}, {_about_smallest(own)}")
        late += [f"{words[network]}, {text}" for text in _no_faster(own)]
        chosen = _of(tuned, network).drop_duplicates("kept").sort_values("kept")
        chosen = chosen[chosen["method"] != UNPRUNED]
        at = [
            f"{method_name(str(method))} at {join_words([f'{kept:,}' for kept in counts])}"
            for method, counts in chosen.groupby("method", sort=False)["kept"]
        ]
        methods += [f"{words[network]}, {join_words(at)}"] if at else []
    images = join_words([f"{value:,}" for value in sorted(tuned["test_images"].unique())], "or")
    return paragraph(
        f"""What smaller networks cost on {dataset_name(costs)} ({images} test images): {join_words(described)}; k is
        the number of filters before pruning.""",
        f"""Panels of a batch: mean test accuracy after fine-tuning for {steps:,} steps, on an axis logarithmic in the
        error, against the measured latency of one call in TensorFlow, on one thread; numbers are filters kept.""",
        _about_rounds(costs),
        interval_text(tuned).replace("Bars:", "Vertical bars:"),
        """Filled and joined: the front of an architecture, the networks to which none of its others is preferable,
        being faster and no less accurate or more accurate and no slower. Ring: the unpruned network, trained on for as
        long.""",
        f"""Each point is of the method of the highest mean validation accuracy after fine-tuning, chance aside; the
        test images had no say: {"; ".join(methods)}."""
        if methods
        else "",
        """Panels of a network: parameters, multiply-accumulates of an image (MACs) and latency as shares of the
        unpruned network's, latency within each round, drawn as above. On the grey line cost is in proportion to the
        number of filters.""",
        f"""Open: smaller, but no faster than the next larger network, since the 90th percentile over rounds of the
        ratio of their latencies is at least 1: {"; ".join(late) or "none"}.""",
        f"With the fewest filters: {'; '.join(smallest)}.",
        f"Unpruned: {'; '.join(sizes)}.",
    )


def _about_rounds(costs: pd.DataFrame) -> str:
    counts = sorted(costs.groupby([*_SHAPE, "batch"])["round"].nunique().unique())
    if counts == [1]:
        return "Latency is of one round, so that there is no spread."
    number = join_words([f"{count:,}" for count in counts], "or")
    return f"""Latency is the median over {number} rounds, in each of which all networks take turns; horizontal bars:
    {100 * _FROM:g}th to {100 * _TO:g}th percentile over rounds, not an interval of the median."""


def _about_smallest(rows: pd.DataFrame) -> str:
    """What is left of each cost in the smallest of one network's shapes."""
    fewest = rows[rows["kept"] == rows["kept"].min()]
    first = fewest.iloc[0]
    sizes = [f"{100 * first[column]:.1f} % of {name}" for column, name in _SIZE_NAMES.items()]
    latencies = fewest.groupby("batch")["relative_latency_s"].median()
    times = [
        f"{100 * share:.1f} % ({_batch_name(batch)})" for batch, share in zip(latencies.index, latencies, strict=True)
    ]
    return f"{first['kept']:,} of {first['filters']:,}, {join_words(sizes)}, latency {join_words(times)}"


def _no_faster(rows: pd.DataFrame) -> list[str]:
    """The shapes of one network that are no faster than the next larger one, for each batch that has any."""
    found = []
    for batch in sorted(rows["batch"].unique()):
        over = _over_rounds(rows[rows["batch"] == batch])
        counts = [f"{kept:,}" for kept in over.loc[~over["faster"], "kept"]]
        found += [f"{_batch_name(batch)}, {join_words(counts)}"] if counts else []
    return found
