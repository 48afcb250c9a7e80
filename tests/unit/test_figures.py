"""Every figure of the study: can it be read, in print and by all eyes, from any study and on any machine?"""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
from copy import copy
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from figure_tables import LABELS, study_tables
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from filtertwins.figures import axes as figure_axes
from filtertwins.figures import output, series
from filtertwins.figures.kernel_gallery import draw_images
from filtertwins.figures.style import COLORS, MARKERS, Look, new_figure, style

ROOT = Path(__file__).parents[2]
CAPTIONS = ROOT / "workflow/report/captions"
OWN = list(LABELS)[:4]
LOOK = Look(labels=LABELS, own=len(OWN), same={"trained": "relu_5x5"})
NOT_FIGURES = {"__init__", "axes", "disc", "inspected", "methods", "output", "registry", "series", "style"}
FIGURES = sorted({path.stem for path in Path(figure_axes.__file__).parent.glob("*.py")} - NOT_FIGURES)
every_figure = pytest.mark.parametrize("name", FIGURES)
one_and_ten_seeds = pytest.mark.parametrize("seeds", [1, 10])


def draw_from(name: str, tables: dict[str, pd.DataFrame], look: Look = LOOK) -> Figure:
    draw = importlib.import_module(f"filtertwins.figures.{name}").draw
    wanted = [parameter for parameter in inspect.signature(draw).parameters if parameter != "look"]
    return draw(**{table: copy(tables[table]) for table in wanted}, look=look)


tables_of = cache(study_tables)


@cache
def drawn(name: str, seeds: int) -> Figure:
    figure = draw_from(name, tables_of(seeds))
    with style():
        figure.draw_without_rendering()
    return figure


def panels_of(figure: Figure) -> list[Axes]:
    """The visible axes, without colour bars."""
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


def texts_of(figure: Figure) -> list[Text]:
    """Every text that is seen, with its place in pixels."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


# Every figure


@one_and_ten_seeds
@every_figure
def test_a_figure_has_its_printed_size_few_panels_and_one_legend(name: str, seeds: int) -> None:
    figure = drawn(name, seeds)
    assert figure.get_figwidth() in (3.25, 6.75)
    assert figure.get_figheight() <= 6.5
    assert len(panels_of(figure)) <= 4
    assert panels_of(figure) or figure.texts  # A figure without a panel says why it has none.
    assert len(figure.legends) + sum(axes.get_legend() is not None for axes in figure.axes) <= 1


@one_and_ten_seeds
@every_figure
def test_numbers_along_an_axis_have_a_label_with_its_unit(name: str, seeds: int) -> None:
    figure, number = drawn(name, seeds), re.compile(r"[-\N{MINUS SIGN}]?[\d.,]+")
    for direction in ("x", "y"):
        labels = [getattr(axes, f"get_{direction}label")() for axes in figure.axes]
        shared = [getattr(figure, f"get_sup{direction}label")(), *labels]  # panels side by side share a label
        for axes, label in zip(figure.axes, labels, strict=True):
            shown = [tick.label1 for tick in getattr(axes, f"{direction}axis").get_major_ticks()]
            numbers = [text for text in shown if text.get_visible() and number.fullmatch(text.get_text())]
            if numbers and axes.get_visible() and axes.axison:
                assert label or any(shared), f"{name}: numbers without a label"
            if re.search("accuracy|share|filters \\(", label, re.IGNORECASE):
                assert re.search(r"%|points", label), f"{name}: {label!r} has no unit"


@one_and_ten_seeds
@every_figure
def test_no_text_leaves_the_page_or_covers_a_title(name: str, seeds: int) -> None:
    figure = drawn(name, seeds)
    for text in texts_of(figure):
        if text.axes is not None and not text.axes.axison and text not in (text.axes.title, text.axes._left_title):
            continue
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1
        assert inside or text.get_clip_on() or box.width == 0, f"{name}: {text.get_text()!r} is cut"
    titles = [axes._left_title for axes in panels_of(figure) if axes.get_title(loc="left")]
    for first, second in itertools.combinations(titles, 2):
        assert not first.get_window_extent().overlaps(second.get_window_extent()), f"{name}: titles overlap"


def test_a_series_has_one_colour_and_marker_in_every_figure() -> None:
    looks: dict[str, set[tuple[object, ...]]] = {}
    for name in FIGURES:
        for legend in drawn(name, 10).legends:
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
                if text.get_text() in LABELS.values() and isinstance(handle, Line2D):
                    looks.setdefault(text.get_text(), set()).add((handle.get_color(), handle.get_marker()))
    assert looks[LABELS["relu_5x5"]] == {(LOOK.color("relu_5x5"), LOOK.marker("relu_5x5"))}
    assert looks[LABELS["trained"]] == looks[LABELS["relu_5x5"]]  # It is the same network under another name.
    assert all(len(ways) == 1 for ways in looks.values()), looks


def test_only_the_studys_own_architectures_have_their_colours() -> None:
    names = [f"series{i}" for i in range(32)]
    look = Look(labels={name: name for name in names}, own=4)
    colors, markers = look.palette(names), look.markers(names)
    own, others = ({colors[name] for name in part} for part in (names[:4], names[4:]))
    assert own == set(COLORS[:4])
    assert others == set(COLORS[4:])
    assert len({(colors[name], markers[name]) for name in names[4:]}) == 28
    theirs = {LABELS[name] for name in (*OWN, *LOOK.same)}
    for name in FIGURES:
        for legend in drawn(name, 10).legends:
            for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
                if text.get_text() not in theirs and isinstance(handle, Line2D):
                    assert handle.get_color() not in own, (name, text.get_text())


@pytest.mark.parametrize("name", ["redundancy_vs_accuracy", "similarity_vs_chance", "excess_over_chance"])
def test_networks_of_one_filter_have_no_near_duplicates_to_draw(name: str) -> None:
    tables = study_tables(2, counts=(1,)) | {"excess": tables_of(1)["excess"].iloc[:0]}
    (text,) = texts_of(draw_from(name, tables))
    assert text.get_text().startswith("No network has two filters")


@every_figure
def test_a_figure_needs_no_labels(name: str) -> None:
    figure = draw_from(name, tables_of(1), Look())
    assert not any("_" in text.get_text() for text in texts_of(figure)), "names are words"


def test_the_redundant_share_is_drawn_beside_strangers_and_redrawn_kernels() -> None:
    means = tables_of(10)["redundancy_means"]
    rows = means[(means["measure"] == "redundant_share") & (means["stage"] == "trained") & (means["filters"] > 1)]
    own = rows[rows["architecture"] == "relu_5x5"].sort_values("filters")
    drawn_lines = [line.get_ydata() for line in drawn("redundancy_vs_accuracy", 10).axes[2].lines]
    for rung in ("mean", "strangers", "null"):
        assert any(np.shape(y) == (3,) and np.allclose(y, 100 * own[rung]) for y in drawn_lines), rung


# Files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    for name in FIGURES:
        output.save(draw_from(name, tables_of(1)), folder / name)
    return folder


_SAVE_ALL = """
import sys
import filtertwins.figures
import test_figures as t
for name in t.FIGURES:
    t.output.save(t.draw_from(name, t.tables_of(1)), t.Path(sys.argv[1]) / name)
"""


def test_the_same_bytes_each_time_and_under_a_users_settings(folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "matplotlibrc"
    settings.write_text("font.family: serif\nsavefig.bbox: tight\nfigure.figsize: 1, 1\nlines.linewidth: 9\n")
    environment = os.environ | {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(settings),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)]),
    }
    subprocess.run([sys.executable, "-c", _SAVE_ALL, str(tmp_path / "again")], check=True, env=environment)
    files = sorted(folder.iterdir())
    assert len(files) == 3 * len(FIGURES)
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), f"{file.name} differs"


@every_figure
def test_fonts_are_truetype_and_text_stays_text(name: str, folder: Path) -> None:
    assert b"/Type3" not in (folder / f"{name}.pdf").read_bytes()
    assert b"<text" in (folder / f"{name}.svg").read_bytes()


# Captions


@every_figure
def test_a_caption_names_claims_and_has_at_most_80_words(name: str) -> None:
    template = (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
    claims = yaml.safe_load((ROOT / "config/claims.yaml").read_text(encoding="utf-8"))["claims"]
    named = re.findall(r"{(.*?)}", template)
    assert set(named) <= set(claims)
    if own := [claim for claim, item in claims.items() if item["figure"] == name]:
        assert named
        assert set(named) <= set(own), "a caption says what its figure shows"
    first, _, reading = template.partition("\n\n")
    assert re.fullmatch(r"({\w+}\s?)+", first) if named else reading, "a caption begins with what was found"
    assert len(re.sub(r"{.*?}", "", template).split()) <= 80


def test_claims_name_figures_that_there_are() -> None:
    claims = yaml.safe_load((ROOT / "config/claims.yaml").read_text(encoding="utf-8"))["claims"]
    assert {item["figure"] for item in claims.values()} <= {*FIGURES, None}


# Colours: the simulation is that of Machado, Oliveira and Fernandes (2009), at full severity

DICHROMACY = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}
XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]


def lab(color: object, eyes: str | None = None) -> np.ndarray:
    """CIE L*a*b* of a colour, as eyes with a deficiency see it."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.array(DICHROMACY[eyes]) @ linear if eyes else linear
    x, y, z = np.cbrt(np.array(XYZ) @ seen.clip(0, 1) / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(first: object, second: object, eyes: str | None = None) -> float:
    return float(np.linalg.norm(lab(first, eyes) - lab(second, eyes)))


def test_colours_are_told_apart_by_all_eyes_and_in_grey() -> None:
    for first, second in itertools.combinations(COLORS, 2):
        assert all(difference(first, second, eyes) >= 20 for eyes in (*DICHROMACY, None)), (first, second)
    lightness = np.sort([lab(color)[0] for color in COLORS])
    assert np.diff(lightness).min() >= 5
    assert len(set(zip(itertools.cycle(COLORS), itertools.islice(itertools.cycle(MARKERS), 56), strict=False))) == 56


# Axes and means


@pytest.mark.parametrize(
    "accuracies",
    [(17, 44), (92, 93), (99.9, 99.9), (99.85, 100), (10, 99.2), (88, 97.5), (100, 100), (0, 0), (10, 100)],
)
@pytest.mark.parametrize("along", ["x", "y"])
def test_an_accuracy_axis_has_three_numbers_at_any_accuracy(accuracies: tuple[float, float], along: str) -> None:
    with style():
        axes = new_figure(1.6, 1.6).subplots()
        axis = axes.yaxis if along == "y" else axes.xaxis
        figure_axes.accuracy_axis(axis, [*accuracies, np.nan, 107])  # The end of an interval may be above 100 %.
        low, high = sorted(axis.get_view_interval())
        numbers = [
            float(tick.get_text()) for tick in axis.get_ticklabels() if low <= tick.get_position()[along == "y"] <= high
        ]
    assert len(numbers) >= 3
    assert low <= min(accuracies)
    assert min(max(accuracies), 99.9) <= high
    assert max(numbers) <= 100
    assert high < 100 or max(accuracies) > 95


def test_a_mean_is_drawn_with_the_interval_of_its_table() -> None:
    means = tables_of(10)["runs_means"]
    row = means[(means["architecture"] == "relu_5x5") & (means["filters"] == 16)].iloc[0]
    axes = drawn("accuracy_vs_filters", 10).axes[1]  # the panel of networks with an activation
    ends = [segment[:, 1] for bars in axes.collections for segment in bars.get_segments()]
    assert any(np.allclose(end, [100 * row["low"], 100 * row["high"]]) for end in ends)
    assert any(np.any(np.isclose(line.get_ydata(), 100 * row["mean"])) for line in axes.lines)


def test_a_mean_without_an_interval_is_one_row() -> None:
    means = pd.DataFrame({"mean": [0.5, 0.6], "low": [0.4, np.nan], "high": [0.7, np.nan]})
    assert series.with_ends(means)["mean"].tolist() == [0.4, 0.5, 0.6, 0.7]


def test_an_architecture_without_a_label_is_named_in_words_and_has_the_next_colour() -> None:
    look = Look(labels={"question": "the question"})
    assert look.label("relu_5x5") == "ReLU 5\N{MULTIPLICATION SIGN}5"
    assert look.palette(["mine", "question"]) == {"mine": COLORS[1], "question": COLORS[0]}
    assert look.order(["mine", "question"]) == ["question", "mine"]


def test_near_twins_stay_below_their_bound_where_one_is_known() -> None:
    panels = drawn("twins_bound", 10).axes
    titles = [axes.get_title(loc="left").split("  ")[1] for axes in panels]
    assert titles == [LABELS["linear_sgd"], LABELS["linear_decay"]]
    for axes in panels:
        steps, growth = axes.lines[0].get_data()
        edge = axes.collections[0].get_paths()[0].vertices  # (corner, step and growth)
        lowest = [edge[np.isclose(edge[:, 0], step), 1].min() for step in steps]
        assert np.all(growth <= np.multiply(lowest, 1 + 1e-9))


def test_a_bound_can_be_infinite_or_unknown() -> None:
    twins = tables_of(10)["twins"]
    endless = twins.assign(bound=twins["bound"].where(twins["step"] < 30, twins["bound"] + np.inf))
    assert np.isfinite(draw_from("twins_bound", {"twins": endless}).axes[0].get_ylim()).all()
    for without in (twins.assign(bound=np.nan), twins[twins["epsilon"] == 0]):
        assert texts_of(draw_from("twins_bound", {"twins": without}))[0].get_text().startswith("No near twins")


def test_softmax_regression_is_drawn_only_where_it_was_fitted() -> None:
    for optimum, there in ((tables_of(1)["optimum"], True), (None, False)):
        texts = texts_of(draw_from("accuracy_vs_filters", tables_of(1) | {"optimum": optimum}))
        assert any("softmax" in text.get_text() for text in texts) == there


def test_what_the_question_reports_is_drawn_for_its_own_networks_and_dataset_alone() -> None:
    tables = tables_of(10)
    elsewhere = {name: tables[name].assign(dataset="mnist") for name in ("runs_means", "exact_reading_means")}
    others = {name: table[~table["architecture"].str.startswith("question")] for name, table in elsewhere.items()}
    for changed, there in ((elsewhere, True), (others, False), ({}, False)):
        figure = draw_from("accuracy_vs_filters", tables | changed)
        assert any("92 to 93 %" in text.get_text() for text in texts_of(figure)) == there
        if there:
            assert min(figure.axes[0].get_ylim()) < 92 < 93 < max(figure.axes[0].get_ylim())


def test_accuracy_is_drawn_for_networks_of_one_kind_too() -> None:
    means = tables_of(10)["runs_means"]
    for linear in (True, False):
        own = means[(means["activation"] == "linear") == linear]
        tables = tables_of(10) | {"runs_means": own, "exact_reading_means": None, "optimum": None}
        assert len(panels_of(draw_from("accuracy_vs_filters", tables))) == 1


def test_one_wide_interval_does_not_hide_how_ratios_differ() -> None:
    """A ratio axis shows 1 and all ratios, and of an interval as much as asked for."""
    ratios = pd.DataFrame({"ratio": [0.5, 0.9], "ratio_low": [0.001, 0.8], "ratio_high": [1.5, 1.0]})
    for reach, lowest in ((np.inf, 0.001), (2.0, 0.25)):
        with style():
            axes = new_figure(1.6, 1.6).subplots()
            figure_axes.ratio_axis(axes, ratios, reach)
        low, high = axes.get_ylim()
        assert low == pytest.approx(lowest, rel=0.06)
        assert high >= 1.4
        assert "1" in [tick.get_text() for tick in axes.get_yticklabels()]


def test_the_margin_can_be_seen_where_deleting_weights_ruins_the_accuracy() -> None:
    """Accuracies fall by four points and a half here. The loss is drawn for both ways to choose weights."""
    low, high = drawn("obd", 10).axes[1].get_ylim()
    assert 2 * 100 * LOOK.margins["accuracy"] / (high - low) > 0.1
    colors = {line.get_color() for line in drawn("obd", 10).axes[0].lines}
    assert {COLORS[6], COLORS[7]} <= colors


def test_twins_of_any_kernel_have_their_place_on_the_axis_of_angles() -> None:
    for axes in panels_of(drawn("similarity_vs_chance", 10)):
        low, high = axes.get_xlim()
        assert low < 0 < np.degrees(np.arccos(LOOK.threshold)) < high <= 180


def test_likeness_of_responses_is_drawn_where_no_kernels_are_near() -> None:
    means = tables_of(10)["functional_means"]
    assert panels_of(draw_from("functional", tables_of(10) | {"functional_means": means.assign(null=np.nan)}))
    near_responses_alone = means[means["measure"] != "near_kernels_near_responses"]
    figure = draw_from("functional", tables_of(10) | {"functional_means": near_responses_alone})
    assert "no such pairs" in {text.get_text() for text in texts_of(figure)}


def test_the_exact_reading_is_a_series_of_its_own_where_it_was_trained() -> None:
    words, means = LABELS["question_epochs"], tables_of(10)["exact_reading_means"]
    figure = drawn("accuracy_vs_filters", 10)
    legend = {text.get_text(): own for own, text in zip(*_legend_of(figure), strict=True)}
    others = {own.get_color() for name, own in legend.items() if name != words}
    assert legend[words].get_color() not in others
    drawn_lines = [line.get_ydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(line, 100 * means["mean"]) for line in drawn_lines)
    without = draw_from("accuracy_vs_filters", tables_of(10) | {"exact_reading_means": None})
    assert words not in {text.get_text() for text in texts_of(without)}


def _legend_of(figure: Figure) -> tuple[list[Line2D], list[Text]]:
    (legend,) = figure.legends
    return list(legend.legend_handles), list(legend.get_texts())


def test_kernels_of_three_channels_are_drawn_as_colours_and_of_others_as_their_mean() -> None:
    kernels = np.zeros((2, 1, 2, 3))
    kernels[0, 0, 0] = (2, 0, -1)
    axes = Figure().subplots(1, 2)
    draw_images(axes[0], kernels, np.array([True, False]))
    page = axes[0].images[0].get_array()
    np.testing.assert_allclose(page[0, 0], [1, 0.5, 0.25])
    np.testing.assert_allclose(page[0, 1], 0.5)
    assert len(axes[0].patches) == 1
    draw_images(axes[1], kernels[..., :2], np.array([False, False]))
    assert axes[1].collections[0].get_array().compressed()[:2].tolist() == [1, 0]
