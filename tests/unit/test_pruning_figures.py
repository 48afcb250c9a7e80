"""The figures of what pruning costs, and of what the criteria for it agree on; and the looks that methods have."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

pytest.register_assert_rewrite("figure_checks")

import figure_checks  # noqa: E402
from figure_checks import check_caption, drawn  # noqa: E402

from filtertwins.figures.methods import UNPRUNED, method_look, method_name  # noqa: E402
from filtertwins.figures.output import save  # noqa: E402
from filtertwins.figures.style import NULL_BAND_COLOR, SMALL_TEXT_PT, TIMES  # noqa: E402
from filtertwins.figures.tables import TableError  # noqa: E402
from filtertwins.files import read_csv, write_csv  # noqa: E402

FIGURES = ("pruning", "criteria")
METHODS = ("random", "l1", "fpgm", "nearest_cosine", "cosine_merge", "obd", "taylor", "oracle")
CRITERIA = tuple(method for method in METHODS if method != "cosine_merge")
NETWORKS = {"question": ("linear", 100), "relu_3x1": ("relu", 32), "relu_5x5": ("relu", 32)}
KEPT = (2, 8, 24)
MINUS = "\N{MINUS SIGN}"


def study(networks=NETWORKS, seeds=3, methods=METHODS):
    """The two tables of a small study, with numbers like measured ones."""
    criteria_of = [method for method in methods if method != "cosine_merge"]
    return {"pruning": pruning(networks, seeds, methods), "criteria": criteria(networks, seeds, criteria_of)}


def pruning(networks=NETWORKS, seeds=3, methods=METHODS, kept=KEPT, steps=(0, 200)):
    rng = np.random.default_rng(0)
    rows = []
    for name, (activation, filters) in networks.items():
        for seed in range(seeds):
            for tuned in steps:
                row = {"dataset": "mnist", "architecture": name, "activation": activation, "filters": filters}
                row |= {"seed": seed, "fine_tuning_steps": tuned, "validation_accuracy": 0.9, "test_images": 10_000}
                whole = 0.97 + rng.normal(0, 0.001)
                rows.append(row | {"method": "none", "kept": filters, "test_accuracy": whole})
                for place, method in enumerate(methods):
                    for count in kept:
                        loss = (1 - count / filters) ** 2 * (0.03 if tuned else 0.8 - 0.05 * place)
                        accuracy = whole - loss + rng.normal(0, 0.002)
                        rows.append(row | {"method": method, "kept": count, "test_accuracy": accuracy})
    return pd.DataFrame(rows)


def criteria(networks=NETWORKS, seeds=3, names=CRITERIA):
    rng = np.random.default_rng(0)
    rows = []
    for name, (_, filters) in networks.items():
        for seed in range(seeds):
            for place, (one, other) in enumerate(combinations(names, 2)):
                row = {"dataset": "mnist", "architecture": name, "filters": filters, "seed": seed}
                value = np.cos(place) * rng.uniform(0.8, 1)
                rows.append(row | {"criterion": one, "other": other, "rank_correlation": value})
    return pd.DataFrame(rows)


def titles(figure):
    return [title.split("  ")[-1] for axes in figure.axes if (title := axes.get_title(loc="left"))]


def panel(figure, title, index=0):
    return [axes for axes in figure.axes if axes.get_title(loc="left").endswith(title)][index]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def small():
    return study()


# What every figure promises


@pytest.mark.parametrize("name", FIGURES)
def test_files_have_the_printed_size_and_truetype_fonts(small, tmp_path, name):
    figure_checks.check_files(name, small, 6.75, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(small, name):
    figure_checks.check_nothing_is_clipped(name, small)


def test_drawing_in_another_process_gives_the_same_bytes(tmp_path):
    figure_checks.check_bytes_are_stable("test_pruning_figures", FIGURES, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_no_table_and_no_setting(small, name):
    figure_checks.check_pure(name, small)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_an_empty_table_and_two_datasets_are_named(small, name):
    figure_checks.check_bad_tables_are_named(name, small)


@pytest.mark.parametrize("name", FIGURES)
def test_two_rows_of_the_same_are_an_error(small, name):
    twice = pd.concat([small[name], small[name].iloc[[7]]])
    with pytest.raises(TableError, match=rf"table '{name}': two rows with architecture = question, filters = 100, "):
        drawn(name, {name: twice})


@pytest.mark.parametrize("name", FIGURES)
def test_help_names_the_tables(name, capsys):
    figure_checks.check_help(name, capsys)


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_a_reader_needs(small, name):
    words = ("question", f"ReLU 3{TIMES}1", "k = 100", "3 seeds", "interval", "oracle, measured increase", "filters")
    check_caption(drawn(name, small)[1], *words)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("networks", "seeds", "methods"),
    [
        (1, 1, METHODS),
        (1, 2, ("l1", "a_method_of_ones_own")),
        (2, 2, (*METHODS, *"abcdef")),
        (4, 2, METHODS),
        (7, 1, METHODS[:3]),
    ],
)
def test_studies_of_any_shape_can_be_drawn(name, networks, seeds, methods):
    chosen = {f"tanh_{rows}x3": ("tanh", 32) for rows in range(1, networks + 1)}
    tables = study(chosen, seeds, methods)
    figure_checks.check_nothing_is_clipped(name, tables)
    figure, caption = drawn(name, tables)
    assert figure.get_size_inches()[0] == 6.75
    with_intervals = name == "pruning" or "oracle" in methods
    assert ("With one seed there are no intervals." in caption) == (with_intervals and seeds == 1)
    check_caption(caption)


@pytest.mark.parametrize("name", FIGURES)
def test_a_table_read_from_its_file_gives_the_same_figure(small, tmp_path, name):
    write_csv(small[name], tmp_path / f"{name}.csv")
    direct = save(*drawn(name, small), tmp_path / "direct")
    read = save(*drawn(name, {name: read_csv(tmp_path / f"{name}.csv")}), tmp_path / "read")
    assert [path.read_bytes() for path in direct] == [path.read_bytes() for path in read]


# Looks of methods


def test_methods_are_told_apart_without_colour():
    looks = [method_look(method) for method in METHODS]
    assert len({look.marker for look in looks}) == len(looks)
    assert len({look.color for look in looks}) == len(looks)
    for method in ("random", "oracle", UNPRUNED):
        assert len(set(to_rgba(method_look(method).color)[:3])) == 1  # grey
    assert [method_name(method) for method in ("l1", "obd", "oracle", "cosine_merge", UNPRUNED)] == [
        "L1",
        "OBD",
        "oracle",
        "cosine merge",
        "unpruned",
    ]


def test_a_method_of_ones_own_has_a_name_and_a_look_of_its_own():
    assert method_name("my_relu_method") == "my ReLU method"
    look = method_look("my_relu_method")
    assert look == method_look("my_relu_method")
    known = [method_look(method) for method in METHODS]
    assert look.color not in {other.color for other in known}
    assert look.marker not in {other.marker for other in known}
    assert len({method_look(f"method_{index}") for index in range(300)}) == 60


# Pruning


def series(axes, method):
    """x and y of a method's means."""
    (line,) = [line for line in axes.lines if line.get_marker() == method_look(method).marker]
    return line.get_xdata().astype(float), line.get_ydata().astype(float)


def reference(axes):
    """Height of the line across, bottom and top of its band."""
    (line,) = [line for line in axes.lines if line.get_color() == method_look(UNPRUNED).color]
    bands = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(NULL_BAND_COLOR)]
    return line.get_ydata()[0], [(band.get_y(), band.get_y() + band.get_height()) for band in bands]


def test_a_panel_shows_the_means_of_one_network_as_pruned_or_fine_tuned(small):
    figure, _ = drawn("pruning", small)
    names = ["question, k = 100", f"ReLU 3{TIMES}1, k = 32", f"ReLU 5{TIMES}5, k = 32"]
    assert sorted(titles(figure)) == sorted(2 * names)
    rows = small["pruning"].query("architecture == 'relu_3x1'")
    for stage, steps in enumerate((0, 200)):
        axes = panel(figure, f"ReLU 3{TIMES}1, k = 32", stage)
        own = rows[rows["fine_tuning_steps"] == steps]
        for method in METHODS:
            x, y = series(axes, method)
            expected = 100 * own[own["method"] == method].groupby("kept")["test_accuracy"].mean()
            np.testing.assert_allclose(y, expected)
            np.testing.assert_allclose(np.log2(x), np.log2(expected.index), atol=0.2001)  # beside the number kept
        height, ((bottom, top),) = reference(axes)
        assert height == pytest.approx(100 * own.loc[own["method"] == "none", "test_accuracy"].mean())
        assert bottom < height < top


def test_upper_panels_are_as_pruned_and_lower_ones_fine_tuned(small):
    figure, _ = drawn("pruning", small)
    figure.draw_without_rendering()
    upper, lower = (panel(figure, "question, k = 100", index) for index in (0, 1))
    assert upper.get_position().y0 > lower.get_position().y1
    assert upper.get_ylabel() == "As pruned:\ntest accuracy (%)"
    assert lower.get_ylabel() == "Fine-tuned:\ntest accuracy (%)"
    letters = {axes.get_title(loc="left").split("  ")[0]: axes.get_position() for axes in figure.axes}
    in_reading_order = sorted(letters, key=lambda letter: (-round(letters[letter].y0, 1), letters[letter].x0))
    assert in_reading_order == sorted(letters)
    assert len(letters) == 6


def test_methods_of_one_number_of_filters_stand_side_by_side(small):
    axes = panel(drawn("pruning", small)[0], "question, k = 100")
    first = [series(axes, method)[0][0] for method in METHODS]
    assert first == sorted(first)
    assert len(set(first)) == len(METHODS)
    close = pruning(networks={"question": NETWORKS["question"]}, kept=(20, 24))
    axes = panel(drawn("pruning", {"pruning": close})[0], "question, k = 100")
    places = [series(axes, method)[0] for method in METHODS]
    assert max(x[0] for x in places) < min(x[1] for x in places)  # and no further than the next number


def test_without_unpruned_networks_there_is_no_line_and_without_pruned_ones_no_panel(small):
    rows = small["pruning"].query("method != 'none'")
    figure, caption = drawn("pruning", {"pruning": rows})
    assert "unpruned" not in [*legend(figure), caption]
    assert not any(line.get_color() == method_look(UNPRUNED).color for axes in figure.axes for line in axes.lines)
    whole = small["pruning"].query("architecture != 'question' or method == 'none'")
    assert not any("question" in title for title in titles(drawn("pruning", {"pruning": whole})[0]))
    with pytest.raises(TableError, match="no row with a method other than 'none'"):
        drawn("pruning", {"pruning": small["pruning"].query("method == 'none'")})


def test_one_seed_has_no_band():
    figure, caption = drawn("pruning", {"pruning": pruning(seeds=1)})
    assert "band" not in caption
    assert all(np.isnan(bounds).all() for axes in figure.axes for bounds in reference(axes)[1])


@pytest.mark.parametrize(("steps", "label"), [(0, "As pruned"), (200, "Fine-tuned")])
def test_one_stage_alone_has_one_row(steps, label):
    figure, caption = drawn("pruning", {"pruning": pruning(steps=(steps,))})
    assert [axes.get_ylabel() for axes in figure.axes] == [f"{label}:\ntest accuracy (%)", "", ""]
    assert ("trained on for 200 steps" in caption) == (steps > 0)
    check_caption(caption)


def test_a_network_of_one_stage_leaves_a_panel_empty(small):
    rows = small["pruning"].query("not (architecture == 'relu_3x1' and fine_tuning_steps > 0)")
    figure, caption = drawn("pruning", {"pruning": rows})
    assert not panel(figure, f"ReLU 3{TIMES}1, k = 32", 1).lines
    check_caption(caption)


def test_a_perfect_and_a_guessing_network_are_both_in_view(small):
    rows = small["pruning"].copy()
    rows.loc[rows["method"] == "oracle", "test_accuracy"] = 1.0
    rows.loc[rows["method"] == "random", "test_accuracy"] = 0.1
    for axes in drawn("pruning", {"pruning": rows})[0].axes:
        low, high = axes.get_ylim()
        assert low < 10
        assert 99.99 < high <= 100


def test_the_caption_gives_the_worst_and_best_method_where_half_is_kept():
    rows = pruning(networks={"question": ("linear", 20)}, seeds=1, kept=(2, 8, 16))
    half = rows["kept"] == 8
    for steps, change in ((0, 0.1), (200, 0.2)):
        own = half & (rows["fine_tuning_steps"] == steps)
        rows.loc[own, "test_accuracy"] = 0.5 + change
        rows.loc[own & (rows["method"] == "fpgm"), "test_accuracy"] = 0.4
        rows.loc[own & (rows["method"] == "obd"), "test_accuracy"] = 0.9125
    rows.loc[rows["method"] == "none", "test_accuracy"] = 0.95
    caption = drawn("pruning", {"pruning": rows})[1]
    spans = "40.00 (FPGM) to 91.25 (OBD) as pruned and 40.00 (FPGM) to 91.25 (OBD) fine-tuned"
    assert f"question with 8 of 20 filters, {spans}." in caption
    assert "question, 95.00 as trained and 95.00 trained on." in caption


# Criteria


def numbers(axes):
    """The texts in the cells, by line and column."""
    inside = [text for text in axes.texts if text.get_fontsize() == SMALL_TEXT_PT]
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in inside}


def names_on(axes):
    """The names of the criteria, from top left to bottom right."""
    return [text.get_text() for text in axes.texts if text.get_fontsize() != SMALL_TEXT_PT]


def test_a_cell_is_the_mean_over_seeds_of_one_pair(small):
    figure, _ = drawn("criteria", small)
    axes = panel(figure, f"ReLU 3{TIMES}1, k = 32")
    order = ["oracle", "nearest_cosine", "random", "taylor", "fpgm", "obd", "l1"]  # long names where they have room
    assert names_on(axes) == [method_name(name) for name in order]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    rows = small["criteria"].query("architecture == 'relu_3x1'")
    means = rows.groupby(["criterion", "other"])["rank_correlation"].mean()
    shown, cells = numbers(axes), axes.collections[-1].get_array()
    assert set(shown) == {(line, column) for line in range(7) for column in range(line)}
    assert len(means) == len(shown) == cells.count()
    for (line, column), text in shown.items():
        pair = order[line], order[column]
        mean = means.get(pair, means.get(pair[::-1]))
        assert cells[line, column] == pytest.approx(mean)
        assert float(text.replace(MINUS, "-")) == pytest.approx(mean, abs=0.0051)


def test_colours_are_centred_at_zero_and_ink_shows_on_them(small):
    mesh = panel(drawn("criteria", small)[0], "question, k = 100").collections[-1]
    assert (mesh.norm.vmin, mesh.norm.vmax) == (-1, 1)
    assert min(mesh.cmap(0.5)) > 0.95
    rows = criteria(networks={"question": NETWORKS["question"]}, names=("l1", "obd", "taylor", "oracle"))
    values = {("l1", "obd"): 0.95, ("l1", "taylor"): -0.95, ("obd", "taylor"): 0.004, ("l1", "oracle"): 1.0}
    for (one, other), value in values.items():
        rows.loc[(rows["criterion"] == one) & (rows["other"] == other), "rank_correlation"] = value
    axes = panel(drawn("criteria", {"criteria": rows})[0], "question, k = 100")
    inks = {text.get_text(): text.get_color() for text in axes.texts}
    assert (inks[".95"], inks[f"{MINUS}.95"], inks[".00"], inks["1"]) == ("white", "white", "black", "white")


def test_correlations_with_the_oracle_have_intervals_over_seeds(small):
    figure, caption = drawn("criteria", small)
    axes = panel(figure, "with the oracle")
    rows = small["criteria"].query("other == 'oracle'")
    others = [name for name in CRITERIA if name != "oracle"]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels == [method_name(name) for name in others]
    means = rows.groupby(["architecture", "criterion"])["rank_correlation"].mean()
    for container, name in zip(axes.containers, NETWORKS, strict=True):
        line, _, (bars,) = container
        x, y = line.get_xdata().astype(float), line.get_ydata().astype(float)
        np.testing.assert_allclose(y, means[name][others])
        np.testing.assert_allclose(x, range(len(others)), atol=0.3)
        lows, highs = np.array([segment[:, 1] for segment in bars.get_segments()]).T
        assert (lows < y).all()
        assert (y < highs).all()
    single = [y for line in axes.lines if line.get_markersize() == 2.0 for y in line.get_ydata()]
    np.testing.assert_allclose(sorted(single), sorted(rows["rank_correlation"]))
    assert legend(figure) == ["question, k = 100", f"ReLU 3{TIMES}1, k = 32", f"ReLU 5{TIMES}5, k = 32"]
    assert f"question, k = 100: random {means['question']['random']:+.2f}".replace("-", MINUS) in caption


def test_the_oracle_may_come_first_last_or_not_at_all(small):
    rows = small["criteria"]
    swapped = rows.rename(columns={"criterion": "other", "other": "criterion"})
    first, last = (drawn("criteria", {"criteria": table})[0] for table in (swapped, rows))
    one, other = (panel(figure, "with the oracle").containers for figure in (first, last))
    for means, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(means.lines[0].get_xydata(), same.lines[0].get_xydata())
    assert names_on(panel(first, "question, k = 100"))[0] == "oracle"
    figure, caption = drawn("criteria", {"criteria": rows.query("other != 'oracle'")})
    assert "with the oracle" not in titles(figure)
    assert len(titles(figure)) == 3
    assert not figure.legends
    assert "oracle" not in caption
    check_caption(caption)


def test_missing_correlations_are_shown_as_missing(small):
    rows = small["criteria"].copy()
    everywhere = rows.eval("architecture == 'relu_3x1' and criterion == 'l1' and other == 'oracle'")
    once = rows.eval("architecture == 'question' and criterion == 'obd' and other == 'taylor' and seed == 0")
    rows.loc[everywhere | once, "rank_correlation"] = np.nan
    figure, caption = drawn("criteria", {"criteria": rows})
    axes = panel(figure, f"ReLU 3{TIMES}1, k = 32")
    assert [place for place, text in numbers(axes).items() if text == "\N{EN DASH}"] == [(6, 0)]
    grey, cells = axes.collections
    assert not np.ma.getmaskarray(grey.get_array())[6, 0]
    assert grey.get_array().count() == 1
    assert grey.cmap(0) == to_rgba(NULL_BAND_COLOR)
    assert cells.get_array().count() == 20
    assert "\N{EN DASH}" not in numbers(panel(figure, "question, k = 100")).values()
    assert f"Grey cells: no correlation in any network. 4 of {len(rows)} correlations are missing" in caption
    check_caption(caption)
    nothing = drawn("criteria", {"criteria": rows.assign(rank_correlation=np.nan)})
    check_caption(nothing[1])
    assert set(numbers(panel(nothing[0], "question, k = 100")).values()) == {"\N{EN DASH}"}


def test_cells_carry_numbers_only_where_there_is_room(small):
    many = [f"criterion_{index}" for index in range(14)]
    axes = panel(drawn("criteria", {"criteria": criteria(names=many)})[0], "question, k = 100")
    assert not numbers(axes)
    figure, _ = drawn("criteria", small)
    figure.draw_without_rendering()
    axes = panel(figure, "question, k = 100")
    cell = axes.transData.transform([(0, 0), (1, 1)])
    inside = [text for text in axes.texts if text.get_fontsize() == SMALL_TEXT_PT]
    widest = max(text.get_window_extent().width for text in inside)
    assert widest < abs(cell[1] - cell[0])[0]


@pytest.mark.parametrize(("networks", "beside"), [(1, True), (2, False), (3, False), (4, True), (5, False)])
def test_the_oracle_s_panel_stands_right_of_the_last_heat_map_if_there_is_room(networks, beside):
    chosen = {f"tanh_{rows}x3": ("tanh", 32) for rows in range(1, networks + 1)}
    figure, _ = drawn("criteria", study(chosen))
    figure.draw_without_rendering()
    last, own = (panel(figure, title) for title in (f"tanh {networks}{TIMES}3, k = 32", "with the oracle"))
    same_line = math.isclose(last.get_position().y1, own.get_position().y1, abs_tol=0.01)
    assert same_line == beside
    assert (own.get_position().x0 > last.get_position().x1) == beside
    assert bool(figure.legends) == (networks > 1)
