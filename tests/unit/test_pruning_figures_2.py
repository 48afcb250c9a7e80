"""The figures of what pruning is worth: small or pruned, cost, and Optimal Brain Damage weight by weight."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb, to_rgba

pytest.register_assert_rewrite("figure_checks")

import figure_checks  # noqa: E402
from figure_checks import ROOT, check_caption, drawn  # noqa: E402

from filtertwins.figures import cost, obd, small_or_pruned  # noqa: E402
from filtertwins.figures.output import FORMATS, save, tables_of  # noqa: E402
from filtertwins.figures.style import NULL_BAND_COLOR, NULL_COLOR, TIMES  # noqa: E402
from filtertwins.figures.tables import TableError, signed  # noqa: E402
from filtertwins.files import read_csv, write_csv  # noqa: E402

FIGURES = {"small_or_pruned": small_or_pruned, "cost": cost, "obd": obd}
WIDTHS_IN = {"small_or_pruned": 3.25, "cost": 6.75, "obd": 6.75}

METHODS = ("random", "l1", "obd", "cosine_merge")
NETWORKS = {  # kernel, activation, filters, kept, test accuracy of the large network
    "question": ((3, 1), "linear", 100, (2, 4, 8, 16, 32, 64), 0.922),
    "relu_3x1": ((3, 1), "relu", 32, (2, 4, 8, 16, 24), 0.971),
    "relu_5x5": ((5, 5), "relu", 32, (2, 4, 8, 16, 24), 0.984),
}
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def study(networks=NETWORKS, seeds=5, rounds=11, shares=SHARES, batches=(1, 256)):
    """The four tables of a small study, with numbers like measured ones."""
    return {
        "small_or_pruned": _small_or_pruned(networks, seeds),
        "cost": _cost(networks, rounds, batches),
        "pruning": _pruning(networks, seeds),
        "obd": _obd(networks, seeds, shares),
    }


def _small_or_pruned(networks, seeds):
    rng = np.random.default_rng(0)
    rows = []
    for name, (_, activation, filters, counts, _) in networks.items():
        for kept in counts[::2]:
            for budget in ("equal_epochs", "equal_compute"):
                for method in METHODS:
                    worse = {"random": 1.5, "l1": 1.2, "obd": 1.0, "cosine_merge": 1.1}[method]
                    change = 0.012 if activation == "linear" else -0.02 * worse
                    mean = change * 2 / kept + rng.normal(0, 3e-4) - 3e-4 * (budget == "equal_compute")
                    half = (0.004 / kept + 4e-4) if seeds > 2 else np.nan
                    margin = 0.003
                    p = (0.01 if abs(mean) + half < margin else 0.9) if seeds > 2 else np.nan
                    rows.append(
                        {"dataset": "mnist", "architecture": name, "activation": activation, "filters": filters}
                        | {"kept": kept, "budget": budget, "method": method}
                        | {"difference": mean, "low": mean - half, "high": mean + half, "margin": margin}
                        | {"p_value": p / 2, "p_holm": p, "equivalent": p < 0.05 if seeds > 2 else None, "n": seeds}
                        | {"selected": method == ("cosine_merge" if kept < 8 else "obd")}
                    )
    return pd.DataFrame(rows)


def _cost(networks, rounds, batches):
    rng = np.random.default_rng(0)
    rows = []
    for name, ((height, width), activation, filters, counts, _) in networks.items():
        positions = (29 - height) * (29 - width)
        for turn in range(rounds):
            drift = np.exp(rng.normal(0, 0.05))
            for kept in (*counts, filters):
                dense, convolution = positions * kept * 10, positions * kept * height * width
                parameters = kept * (height * width + 1) + dense + 10
                for batch in batches:
                    work = (convolution + 0.3 * dense) * batch
                    latency = (4e-5 + 4e-10 * work * (1.5 if kept % 4 else 1.0)) * drift * np.exp(rng.normal(0, 0.03))
                    rows.append(
                        {"dataset": "mnist", "architecture": name, "activation": activation, "filters": filters}
                        | {"kept": kept, "parameters": parameters, "bytes": 4 * parameters}
                        | {"convolution_macs": convolution, "dense_macs": dense, "batch": batch, "round": turn}
                        | {"latency_s": latency}
                    )
    return pd.DataFrame(rows)


def _pruning(networks, seeds):
    rows = []
    for name, (_, activation, filters, counts, best) in networks.items():
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            for method in (*METHODS, "none"):
                for kept in (filters,) if method == "none" else counts:
                    for steps in (0, 200):
                        lost = 0.0 if method == "none" else 0.06 / kept * (1 + 5 * (steps == 0))
                        lost *= {"random": 1.5, "l1": 1.2, "obd": 1.0}.get(method, 1.1)
                        accuracy = best - lost + rng.normal(0, 6e-4)
                        rows.append(
                            {"dataset": "mnist", "architecture": name, "activation": activation, "filters": filters}
                            | {"seed": seed, "method": method, "kept": kept, "fine_tuning_steps": steps}
                            | {"validation_loss": 0.1, "validation_accuracy": accuracy + 1e-3, "test_loss": 0.1}
                            | {"test_accuracy": accuracy, "test_correct": round(1e4 * accuracy), "test_images": 10_000}
                        )
    return pd.DataFrame(rows)


def _obd(networks, seeds, shares):
    name, (_, activation, *_) = list(networks.items())[-1]
    rows = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        scale = np.exp(rng.normal(0, 0.2))
        for ranking, factor in (("obd", 1.0), ("magnitude", 6.0)):
            for share in shares:
                predicted = factor * scale * 2e-3 * share**4 * np.exp(5 * share) if share > 0.05 else 0.0
                actual = predicted * (1 + 8 * share**3) - 2e-5 * factor * (0 < share < 0.25)
                before = max(0.975 - 0.9 * (1 - np.exp(-0.5 * actual)), 0.1)
                after = 0.975 - 0.03 * np.exp(-6 * (1 - share)) * factor**0.5 + rng.normal(0, 5e-4)
                rows.append(
                    {"dataset": "mnist", "architecture": name, "activation": activation, "filters": 4, "seed": seed}
                    | {"ranking": ranking, "share": share, "deleted": round(23_154 * share), "parameters": 23_154}
                    | {"predicted_increase": predicted, "predicted_increase_1990": 0.6 * predicted}
                    | {"actual_increase": actual, "loss": 0.08, "test_accuracy": before if share else 0.972}
                    | {"test_accuracy_retrained": after if share else 0.975, "retraining_steps": 200}
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables():
    return study()


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").split("  ")[1] == title)


def legends(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def places(axes, marker, *, filled=None):
    """x and y of the markers of this kind that are drawn, in order; all, or only filled or open ones."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    if filled is not None:
        lines = [line for line in lines if (to_rgb(line.get_markerfacecolor()) != (1, 1, 1)) == filled]
    points = np.concatenate([line.get_xydata() for line in lines])
    return points[np.lexsort(points.T[::-1])]


def rising(*columns):
    """The same of columns of a table."""
    points = np.column_stack(columns).astype(float)
    return points[np.lexsort(points.T[::-1])]


def heights(axes):
    """The y values of each line."""
    return [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]


def same(values, expected):
    return np.shape(values) == np.shape(expected) and np.allclose(values, expected)


# What every figure is held to


@pytest.mark.parametrize("name", FIGURES)
def test_files_have_the_printed_size_and_truetype_fonts(tables, tmp_path, name):
    figure_checks.check_files(name, tables, WIDTHS_IN[name], tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(tables, name):
    figure_checks.check_nothing_is_clipped(name, tables)


def test_drawing_in_another_process_gives_the_same_bytes(tmp_path):
    figure_checks.check_bytes_are_stable("test_pruning_figures_2", FIGURES, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_no_table_and_no_setting(tables, name):
    figure_checks.check_pure(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_an_empty_table_and_two_datasets_are_named(tables, name):
    figure_checks.check_bad_tables_are_named(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_help_names_the_tables(capsys, name):
    figure_checks.check_help(name, capsys)


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_a_reader_needs(tables, name):
    names = [f"ReLU 5{TIMES}5"] if name == "obd" else ["question", f"ReLU 3{TIMES}1", f"ReLU 5{TIMES}5"]
    check_caption(drawn(name, tables)[1], "5 seeds", "interval", *names)


@pytest.mark.parametrize("name", FIGURES)
def test_series_differ_without_colour(tables, name):
    figure, _ = drawn(name, tables)
    for legend in figure.legends:
        series = [handle for handle in legend.legend_handles if hasattr(handle, "get_marker")]
        looks = {
            (
                line.get_marker(),
                line.get_linestyle(),
                line.get_markersize(),
                str(line.get_markerfacecolor()) in ("white", "none"),
            )
            for line in series
        }
        assert len(looks) == len(series)


MANY = {f"variant_{i}": NETWORKS["relu_5x5"] for i in range(7)}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "shape",
    [
        {"networks": {"relu_5x5": NETWORKS["relu_5x5"]}},
        {"networks": NETWORKS | {"question_converged": NETWORKS["question"]}},
        {"networks": MANY},
        {"networks": {"one": ((3, 1), "relu", 2, (1,), 0.9)}, "seeds": 1, "rounds": 1, "shares": (0.0, 0.5)},
        {"seeds": 2, "rounds": 2, "shares": (0.0, 0.3, 0.9), "batches": (1,)},
    ],
    ids=["one-architecture", "four-architectures", "seven-architectures", "one-of-each", "two-of-each"],
)
def test_studies_of_any_shape_can_be_drawn(name, shape):
    tables = study(**shape)
    figure_checks.check_nothing_is_clipped(name, tables)
    figure, caption = drawn(name, tables)
    check_caption(caption)
    assert figure.get_size_inches()[0] == WIDTHS_IN[name]
    fewest = 3 if name == "small_or_pruned" else 2  # seeds that an interval takes
    assert ("no interval" in caption) == (shape.get("seeds", 5) < fewest)


@pytest.mark.parametrize("name", FIGURES)
def test_tables_read_from_their_files_give_the_same_figure(tables, tmp_path, name):
    needed = {table: tables[table] for table in tables_of(FIGURES[name].draw)}
    for table, rows in needed.items():
        write_csv(rows, tmp_path / f"{table}.csv")
    direct = save(*drawn(name, needed), tmp_path / "direct")
    read = save(*drawn(name, {table: read_csv(tmp_path / f"{table}.csv") for table in needed}), tmp_path / "read")
    assert [path.read_bytes() for path in direct] == [path.read_bytes() for path in read]


@pytest.mark.parametrize("name", FIGURES)
def test_the_script_draws_what_the_function_does(tables, tmp_path, name):
    paths = [tmp_path / f"{table}.csv" for table in tables_of(FIGURES[name].draw)]
    for path in paths:
        write_csv(tables[path.stem], path)
    command = [sys.executable, str(ROOT / "scripts" / f"plot_{name}.py"), "--output", str(tmp_path / "figure")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([*command, "--tables", *map(str, reversed(paths))], check=True, env=environment)
    assert {path.suffix[1:] for path in tmp_path.glob("figure.*")} == set(FORMATS)
    assert (tmp_path / "figure.rst").read_text() == drawn(name, tables)[1] + "\n"


# Small or pruned


def test_each_row_shows_the_difference_of_the_selected_method_with_both_budgets(tables):
    figure, caption = drawn("small_or_pruned", tables)
    rows = tables["small_or_pruned"].query("selected and architecture == 'relu_5x5'")
    axes = panel(figure, f"ReLU 5{TIMES}5")
    for budget, marker, above in (("equal_epochs", "o", -0.2), ("equal_compute", "s", 0.2)):
        own = rows[rows["budget"] == budget].sort_values("kept")
        assert same(places(axes, marker), rising(100 * own["difference"], np.arange(len(own)) + above))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["32 → 2", "32 → 8", "32 → 24"]
    assert [text.get_text() for text in axes.texts] == ["cosine merge", "OBD", "OBD"]
    first = 100 * rows.query("budget == 'equal_epochs' and kept == 2").iloc[0][["difference", "low", "high"]]
    mean, low, high = (signed(value, 2) for value in first)
    assert f"ReLU 5{TIMES}5, 32 → 2, {mean} ({low} to {high}) and " in caption


def test_the_verdict_after_correction_fills_the_marker_and_not_the_interval(tables):
    rows = tables["small_or_pruned"].copy()
    inside = rows.eval("architecture == 'question' and kept == 32")
    assert (rows.loc[inside, "high"] < rows.loc[inside, "margin"]).all()
    shown = rows.query("selected and equivalent == True and architecture == 'question' and budget == 'equal_epochs'")
    figure, caption = drawn("small_or_pruned", {"small_or_pruned": rows})
    filled = places(panel(figure, "question"), "o", filled=True)
    assert same(np.sort(filled[:, 0]), np.sort(100 * shown["difference"]))
    assert "question, 2 of 6 (" in caption
    rows.loc[inside, "equivalent"] = False
    figure, caption = drawn("small_or_pruned", {"small_or_pruned": rows})
    assert "question, 0 of 6 (" in caption
    assert not any(len(line.get_xdata()) for line in panel(figure, "question").lines
                   if line.get_marker() == "o" and to_rgb(line.get_markerfacecolor()) != (1, 1, 1))  # fmt: skip


def test_the_margin_is_a_band_around_zero_in_points(tables):
    for axes in drawn("small_or_pruned", tables)[0].axes:
        (band,) = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(NULL_BAND_COLOR)]
        extent = band.get_extents().transformed(axes.transData.inverted())
        assert extent.intervalx == pytest.approx([-0.3, 0.3])
        low, high = axes.get_xlim()
        assert low < -0.3 < 0.3 < high


def test_verdicts_may_be_missing(tables):
    rows = tables["small_or_pruned"].copy()
    rows["equivalent"] = rows["equivalent"].astype("boolean")
    rows.loc[rows["architecture"] == "question", ["equivalent", "low", "high", "p_holm"]] = pd.NA
    caption = drawn("small_or_pruned", {"small_or_pruned": rows})[1]
    assert "question, too few seeds for a test; " in caption
    assert "Where there are too few seeds there are none." in caption
    check_caption(caption)


def test_one_method_is_selected_for_each_network(tables):
    rows = tables["small_or_pruned"]
    with pytest.raises(TableError, match="no row with selected = True"):
        drawn("small_or_pruned", {"small_or_pruned": rows.assign(selected=False)})
    with pytest.raises(TableError, match="two rows with selected = True, architecture = question, filters = 100"):
        drawn("small_or_pruned", {"small_or_pruned": rows.assign(selected=True)})


# Cost


def chosen(tables):
    """By hand: fine-tuned networks of the method that is best on the validation images; one mean for each shape."""
    rows = tables["pruning"].query("fine_tuning_steps == 200 and method != 'random'")
    means = rows.groupby(["architecture", "kept", "method"])[["validation_accuracy", "test_accuracy"]].mean()
    return means.sort_values("validation_accuracy").groupby(["architecture", "kept"])["test_accuracy"].last()


def test_a_point_is_median_latency_and_test_accuracy_of_the_method_best_on_validation(tables):
    figure, _ = drawn("cost", tables)
    for batch, title in ((1, "single image"), (256, "batch of 256")):
        for name, marker in zip(NETWORKS, "os^", strict=True):
            own = tables["cost"]
            own = own[(own["architecture"] == name) & (own["batch"] == batch)]
            latency_ms = 1e3 * own.groupby("kept")["latency_s"].median()
            expected = rising(latency_ms, 100 * chosen(tables)[name][latency_ms.index])
            axes = panel(figure, title)
            shown = {tuple(point) for point in places(axes, marker)}
            assert all(any(np.allclose(point, other) for other in shown) for point in expected)


def test_the_test_images_have_no_say_in_the_choice_of_a_method(tables):
    rows = tables["pruning"].copy()
    better = rows.eval("method == 'l1' and kept == 8")
    rows.loc[better, "validation_accuracy"] += 0.01
    rows.loc[rows["method"] == "random", "validation_accuracy"] = 1.0
    rows.loc[rows.eval("method == 'cosine_merge' and kept == 4"), "test_accuracy"] = 1.0
    _, caption = drawn("cost", tables | {"pruning": rows})
    assert f"ReLU 5{TIMES}5, OBD at 2, 4 and 24, L1 at 8 and cosine merge at 16." in caption
    assert "random" not in caption


def test_networks_that_another_beats_are_open_and_off_the_line(tables):
    rows = tables["cost"].copy()
    slow = rows.eval("architecture == 'question' and kept == 4 and batch == 1")
    rows.loc[slow, "latency_s"] *= 20  # slower than the unpruned network
    figure, _ = drawn("cost", tables | {"cost": rows})
    axes = panel(figure, "single image")
    latency_ms = 1e3 * rows[slow]["latency_s"].median()
    accuracy = 100 * chosen(tables)["question", 4]
    assert same(places(axes, "o", filled=False), [[latency_ms, accuracy]])
    line = next(line for line in axes.lines if len(line.get_xdata()) == 6 and line.get_marker() in ("None", ""))
    assert np.all(np.diff(line.get_xdata()) > 0)
    assert np.all(np.diff(line.get_ydata()) > 0)
    assert latency_ms not in line.get_xdata()


def test_points_say_how_many_filters_they_have_and_the_unpruned_are_ringed(tables):
    axes = drawn("cost", tables)[0].axes[0]
    assert [text.get_text() for text in axes.texts][:7] == ["2", "4", "8", "16", "32", "64", "100"]
    rings = [line for line in axes.lines if line.get_markersize() == 8]
    whole = chosen(tables)
    assert [line.get_ydata()[0] for line in rings] == pytest.approx(
        [100 * whole["question", 100], 100 * whole["relu_3x1", 32], 100 * whole["relu_5x5", 32]]
    )


def test_relative_latency_is_within_rounds(tables):
    rows = tables["cost"].copy()
    rows["latency_s"] = 1e-4 * np.sqrt(rows["kept"]) * rows["batch"] * (1 + rows["round"])  # a machine that gets slower
    figure, caption = drawn("cost", tables | {"cost": rows})
    axes = panel(figure, f"ReLU 5{TIMES}5")
    for marker in "os":
        shown = places(axes, marker)
        assert same(shown[:, 1], np.sqrt(shown[:, 0] / 32))
    ends = [segment[:, 1] for bars in axes.collections for segment in bars.get_segments()]
    assert len(ends) == 12
    assert all(low == pytest.approx(high) for low, high in ends)  # no spread in any round
    assert "latency 25.0 % (single image) and 25.0 % (batch of 256)" in caption
    assert "at least 1: none." in caption
    for marker in "D+":
        shown = places(axes, marker)
        assert same(shown[:, 0], [2, 4, 8, 16, 24, 32])
        assert np.allclose(shown[:, 1], shown[:, 0] / 32, rtol=1e-2)


def test_smaller_but_no_faster_is_open_and_named(tables):
    rows = tables["cost"].copy()
    rows["latency_s"] = 1e-4 * np.maximum(rows["kept"], 8) * (1 + 0.01 * (rows["kept"] == 2))
    figure, caption = drawn("cost", tables | {"cost": rows})
    axes = panel(figure, f"ReLU 3{TIMES}1")
    assert same(places(axes, "o", filled=False)[:, 0], [2, 4])
    assert f"ReLU 3{TIMES}1, single image, 2 and 4; ReLU 3{TIMES}1, batch of 256, 2 and 4; " in caption


def test_the_dense_layers_part_is_written_down(tables):
    figure, caption = drawn("cost", tables)
    texts = [axes.texts[0].get_text() for axes in figure.axes[2:]]
    assert texts[0] == "dense layer:\n99.9 % of parameters\n76.9 % of MACs"
    assert texts[2] == "dense layer:\n99.5 % of parameters\n28.6 % of MACs"
    assert (
        f"ReLU 5{TIMES}5, 185,162 parameters (0.74 MB, 99.5 % in the dense layer) and 645,120 MACs (28.6 %)" in caption
    )


def test_tables_that_cannot_show_cost_are_refused(tables):
    rows, networks = tables["cost"], tables["pruning"]
    for change, message in (
        ({"cost": rows.query("kept < filters")}, "no row of the unpruned network .kept = 100. of architecture 'quest"),
        ({"cost": pd.concat([rows, rows.iloc[:1]])}, "table 'cost': two rows with architecture = question, filters"),
        (
            {"cost": rows[rows["architecture"] == "question"].assign(architecture="other")},
            "no shape .* is of a fine-tuned network of table 'pruning'",
        ),
        ({"pruning": pd.concat([networks, networks.iloc[:1]])}, "table 'pruning': two rows with architecture = quest"),
        ({"pruning": networks.query("fine_tuning_steps == 0")}, "table 'pruning': no row with fine_tuning_steps > 0"),
        ({"pruning": networks.query("method == 'random'")}, "and a method other than 'random'"),
    ):
        with pytest.raises(TableError, match=message):
            drawn("cost", tables | change)


# Optimal Brain Damage


def test_predictions_and_what_came_are_means_over_seeds(tables):
    figure, caption = drawn("obd", tables)
    rows = tables["obd"]
    left, right = figure.axes
    for ranking in ("obd", "magnitude"):
        own = rows[rows["ranking"] == ranking].groupby("share").mean(numeric_only=True)
        for column in ("predicted_increase", "predicted_increase_1990", "actual_increase"):
            assert any(same(values, own[column]) for values in heights(left)), column
        for column in ("test_accuracy", "test_accuracy_retrained"):
            assert any(same(values, 100 * own[column]) for values in heights(right)), column
    means = rows[np.isclose(rows["share"], 0.3)].groupby("ranking").mean(numeric_only=True)
    exact, recursion, actual = (
        f"{means.loc['obd', column]:.2g}"
        for column in ("predicted_increase", "predicted_increase_1990", "actual_increase")
    )
    assert f"by OBD's saliency {exact} ({recursion}) and {actual} and by absolute value" in caption.replace(
        "\N{MINUS SIGN}", "-"
    )


def test_predictions_of_zero_and_falling_losses_are_in_view(tables):
    rows = tables["obd"]
    assert rows["predicted_increase"].min() == 0
    assert rows["actual_increase"].min() < 0
    figure, caption = drawn("obd", tables)
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    shown = np.concatenate(heights(axes)[1:])
    assert low < shown.min() < 0
    assert shown[shown > 1e-3].max() < high
    (strip,) = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(NULL_BAND_COLOR)]
    linear = axes.yaxis.get_transform().linthresh
    corners = strip.get_path().transformed(strip.get_patch_transform()).vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx((-linear, linear))
    assert f"logarithmic beyond ± {linear:g} nats and linear within" in caption
    fallen = drawn("obd", {"obd": rows.assign(actual_increase=-rows["actual_increase"].abs() - (rows["share"] > 0))})
    assert fallen[0].axes[0].get_ylim()[0] < -rows["actual_increase"].max()


def test_nothing_foretold_and_nothing_lost_can_be_drawn(tables):
    columns = ["predicted_increase", "predicted_increase_1990", "actual_increase"]
    flat = {"obd": tables["obd"].assign(**dict.fromkeys(columns, 0.0))}
    figure_checks.check_nothing_is_clipped("obd", flat)
    check_caption(drawn("obd", flat)[1])
    perfect = {"obd": tables["obd"].assign(test_accuracy=1.0, test_accuracy_retrained=1.0)}
    figure_checks.check_nothing_is_clipped("obd", perfect)


def test_what_the_paper_finds_is_marked(tables):
    left, right = drawn("obd", tables)[0].axes
    for axes, percent in ((left, 30), (right, 60)):
        assert any(np.all(np.equal(line.get_xdata(), percent)) for line in axes.lines)
        assert axes.texts[0].get_text().startswith("1990")


def test_the_reference_is_the_undeleted_network_trained_on_as_long(tables):
    rows = tables["obd"].copy()
    rows.loc[rows["share"] == 0, "test_accuracy_retrained"] = 0.98
    figure, caption = drawn("obd", {"obd": rows})
    line = next(line for line in figure.axes[1].lines if line.get_color() == NULL_COLOR)
    assert same(line.get_ydata(), [98, 98])
    own = rows[(rows["ranking"] == "obd") & np.isclose(rows["share"], 0.6)]
    lost = signed(100 * (own["test_accuracy_retrained"].mean() - 0.98), 2)
    assert f"by OBD's saliency {lost} (" in caption
    assert "interval below zero first at 10 %" in caption
    rows["test_accuracy_retrained"] = 0.98
    uncertain = np.isclose(rows["share"], 0.3)
    rows.loc[uncertain, "test_accuracy_retrained"] += rows["seed"].map([-0.01, 0.005, -0.01, 0.008, 0.0].__getitem__)
    assert "interval below zero" not in drawn("obd", {"obd": rows})[1]


def test_two_networks_have_a_line_of_panels_each(tables):
    rows = pd.concat([tables["obd"], tables["obd"].assign(architecture="question", activation="linear")])
    figure, caption = drawn("obd", {"obd": rows})
    titles = [axes.get_title(loc="left").split("  ")[1] for axes in figure.axes]
    assert titles[0] == f"ReLU 5{TIMES}5: training loss"
    assert titles[3] == "question: test accuracy"
    figure_checks.check_nothing_is_clipped("obd", {"obd": rows})
    check_caption(caption, "question (linear, 4 filters")


def test_a_network_needs_its_reference_and_comes_once(tables):
    rows = tables["obd"]
    with pytest.raises(TableError, match="no row with share = 0, the reference, for architecture = relu_5x5"):
        drawn("obd", {"obd": rows[(rows["share"] > 0) | (rows["seed"] != 2)]})
    with pytest.raises(TableError, match="two rows with architecture = relu_5x5, filters = 4, ranking = obd, seed = 0"):
        drawn("obd", {"obd": pd.concat([rows, rows.iloc[:1]])})
