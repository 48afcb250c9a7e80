"""The figures of kernel shapes, removal and controls: what they show, and that odd studies can be drawn too."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from scipy.stats import spearmanr

pytest.register_assert_rewrite("figure_checks")

import figure_checks  # noqa: E402
from figure_checks import ROOT, check_caption, drawn  # noqa: E402

from filtertwins.figures import controls, excess_over_chance, removal  # noqa: E402
from filtertwins.figures.output import FORMATS, main, optional_tables, tables_of  # noqa: E402
from filtertwins.figures.style import TIMES, display_name  # noqa: E402
from filtertwins.figures.tables import TableError, signed  # noqa: E402
from filtertwins.files import write_csv  # noqa: E402

FIGURES = {
    "excess_over_chance": excess_over_chance,
    "removal": removal,
    "controls": controls,
}
MAIN = {
    "question": ((3, 1), "linear"),
    "question_converged": ((3, 1), "linear"),
    "relu_3x1": ((3, 1), "relu"),
    "relu_5x5": ((5, 5), "relu"),
}
SHAPES = {
    f"{activation}_{height}x{width}": ((height, width), activation)
    for activation in ("linear", "relu")
    for height, width in ((3, 1), (1, 3), (3, 3), (5, 5), (7, 7))
}
OTHER_SHAPES = {name: kind for name, kind in SHAPES.items() if name not in MAIN}  # as in the study
SIZES = ("3x1", "1x3", "3x3", "5x5", "7x7")
NULLS = ("initial", "redrawn", "isotropic")


def study(main=MAIN, shapes=OTHER_SHAPES, counts=(1, 2, 4, 16, 64), shape_counts=(4, 16), seeds=5, dataset="mnist"):
    """The tables of a small study: the main architectures, and others that differ in kernel shape."""
    redundancy, near = _redundancy(main, counts, seeds, dataset)
    kernel_shapes, _ = _redundancy(shapes, shape_counts, seeds, dataset)
    return {
        "redundancy": redundancy,
        "kernel_shapes": kernel_shapes,
        "excess": _excess(pd.concat([redundancy, kernel_shapes])),
        "removal": _removal(near),
        "controls": _controls(counts, seeds, dataset),
    }


def _redundancy(architectures, counts, seeds, dataset):
    rows, filters_rows = [], []
    for index, (name, ((height, width), activation)) in enumerate(architectures.items()):
        dimension = height * width
        for filters in counts:
            chance = 1 - 1 / filters if dimension == 3 else 0.5 - 1 / filters / dimension
            gain = 0.1 if activation == "relu" and dimension > 3 else 0.0
            for seed in range(seeds):
                rng = np.random.default_rng([index, filters, seed])
                sd = 0.3 / filters
                nearest = np.clip(chance + gain + rng.normal(0, 2 * sd, filters), 0, 1 - 1e-5)
                key = {"dataset": dataset, "architecture": name, "filters": filters, "seed": seed}
                kind = {
                    "kernel_height": height,
                    "kernel_width": width,
                    "activation": activation,
                    "dimension": dimension,
                    "equivalence": "nonzero_scale" if activation == "linear" else "positive_scale",
                }
                for stage, cosine in (("initial", chance + rng.normal(0, sd)), ("trained", nearest.mean())):
                    null = {
                        "mean_nearest_cosine": cosine,
                        "null_mean_nearest_cosine": chance,
                        "null_sd": sd,
                        "isotropic_mean_nearest_cosine": chance - 0.004,
                        "excess": cosine - chance,
                    }
                    rows.append(key | {"stage": stage} | kind | (null if filters > 1 else dict.fromkeys(null, np.nan)))
                for i, cosine in enumerate(nearest):
                    filters_rows.append(
                        key
                        | {"activation": activation, "filter": i}
                        | {"nearest_cosine": cosine if filters > 1 else np.nan}
                    )
    return pd.DataFrame(rows), pd.DataFrame(filters_rows)


def _excess(redundancy):
    rows = []
    for _, runs in redundancy[redundancy["filters"] > 1].groupby(["architecture", "filters"], sort=False):
        trained, initial = (runs[runs["stage"] == stage] for stage in ("trained", "initial"))
        first = trained.iloc[0]
        names = ("dataset", "architecture", "kernel_height", "kernel_width", "activation", "filters", "dimension")
        row = {name: first[name] for name in (*names, "equivalence")} | {"n": len(trained)}
        cosine = trained["mean_nearest_cosine"].to_numpy()
        for null, values in {
            "initial": initial["mean_nearest_cosine"].to_numpy(),
            "redrawn": trained["null_mean_nearest_cosine"].to_numpy(),
            "isotropic": trained["isotropic_mean_nearest_cosine"].to_numpy(),
        }.items():
            mean, half = (cosine - values).mean(), 2 * (cosine - values).std() / np.sqrt(len(cosine))
            several = len(trained) > 2
            row |= {f"{null}_null": values.mean(), f"{null}_excess": mean}
            row |= {f"{null}_low": mean - half, f"{null}_high": mean + half} if len(trained) > 1 else {
                f"{null}_low": np.nan, f"{null}_high": np.nan
            }  # fmt: skip
            row |= {f"{null}_p_fdr": (0.01 if mean > 0.03 else 0.6) if several else np.nan}
        rows.append(row)
    return pd.DataFrame(rows)


def _removal(near):
    rng = np.random.default_rng(0)
    rows = near.copy()
    rows["never_active"] = (rows["activation"] == "relu") & (rng.random(len(rows)) < 0.05) & (rows["filters"] > 4)
    cost = (1.2 - rows["nearest_cosine"]) * np.exp(rng.normal(0, 0.5, len(rows))) / rows["filters"] - 5e-3
    rows["loss_increase"] = cost.where(~rows["never_active"], 0.0)
    return rows.assign(images=5000)


def _controls(counts, seeds, dataset):
    rows = []
    for name, (accuracy, gain, turned) in {
        "trained": (0.98, 0.1, 0.7),
        "frozen": (0.96, 0.0, 1.0),
        "shuffled": (0.1, 0.02, 0.9),
    }.items():
        for filters in counts:
            for seed in range(seeds):
                rng = np.random.default_rng([filters, seed])
                excess = gain + rng.normal(0, 0.3 / filters)
                rows.append(
                    {"dataset": dataset, "architecture": name, "activation": "relu", "filters": filters, "seed": seed}
                    | {"train_loss": 0.1, "test_accuracy": accuracy + rng.normal(0, 2e-3)}
                    | {"mean_nearest_cosine": 0.4 + excess, "null_mean_nearest_cosine": 0.4, "null_sd": 0.3 / filters}
                    | {"excess": excess if filters > 1 else np.nan, "cosine_to_initial": turned}
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables():
    return study()


def times(words):
    """Words with their sizes as figures write them."""
    return re.sub(r"(?<=\d)x(?=\d)", TIMES, words)


def written(tables, folder):
    for name, rows in tables.items():
        write_csv(rows, folder / f"{name}.csv")


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def same(values, expected):
    return len(values) == len(expected) and np.allclose(values, expected)


def panel(figure, title):
    """The panels of this title, in the order they were drawn."""
    return [axes for axes in figure.axes if axes.get_title(loc="left").split("  ")[1] == title]


def heights(axes, *, marker=None):
    """The y values of each line, those of one marker or of all."""
    return [line.get_ydata() for line in axes.lines if marker in (None, line.get_marker())]


# What every figure is held to


@pytest.mark.parametrize("name", FIGURES)
def test_files_have_the_printed_size_and_truetype_fonts(tables, tmp_path, name):
    figure_checks.check_files(name, tables, 6.75, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(tables, name):
    figure_checks.check_nothing_is_clipped(name, tables)


def test_drawing_in_another_process_gives_the_same_bytes(tmp_path):
    figure_checks.check_bytes_are_stable("test_experiment_figures_2", FIGURES, tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_no_table_and_no_setting(tables, name):
    figure_checks.check_pure(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_an_empty_table_and_two_datasets_are_named(tables, name):
    figure_checks.check_bad_tables_are_named(name, tables)


@pytest.mark.parametrize("name", FIGURES)
def test_help_names_the_tables_and_options(capsys, name):
    text = " ".join(figure_checks.check_help(name, capsys).split())
    assert ("(tau)" in text) == (name == "removal")
    assert ("--filters" in text) == (name != "controls")


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_a_reader_needs(tables, name):
    _, caption = drawn(name, tables)
    names = ("trained", "frozen", "shuffled") if name == "controls" else map(display_name, MAIN)
    null = "τ = 0.95" if name == "removal" else "null"
    check_caption(caption, "5 seeds", "interval", null, *names)


@pytest.mark.parametrize("name", FIGURES)
def test_series_differ_without_colour(tables, name):
    figure, _ = drawn(name, tables)
    handles = zip(figure.legends[0].legend_handles, legend_of(figure), strict=True)
    series = [handle for handle, words in handles if hasattr(handle, "get_marker") and "filled" not in words]
    looks = {
        (
            line.get_marker(),
            line.get_linestyle(),
            to_rgb(line.get_markerfacecolor()) == (1, 1, 1),
            line.get_markersize(),
        )
        for line in series
    }
    assert len(looks) == len(series)


ONE = {"question": MAIN["question"]}
MANY = MAIN | {f"variant_{i}": MAIN["relu_5x5"] for i in range(6)}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "shape",
    [
        {"main": ONE, "shapes": {"linear_3x3": ((3, 3), "linear")}, "counts": (4,), "shape_counts": (4,), "seeds": 1},
        {"main": {"relu_5x5": MAIN["relu_5x5"]}, "shapes": {"relu_5x5_more": ((5, 5), "relu")}, "seeds": 2},
        {"main": ONE, "shapes": {"tanh_3x3": ((3, 3), "tanh"), **OTHER_SHAPES}, "counts": (2, 16), "seeds": 3},
        {"main": MANY, "counts": (2, 4), "seeds": 3},
        {"counts": (2,), "shape_counts": (2,), "seeds": 3},
    ],
    ids=["one-run", "one-shape", "three-activations", "ten-architectures", "two-filters"],
)
def test_studies_of_any_shape_can_be_drawn(name, shape):
    tables = study(**shape)
    figure_checks.check_nothing_is_clipped(name, tables)
    figure, caption = drawn(name, tables)
    check_caption(caption)
    assert figure.get_size_inches()[0] == 6.75
    assert ("no interval" in caption) == (shape.get("seeds") == 1)


@pytest.mark.parametrize("name", FIGURES)
def test_the_script_draws_what_the_function_does(tables, tmp_path, name):
    written(tables, tmp_path)
    paths = [str(tmp_path / f"{table}.csv") for table in reversed(tables_of(FIGURES[name].draw))]
    subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts" / f"plot_{name}.py"),
            "--tables",
            *paths,
            "--output",
            str(tmp_path / name),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert sorted(path.name for path in tmp_path.glob(f"{name}.*") if path.suffix != ".csv") == sorted(
        f"{name}.{suffix}" for suffix in FORMATS
    )
    assert (tmp_path / f"{name}.rst").read_text() == drawn(name, tables)[1] + "\n"


def test_figures_do_not_import_tensorflow():
    code = "import sys; " + "".join(f"import filtertwins.figures.{name}; " for name in FIGURES)
    code += "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0


# Excess over chance


def test_every_kernel_shape_is_shown_with_its_excess_over_each_null(tables):
    figure, caption = drawn("excess_over_chance", tables)
    for activation, title in (("linear", "linear, 16 filters"), ("relu", "ReLU, 16 filters")):
        upper, lower = panel(figure, title)
        rows = tables["excess"].query("filters == 16 and activation == @activation").set_index("architecture")
        order = [f"{activation}_{shape}" for shape in SIZES]
        for null, marker in zip(NULLS, "so^", strict=True):
            shown = sorted(np.concatenate(heights(upper, marker=marker)))
            assert same(shown, sorted(rows.loc[order, f"{null}_excess"]))
        labels = [label.get_text() for label in lower.get_xticklabels()]
        assert labels == [f"{shape}\n{d}" for shape, d in zip(map(times, SIZES), (3, 3, 9, 25, 49), strict=True)]
        runs = pd.concat([tables["kernel_shapes"], tables["redundancy"]]).query("filters == 16 and stage == 'trained'")
        means = runs.groupby("architecture")["mean_nearest_cosine"].mean()
        assert any(same(values, means.loc[order]) for values in heights(lower, marker="D"))
        assert any(same(values, rows.loc[order, "redrawn_null"]) for values in heights(lower, marker="o"))
    assert times("(ReLU 3x1 and ReLU 5x5 from among the main architectures)") in caption
    excess = rows.loc["relu_7x7", "redrawn_excess"]
    assert times(f"7x7 {signed(excess, 3)} (") in caption


def test_more_alike_than_chance_is_filled(tables):
    rows = tables["excess"].assign(redrawn_p_fdr=0.05)
    rows.loc[rows["architecture"] == "relu_7x7", "redrawn_p_fdr"] = 0.049
    figure, caption = drawn("excess_over_chance", tables | {"excess": rows})
    dots = [line for line in panel(figure, "ReLU, 16 filters")[0].lines if line.get_marker() == "o"]
    filled = [line for line in dots if to_rgb(line.get_markerfacecolor()) != (1, 1, 1)]
    expected = rows.query("architecture == 'relu_7x7' and filters == 16")["redrawn_excess"]
    assert same(np.concatenate([line.get_ydata() for line in filled]), expected)
    assert times("ReLU 5x5, 0 of 4; other linear ones, 0 of 10; other ReLU ones, 2 of 6.") in caption
    untested = tables["excess"].assign(**{f"{null}_p_fdr": np.nan for null in NULLS})
    assert "too few seeds for a test" in drawn("excess_over_chance", tables | {"excess": untested})[1]


def test_the_main_architectures_are_shown_over_the_number_of_filters(tables):
    figure, _ = drawn("excess_over_chance", tables)
    (axes,) = panel(figure, "main architectures")
    for name in MAIN:
        rows = tables["excess"][tables["excess"]["architecture"] == name].sort_values("filters")
        assert any(same(values, rows["redrawn_excess"]) for values in heights(axes))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "16", "64"]


def test_the_number_of_filters_at_which_shapes_are_compared_can_be_chosen(tables):
    assert panel(drawn("excess_over_chance", tables, filters=4.0)[0], "linear, 4 filters")
    with pytest.raises(TableError, match="table 'excess': no rows with filters = 5; it has: 2, 4, 16, 64"):
        drawn("excess_over_chance", tables, filters=5)


def test_without_the_experiment_the_main_architectures_have_shapes_too(tables):
    assert optional_tables(excess_over_chance.draw) == ["kernel_shapes"]
    some = {"redundancy": tables["redundancy"], "excess": tables["excess"][tables["excess"]["architecture"].isin(MAIN)]}
    figure, caption = drawn("excess_over_chance", some)
    assert [label.get_text() for label in panel(figure, "linear, 64 filters")[1].get_xticklabels()] == [times("3x1\n3")]
    assert times("(question, ReLU 3x1 and ReLU 5x5 from among the main architectures)") in caption


def test_tables_that_do_not_belong_together_are_refused(tables):
    rows = tables["excess"]
    with pytest.raises(TableError, match="table 'excess': no rows with an architecture of table 'redundancy'"):
        drawn("excess_over_chance", tables | {"excess": rows[~rows["architecture"].isin(MAIN)]})
    with pytest.raises(TableError, match="two rows with architecture = 'question', filters = 2, expected one"):
        drawn("excess_over_chance", tables | {"excess": pd.concat([rows, rows.iloc[:1]])})
    with pytest.raises(TableError, match="column 'mean_nearest_cosine' is empty"):
        drawn("excess_over_chance", tables | {"redundancy": tables["redundancy"].query("filters == 1")})


# Removal


def test_each_filter_is_a_dot_and_groups_of_filters_have_means(tables):
    figure, _ = drawn("removal", tables)
    (axes,) = panel(figure, times("ReLU 5x5, k = 64"))
    rows = tables["removal"].query("architecture == 'relu_5x5' and filters == 64")
    live = rows[~rows["never_active"]]
    dots, crosses, means = axes.lines[1], axes.lines[2], axes.lines[3]
    assert same(dots.get_ydata(), live["loss_increase"])
    assert same(dots.get_xdata(), 1 - live["nearest_cosine"])
    assert len(crosses.get_ydata()) == rows["never_active"].sum() > 0
    assert not np.any(crosses.get_ydata())
    assert len(means.get_ydata()) == 6
    assert np.mean(means.get_ydata()) == pytest.approx(live["loss_increase"].mean(), rel=0.05)
    assert np.all(np.diff(means.get_xdata()) < 0)  # from far to near, to the right
    low, high = axes.get_ylim()
    assert low < rows["loss_increase"].min() < 0
    assert high > rows["loss_increase"].max()


def test_rank_correlations_are_of_each_network_without_filters_that_never_fire(tables):
    rows = tables["removal"]
    found = removal.rank_correlations(rows.dropna()).set_index(["architecture", "filters", "seed"])["correlation"]
    own = rows.query("architecture == 'relu_5x5' and filters == 64 and seed == 3 and not never_active")
    expected = spearmanr(own["nearest_cosine"], own["loss_increase"]).statistic
    assert found["relu_5x5", 64, 3] == pytest.approx(expected)
    assert found[:, 2, :].isna().all()  # two filters are as near to each other
    figure, caption = drawn("removal", tables)
    mean = found["relu_5x5", 64, :].mean()
    assert any(np.isclose(values, mean).any() for values in heights(figure.axes[-1], marker="D"))
    assert times(f"ReLU 5x5, {signed(mean, 2)} (") in caption


def test_a_known_relation_is_found():
    rows = pd.DataFrame(
        {
            "architecture": "a",
            "filters": 8,
            "seed": np.repeat([0, 1], 8),
            "never_active": False,
            "nearest_cosine": np.tile(np.linspace(0.1, 0.9, 8), 2),
        }
    )
    falling, rising = (
        rows.assign(loss_increase=-(rows["nearest_cosine"] ** 3)),
        rows.assign(loss_increase=rows["nearest_cosine"]),
    )
    assert removal.rank_correlations(falling)["correlation"].to_list() == pytest.approx([-1, -1])
    assert removal.rank_correlations(rising)["correlation"].to_list() == pytest.approx([1, 1])
    assert removal.rank_correlations(rows.assign(loss_increase=0.0))["correlation"].isna().all()


def test_removal_draws_studies_without_near_duplicates_and_with_twins(tables):
    rows = tables["removal"]
    apart = rows.assign(nearest_cosine=rows["nearest_cosine"] / 2)
    assert "near duplicates" not in drawn("removal", {"removal": apart})[1].split("Median")[1]
    twins = rows.assign(nearest_cosine=1.0)
    assert "others" not in drawn("removal", {"removal": twins})[1].split("Median")[1]
    for odd in (
        rows.assign(loss_increase=0.0),  # removing any filter changes nothing
        rows.assign(nearest_cosine=-rows["nearest_cosine"]),
        rows.assign(never_active=True),
    ):
        figure_checks.check_nothing_is_clipped("removal", {"removal": odd})
        check_caption(drawn("removal", {"removal": odd})[1])
    assert "never active" not in legend_of(drawn("removal", {"removal": rows.assign(never_active=False)})[0])


def test_removal_needs_two_filters_and_a_number_of_filters_that_it_has(tables):
    with pytest.raises(TableError, match="column 'nearest_cosine' is empty everywhere"):
        drawn("removal", {"removal": tables["removal"].query("filters == 1")})
    with pytest.raises(TableError, match="no rows with filters = 5; it has: 2, 4, 16, 64"):
        drawn("removal", tables, filters=5)


def test_options_reach_the_figure(tables, tmp_path):
    written(tables, tmp_path)
    arguments = ["--tables", str(tmp_path / "removal.csv"), "--threshold", "0.8", "--filters", "16"]
    main(removal.draw, [*arguments, "--output", str(tmp_path / "f")])
    caption = (tmp_path / "f.rst").read_text()
    assert "τ = 0.8." in caption
    assert "question converged (linear, 16 filters)" in caption


# Controls


def test_controls_show_accuracy_and_excess_of_each(tables):
    figure, caption = drawn("controls", tables)
    left, right = figure.axes
    for name in ("trained", "frozen", "shuffled"):
        rows = tables["controls"].query("architecture == @name")
        means = 100 * rows.groupby("filters")["test_accuracy"].mean()
        assert any(same(values, means) for values in heights(left))
        excess = rows.groupby("filters")["excess"].mean().dropna()
        assert any(same(values, excess) for values in heights(right))
        assert f"{name}, {means.iloc[-1]:.2f} (" in caption
    assert any(np.all(np.equal(values, 10)) for values in heights(left))  # what guessing gives
    low, high = left.get_ylim()
    assert low < 10
    assert 98 < high < 100


def test_a_control_of_single_filters_is_drawn_without_redundancy(tables):
    single = {"controls": tables["controls"].query("filters == 1")}
    figure_checks.check_nothing_is_clipped("controls", single)
    caption = drawn("controls", single)[1]
    check_caption(caption)
    assert "against its null" not in caption


def test_two_rows_of_one_network_are_refused(tables):
    rows = pd.concat([tables["controls"], tables["controls"].iloc[:1]])
    with pytest.raises(TableError, match="two rows with architecture = 'trained', filters = 1, seed = 0"):
        drawn("controls", {"controls": rows})


def test_what_guessing_gives_is_in_view_even_if_no_network_guesses(tables):
    rows = tables["controls"].query("architecture != 'shuffled'")
    assert drawn("controls", {"controls": rows})[0].axes[0].get_ylim()[0] < 10
