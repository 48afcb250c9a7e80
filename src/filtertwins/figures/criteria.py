"""Do criteria agree on which filters a network needs, and with the measured loss increase without each?"""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from filtertwins.figures.methods import meanings, method_name
from filtertwins.figures.style import (
    DOUBLE_COLUMN_IN,
    NULL_BAND_COLOR,
    NULL_COLOR,
    SMALL_TEXT_PT,
    Series,
    display_name,
    draw_runs,
    label_panel,
    new_figure,
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
    seeds_text,
    select,
    signed,
    summarise,
    whiskers,
)

Correlations = npt.NDArray[np.float64]

_COLUMNS = ("dataset", "architecture", "filters", "seed", "criterion", "other", "rank_correlation")
_NETWORK = ["architecture", "filters"]
_ORACLE = "oracle"
"""What the others estimate: the loss increase that is measured when a filter is removed."""

_MAPS_ABREAST = 3
_COLOR_MAP = "RdBu"
"""Readers who confuse red and green tell its ends apart; in grey print the numbers' signs do."""

_CELL_FOR_NUMBER_PT = (17.0, 9.0)
"""Cells at least this wide and high carry their number."""

_WHITE_ON_BELOW = 0.179
"""The relative luminance at which white ink and black have the same contrast (WCAG 2.2)."""

_MINUS = "\N{MINUS SIGN}"
_SPREAD = 0.6
"""From the first to the last architecture of a criterion, in criteria."""

_BESIDE = 0.06
"""Single networks stand left of their mean by this much, in criteria."""


def draw(criteria: pd.DataFrame) -> tuple[Figure, str]:
    """Draw the rank correlations between criteria of a filter's importance, and those with the oracle by themselves.

    Args:
        criteria: one row per network and pair of criteria.

    Returns:
        The figure (a heat map for each architecture; and the correlations with the oracle, with intervals, if it is
        one of the criteria), and its caption as a paragraph of reStructuredText.

    Raises:
        TableError: a column is missing, there are no rows, or two are of the same pair and network.
    """
    rows = select(criteria, "criteria", _COLUMNS)
    key = [*_NETWORK, "seed", "criterion", "other"]
    twice = rows[rows.duplicated(key)]
    if not twice.empty:
        raise TableError("criteria", "two rows with " + ", ".join(f"{name} = {twice.iloc[0][name]}" for name in key))
    rows["title"] = [f"{display_name(str(name))}, k = {k:,}" for name, k in rows[_NETWORK].itertuples(index=False)]
    names = in_order(rows[["criterion", "other"]].to_numpy().ravel())
    in_maps = sorted(names, key=lambda name: (name != _ORACLE, -len(method_name(name))))  # where a name has room
    maps = {str(title): _mean_map(network, in_maps) for title, network in rows.groupby("title", sort=False)}
    with_oracle = _with_oracle(rows)
    with style():
        figure = _draw_panels(maps, in_maps, with_oracle)
    return figure, _caption(rows, maps, with_oracle, names)


def _mean_map(network: pd.DataFrame, names: list[str]) -> Correlations:
    """Mean over the seeds of one network; missing where no seed has a correlation  # (criterion, criterion)."""
    means = network.pivot_table(index="criterion", columns="other", values="rank_correlation")
    half = means.reindex(index=names, columns=names)
    return half.combine_first(half.T).to_numpy(dtype=np.float64)


def _with_oracle(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the pairs that the oracle is one of, with the other one as `criterion`."""
    own = rows[(rows["criterion"] == _ORACLE) | (rows["other"] == _ORACLE)]
    return own.assign(criterion=own["criterion"].where(own["criterion"] != _ORACLE, own["other"]))


def _draw_panels(maps: dict[str, Correlations], names: list[str], with_oracle: pd.DataFrame) -> Figure:
    """Heat maps three abreast; the correlations with the oracle right of the last one, or below if there is no room."""
    abreast = 2 if len(maps) == 2 else _MAPS_ABREAST
    map_lines = math.ceil(len(maps) / abreast)
    free = map_lines * abreast - len(maps)
    below = len(with_oracle) > 0 and free < 2
    heights = [max(1.5, 0.3 + 0.22 * len(names))] * map_lines + [1.75] * below
    columns = [0.05] + [1.0] * abreast  # a narrow one for the colour bar
    figure = new_figure(DOUBLE_COLUMN_IN, sum(heights) + 0.1 + (0.2 if len(maps) > 1 else 0))
    grid = figure.add_gridspec(len(heights), len(columns), width_ratios=columns, height_ratios=heights)
    panels = []
    for index, (title, means) in enumerate(maps.items()):
        line, column = divmod(index, abreast)
        axes = figure.add_subplot(grid[line, 1 + column])
        mesh = _draw_map(axes, means, names)
        label_panel(axes, index, title)
        panels.append(axes)
    _draw_color_bar(figure, figure.add_subplot(grid[0, 0]), mesh)
    if len(with_oracle):
        axes = figure.add_subplot(grid[-1, :] if below else grid[-1, -free:])
        looks = dict(zip(maps, series_styles(maps).values(), strict=True))
        _draw_with_oracle(axes, with_oracle, looks)
        label_panel(axes, len(maps), f"with the {method_name(_ORACLE)}")
        if len(maps) > 1:
            handles = [Line2D([], [], color=x.color, marker=x.marker, linestyle="none") for x in looks.values()]
            figure.legend(handles, list(looks), loc="outside lower center", ncols=min(4, len(looks)))
    _settle(figure)
    for axes, means in zip(panels, maps.values(), strict=True):
        _number_cells(axes, means)
    return figure


def _settle(figure: Figure) -> None:
    """Lay the panels out, and leave them there: the size of a cell is known then.

    What the solver of the layout finds can differ in the last bits from process to process, and with it the files.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position().get_points().round(6)))


def _draw_map(axes: Axes, means: Correlations, names: list[str]) -> QuadMesh:
    """The lower triangle; each name stands on the diagonal, at the end of its row and the head of its column."""
    below = np.tri(len(names), k=-1, dtype=bool)
    cells = np.ma.masked_array(means, ~below | np.isnan(means))
    missing = np.ma.masked_array(np.ones_like(means), ~below | ~np.isnan(means))
    axes.pcolormesh(missing, cmap=ListedColormap([NULL_BAND_COLOR]), edgecolor="white", linewidth=0.5)
    mesh = axes.pcolormesh(cells, cmap=_COLOR_MAP, vmin=-1, vmax=1, edgecolor="white", linewidth=0.5)
    axes.invert_yaxis()
    axes.set_axis_off()
    for place, name in enumerate(names):
        axes.text(place + 0.12, place + 0.5, method_name(name), ha="left", va="center_baseline")
    return mesh


def _number_cells(axes: Axes, means: Correlations) -> None:
    """Write the correlation into each cell, if it has room; a dash where there is none."""
    width_pt, height_pt = _cell_pt(axes, len(means))
    if width_pt < _CELL_FOR_NUMBER_PT[0] or height_pt < _CELL_FOR_NUMBER_PT[1]:
        return
    for line, column in zip(*np.tril_indices(len(means), k=-1), strict=True):
        value = means[line, column]
        axes.text(
            column + 0.5,
            line + 0.5,
            _short(value),
            color=_ink(value),
            fontsize=SMALL_TEXT_PT,
            ha="center",
            va="center_baseline",
        )


def _cell_pt(axes: Axes, cells: int) -> tuple[float, float]:
    """Width and height of a cell as printed."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 (axes made by a figure)
    window = axes.get_window_extent()
    return window.width / cells * 72 / figure.dpi, window.height / cells * 72 / figure.dpi


def _short(correlation: float) -> str:
    """Two digits without the zero before them, or a dash if it is missing.

    >>> _short(0.853), _short(0.999)
    ('.85', '1')
    """
    if math.isnan(correlation):
        return "\N{EN DASH}"
    text = signed(correlation, 2).removeprefix("+")
    return text.replace("0.", ".", 1).replace("1.00", "1")


def _ink(correlation: float) -> str:
    """Black or white, whichever has more contrast with the cell of this correlation."""
    if math.isnan(correlation):
        return "black"
    channels = np.array(colormaps[_COLOR_MAP]((correlation + 1) / 2)[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)  # of sRGB
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "white" if luminance < _WHITE_ON_BELOW else "black"


def _draw_color_bar(figure: Figure, axes: Axes, mesh: QuadMesh) -> None:
    """One scale for all heat maps, at their left like an axis."""
    bar = figure.colorbar(mesh, cax=axes, location="left", ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label("Mean rank correlation")


def _draw_with_oracle(axes: Axes, rows: pd.DataFrame, looks: dict[str, Series]) -> None:
    """For each criterion the correlation with the oracle, side by side for the networks."""
    places = {name: place for place, name in enumerate(in_order(rows["criterion"]))}
    axes.axhline(0, color=NULL_COLOR, linewidth=1.0, zorder=1)
    for index, (title, look) in enumerate(looks.items()):
        shift = _SPREAD * ((index + 0.5) / len(looks) - 0.5)
        own = rows[rows["title"] == title]
        draw_runs(axes, own["criterion"].map(places) + shift - _BESIDE, own["rank_correlation"], look)
        means = _oracle_means(own)
        axes.errorbar(
            means["criterion"].map(places) + shift,
            means["mean"],
            yerr=whiskers(means),
            color=look.color,
            marker=look.marker,
            linestyle="none",
            markersize=3.4,
            elinewidth=1.0,
            capsize=1.8,
            capthick=0.8,
            zorder=3,
        )
    axes.set_ylim(min([0.0, *rows["rank_correlation"].dropna()]) - 0.06, 1.05)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xticks(range(len(places)), [_in_lines(method_name(name)) for name in places])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Rank correlation")


def _in_lines(name: str) -> str:
    """A long name on several lines."""
    return textwrap.fill(name, 10, break_long_words=False)


def _oracle_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean correlation with the oracle, and its interval, for each criterion on one network."""
    means = summarise(rows.assign(architecture=rows["criterion"]), "rank_correlation")
    return means.rename(columns={"architecture": "criterion"})


# Caption


def _caption(rows: pd.DataFrame, maps: dict[str, Correlations], with_oracle: pd.DataFrame, names: list[str]) -> str:
    found = []
    for title, own in with_oracle.groupby("title", sort=False):
        at = [f"{method_name(row['criterion'])} {_with_interval(row)}" for _, row in _oracle_means(own).iterrows()]
        found += [f"{title}: {join_words(at)}"] if at else []
    missing = rows["rank_correlation"].isna()
    empty = any(np.isnan(means[np.tri(len(means), k=-1, dtype=bool)]).any() for means in maps.values())
    explained = meanings(names)
    return paragraph(
        f"""How far criteria of a filter's importance agree on {dataset_name(rows)}: Spearman's rank correlation of two
        criteria over the filters of one trained network, 1 if both rank them alike (blue), {_MINUS}1 if in opposite
        order (red), mean over {seeds_text(rows)}. Networks: {"; ".join(maps)} (k: the number of filters). A criterion's
        name is at the end of its row and at the head of its column.""",
        "Grey cells: no correlation in any network." if empty else "",
        f"""{missing.sum():,} of {len(rows):,} correlations are missing, where a criterion rates all filters of a
        network alike, and left out."""
        if missing.any()
        else "",
        f"Criteria: {explained}." if explained else "",
        f"""Last panel: the correlations with the oracle; faint, single networks, beside their mean.
        {interval_text(rows)} Mean correlation with the oracle: {"; ".join(found)}."""
        if found
        else "",
    )


def _with_interval(row: pd.Series[Any]) -> str:
    """A mean correlation, and its interval where it has one."""
    bounds = f" ({signed(row['low'], 2)} to {signed(row['high'], 2)})" if row["seeds"] > 1 else ""
    return signed(row["mean"], 2) + bounds
