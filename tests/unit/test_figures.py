"""The figures: what they show, their printed size, and that drawing again gives the same bytes."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

pytest.register_assert_rewrite("figure_checks")

import figure_checks  # noqa: E402
from figure_checks import ROOT, drawn  # noqa: E402

from filtertwins.figures import (  # noqa: E402
    accuracy_vs_filters,
    kernel_gallery,
    redundancy_vs_accuracy,
    similarity_vs_chance,
)
from filtertwins.figures.output import FORMATS, main, optional_tables, save, tables_of  # noqa: E402
from filtertwins.figures.style import display_name, series_styles  # noqa: E402
from filtertwins.figures.tables import TableError, bootstrap_curves, summarise, whiskers  # noqa: E402
from filtertwins.files import write_csv  # noqa: E402

FIGURES = {
    "accuracy_vs_filters": 3.25,
    "redundancy_vs_accuracy": 6.75,
    "similarity_vs_chance": 6.75,
    "kernel_gallery": 6.75,
    "lossless_merge": 3.25,
}  # and their widths in inches
ARCHITECTURES = {
    "question": ((3, 1), "linear", (0.895, 0.924)),
    "relu_3x1": ((3, 1), "relu", (0.95, 0.977)),
    "relu_5x5": ((5, 5), "relu", (0.958, 0.986)),
}  # kernel, activation, accuracy with one and with many filters


def study(names=tuple(ARCHITECTURES), counts=(1, 2, 4, 8, 16), seeds=3, dataset="mnist"):
    """All tables of a small study with realistic numbers, measured on synthetic kernels."""
    tables = {name: [] for name in ("runs", "redundancy", "clusters", "kernels", "merging", "optimum", "equivalence")}
    for penalty, accuracy in ((0.0, 0.9241), (1e-3, 0.9266), (1e-1, 0.9)):
        tables["optimum"].append(
            {
                "dataset": dataset,
                "penalty": penalty,
                "iterations": 8123,
                "gradient_norm": 8.7e-7,
                "converged": True,
                "unbounded": False,
                "train_loss": 0.2139,
                "validation_accuracy": accuracy + 0.001,
                "test_accuracy": accuracy,
            }
        )
    for index, name in enumerate(names):
        (height, width), activation, (worst, best) = ARCHITECTURES.get(name, ARCHITECTURES["question"])
        for filters, other in itertools.combinations(counts, 2):
            tables["equivalence"].append(
                {
                    "dataset": dataset,
                    "architecture": name,
                    "activation": activation,
                    "filters": filters,
                    "other_filters": other,
                    "margin": 0.003,
                    "p_holm": np.nan if seeds < 3 else 0.01 if filters > 2 else 0.7,
                    "equivalent": None if seeds < 3 else filters > 2,
                    "n": seeds,
                }
            )
        for filters in counts:
            null = [
                _nearest(_initial(np.random.default_rng(i), filters, height * width), activation) for i in range(200)
            ]
            null_means = [n[0].mean() if filters > 1 else np.nan for n in null]
            for seed in range(seeds):
                rng = np.random.default_rng([index, filters, seed])
                key = {"dataset": dataset, "architecture": name, "filters": filters, "seed": seed}
                accuracy = best - (best - worst) * np.exp(-0.45 * (filters - 1)) + rng.normal(0, 8e-4)
                tables["runs"].append(
                    key
                    | {
                        "kernel_height": height,
                        "kernel_width": width,
                        "activation": activation,
                        "steps": 2000,
                        "test_accuracy": round(accuracy * 10_000) / 10_000,
                        "test_images": 10_000,
                    }
                )
                for kept in range(1, min(3, filters) + 1):
                    exact = activation == "linear" and kept > 1
                    tables["merging"].append(
                        key
                        | {
                            "activation": activation,
                            "filters_kept": kept,
                            "largest_logit_change": (1e-13 if exact else 2.0) * (1 + rng.random()),
                            "changed_predictions": 0 if exact else 40,
                            "images": 500,
                        }
                    )
                initial = _initial(rng, filters, height * width)
                pull = 0.35 if activation == "relu" else 0.0
                common = rng.normal(size=(2, height * width))[rng.integers(2, size=filters)]
                trained = initial + 0.2 * rng.normal(size=initial.shape) * initial.std() + pull * common * initial.std()
                for stage, kernels in (("initial", initial), ("trained", trained)):
                    nearest, neighbour, cluster = _nearest(kernels, activation)
                    mean = nearest.mean() if filters > 1 else np.nan
                    tables["redundancy"].append(
                        key
                        | {
                            "stage": stage,
                            "dimension": height * width,
                            "equivalence": "nonzero_scale" if activation == "linear" else "positive_scale",
                            "mean_nearest_cosine": mean,
                            "null_mean_nearest_cosine": np.mean(null_means),
                            "null_sd": np.std(null_means),
                            "isotropic_mean_nearest_cosine": np.mean(null_means) - 0.004,
                            "excess": mean - np.mean(null_means),
                        }
                    )
                    for i in range(filters):
                        tables["clusters"].append(
                            key
                            | {
                                "stage": stage,
                                "filter": i,
                                "cluster": cluster[i],
                                "nearest_filter": neighbour[i] if filters > 1 else np.nan,
                                "nearest_cosine": nearest[i] if filters > 1 else np.nan,
                            }
                        )
                        if seed == 0 and filters in (4, 16, 64):
                            for j, weight in enumerate(kernels[i]):
                                place = {
                                    "filter": i,
                                    "row": j // width,
                                    "column": j % width,
                                    "weight": weight,
                                }
                                tables["kernels"].append(key | {"stage": stage} | place)
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _initial(rng, filters, dimension):
    limit = np.sqrt(6 / (dimension * (1 + filters)))
    return rng.uniform(-limit, limit, size=(filters, dimension))


def _nearest(kernels, activation):
    """Nearest cosine, nearest filter, and groups of filters linked by cosines over 0.95."""
    units = kernels / np.linalg.norm(kernels, axis=1, keepdims=True)
    cosine = units @ units.T
    if activation == "linear":
        cosine = np.abs(cosine)
    np.fill_diagonal(cosine, -np.inf)
    cluster = np.arange(len(kernels))
    for i, j in np.argwhere(cosine > 0.95):
        cluster[cluster == cluster[j]] = cluster[i]
    return cosine.max(axis=1).clip(-1, 1), cosine.argmax(axis=1), np.unique(cluster, return_inverse=True)[1]


def same(values, expected):
    return len(values) == len(expected) and np.allclose(values, expected)


@pytest.fixture(scope="module")
def small():
    return study()


@pytest.fixture(scope="module")
def full():
    return study(counts=(1, 2, 4, 8, 16, 32, 64), seeds=5)


# Files


@pytest.mark.parametrize(("name", "width_in"), FIGURES.items())
def test_files_have_the_printed_size_and_truetype_fonts(small, tmp_path, name, width_in):
    figure_checks.check_files(name, small, width_in, tmp_path / "figures")


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_clipped(full, name):
    figure_checks.check_nothing_is_clipped(name, full)


def test_drawing_in_another_process_gives_the_same_bytes(tmp_path):
    figure_checks.check_bytes_are_stable("test_figures", FIGURES, tmp_path)


def test_files_name_no_date_and_no_machine(small, tmp_path):
    for path in save(*drawn("accuracy_vs_filters", small), tmp_path / "figure")[:2]:
        content = path.read_bytes().lower()
        for word in (b"creationdate", b"dc:date", b"matplotlib v", str(tmp_path).encode()):
            assert word not in content, (path.name, word)


# Drawing is pure


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_changes_no_table_and_no_setting(small, name):
    figure_checks.check_pure(name, small)


def test_a_users_own_settings_change_no_byte(small, tmp_path):
    plain = save(*drawn("accuracy_vs_filters", small), tmp_path / "plain")
    with mpl.rc_context(
        {"font.size": 20, "lines.linewidth": 5, "savefig.bbox": "tight", "pdf.fonttype": 3, "axes.grid": True}
    ):
        other = save(*drawn("accuracy_vs_filters", small), tmp_path / "other")
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in other]


def test_figures_do_not_import_tensorflow():
    code = "import sys; " + "".join(f"import filtertwins.figures.{name}; " for name in FIGURES)
    code += "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0


# Any study


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "shape",
    [
        {"names": ("question",), "counts": (4,), "seeds": 1},
        {"names": ("question", "relu_5x5"), "counts": (2, 16), "seeds": 2},
        {"names": ("question", *(f"variant_{i}" for i in range(9))), "counts": (1, 4, 16), "seeds": 2},
    ],
    ids=["one-run", "no-single-filter", "ten-architectures"],
)
def test_studies_of_any_shape_can_be_drawn(name, shape):
    figure, caption = drawn(name, study(**shape))
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == FIGURES[name]
    assert ("no interval" in caption) == (shape["seeds"] == 1 or name in ("kernel_gallery", "lossless_merge"))


def test_runs_may_have_different_numbers_of_seeds_and_filters(small):
    tables = {
        table: rows[(rows["architecture"] != "relu_5x5") | (rows["filters"] < 8) & (rows["seed"] < 1)]
        for table, rows in small.items()
        if "seed" in rows
    }
    for name in FIGURES:
        _, caption = drawn(name, tables)
        if name in ("accuracy_vs_filters", "redundancy_vs_accuracy"):
            assert "1 to 3 seeds" in caption
            assert "Conditions with one seed have none." in caption


def test_a_study_of_single_filters_has_accuracy_but_no_redundancy():
    tables = study(counts=(1,), seeds=2)
    drawn("accuracy_vs_filters", tables)
    with pytest.raises(TableError, match="column 'mean_nearest_cosine' is empty"):
        drawn("redundancy_vs_accuracy", tables)
    with pytest.raises(TableError, match="column 'nearest_cosine' is empty"):
        drawn("similarity_vs_chance", tables)


def test_a_null_without_spread_is_drawn(small):
    tables = small | {"redundancy": small["redundancy"].assign(null_sd=0.0)}
    drawn("redundancy_vs_accuracy", tables)


# Tables that cannot be drawn


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_column_and_an_empty_table_are_named(small, name):
    for table in tables_of(importlib.import_module(f"filtertwins.figures.{name}").draw):
        with pytest.raises(TableError, match=f"table '{table}': missing column 'dataset'; it has: "):
            drawn(name, small | {table: small[table].drop(columns="dataset")})
        if table == "equivalence":  # architectures of one filter count each have no pairs to compare
            continue
        with pytest.raises(TableError, match=f"table '{table}': no rows"):
            drawn(name, small | {table: small[table].iloc[:0]})


def test_two_datasets_in_one_table_are_refused(small):
    runs = pd.concat([small["runs"], small["runs"].assign(dataset="digits")])
    with pytest.raises(TableError, match="column 'dataset' mixes mnist, digits"):
        drawn("accuracy_vs_filters", small | {"runs": runs})


def test_kernels_and_clusters_must_be_of_the_same_runs(small):
    clusters = small["clusters"].query("filter != 3")
    with pytest.raises(TableError, match=r"table 'clusters': rows with architecture = 'question', filters = 4"):
        drawn("kernel_gallery", small | {"clusters": clusters})
    kernels = small["kernels"].query("row != 1 or filter != 2")
    with pytest.raises(TableError, match=r"table 'kernels': 11 weights .* expected \(4, 3, 1\)"):
        drawn("kernel_gallery", small | {"kernels": kernels})


# The command line


def written(tables, folder):
    for name, rows in tables.items():
        write_csv(rows, folder / f"{name}.csv")
    return folder


def test_the_script_reads_tables_in_any_order_and_writes_four_files(small, tmp_path):
    written(small, tmp_path)
    script = ROOT / "scripts" / "plot_redundancy_vs_accuracy.py"
    tables = [str(tmp_path / "redundancy.csv"), str(tmp_path / "runs.csv")]
    output = tmp_path / "out" / "main.figure"  # a dot in the name is no suffix
    subprocess.run(
        [sys.executable, str(script), "--tables", *tables, "--output", str(output)],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert sorted(path.name for path in output.parent.iterdir()) == sorted(f"main.figure.{s}" for s in FORMATS)
    direct = save(*drawn("redundancy_vs_accuracy", small), tmp_path / "direct")
    assert output.with_name("main.figure.png").read_bytes() == direct[2].read_bytes()


def test_the_command_line_names_the_file_and_the_column(small, tmp_path, capsys):
    written(small | {"runs": small["runs"].drop(columns="test_accuracy")}, tmp_path)
    output = ["--output", str(tmp_path / "figure")]
    runs = str(tmp_path / "runs.csv")
    with pytest.raises(SystemExit) as stop:
        main(accuracy_vs_filters.draw, ["--tables", runs, *output])
    assert str(stop.value).startswith(f"error: {runs}: missing column 'test_accuracy'")
    with pytest.raises(SystemExit, match=r"absent.*runs\.csv"):
        main(accuracy_vs_filters.draw, ["--tables", str(tmp_path / "absent" / "runs.csv"), *output])
    for tables, message in [
        ([runs], "missing redundancy.csv"),
        ([runs, str(tmp_path / "clusters.csv")], "is not read by this figure; allowed: runs, redundancy"),
        ([runs, runs], "runs.csv is given twice"),
    ]:
        with pytest.raises(SystemExit):
            main(redundancy_vs_accuracy.draw, ["--tables", *tables, *output])
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("figure*"))


def test_optional_tables_are_none_when_not_given(small, tmp_path, capsys):
    written(small, tmp_path)
    runs, optimum = (str(tmp_path / f"{name}.csv") for name in ("runs", "optimum"))
    assert optional_tables(accuracy_vs_filters.draw) == ["optimum", "equivalence"]
    assert optional_tables(redundancy_vs_accuracy.draw) == []
    for tables, found in (([runs], False), ([optimum, runs], True)):
        main(accuracy_vs_filters.draw, ["--tables", *tables, "--output", str(tmp_path / "f")])
        assert ("convex optimum" in (tmp_path / "f.rst").read_text()) == found
    with pytest.raises(SystemExit):
        main(accuracy_vs_filters.draw, ["--tables", optimum, "--output", str(tmp_path / "f")])
    assert "missing runs.csv\n" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(accuracy_vs_filters.draw, ["--help"])
    assert "optimum.csv (optional)" in " ".join(capsys.readouterr().out.split())
    damaged = small["optimum"].drop(columns="penalty")
    write_csv(damaged, tmp_path / "optimum.csv")
    with pytest.raises(SystemExit, match=f"error: {optimum}: missing column 'penalty'"):
        main(accuracy_vs_filters.draw, ["--tables", optimum, runs, "--output", str(tmp_path / "f")])


def test_equivalence_reads_back_from_a_file_with_missing_verdicts(small, tmp_path):
    rows = small["equivalence"].astype({"equivalent": object})
    rows.loc[rows["filters"] == 4, "equivalent"] = None
    written({"runs": small["runs"], "equivalence": rows}, tmp_path)
    paths = [str(tmp_path / f"{name}.csv") for name in ("runs", "equivalence")]
    main(accuracy_vs_filters.draw, ["--tables", *paths, "--output", str(tmp_path / "f")])
    assert "question, 1 of 8 pairs, not shown for 1 and 2 with any more." in (tmp_path / "f.rst").read_text()


@pytest.mark.parametrize("name", FIGURES)
def test_help_names_the_tables_and_options(name, capsys):
    draw = importlib.import_module(f"filtertwins.figures.{name}").draw
    with pytest.raises(SystemExit) as stop:
        main(draw, ["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"{table}.csv" in text for table in tables_of(draw))
    if name in ("similarity_vs_chance", "kernel_gallery"):
        assert "--threshold" in text
        assert "(tau)" in text


def test_options_reach_the_figure(small, tmp_path):
    written(small, tmp_path)
    paths = [str(tmp_path / f"{name}.csv") for name in ("clusters", "redundancy")]
    main(similarity_vs_chance.draw, ["--tables", *paths, "--threshold", "0.9", "--output", str(tmp_path / "f")])
    assert "τ = 0.9." in (tmp_path / "f.rst").read_text()


# What is drawn


def test_series_differ_without_colour():
    names = [f"architecture_{i}" for i in range(6)]
    looks = list(series_styles(names).values())
    assert len({look.marker for look in looks}) == 6
    assert len({str(look.linestyle) for look in looks}) == 6
    greys = sorted(np.dot(to_rgb(look.color), (0.299, 0.587, 0.114)) for look in looks[:3])
    assert np.diff(greys).min() > 0.15  # the default study's three differ in a grey print by colour too


def test_a_series_looks_the_same_in_every_figure(small):
    figure, _ = drawn("accuracy_vs_filters", small)
    colors = [handle.get_color() for handle in figure.legends[0].legend_handles[:3]]
    panels = drawn("redundancy_vs_accuracy", small)[0].axes[::2]
    for color, panel in zip(colors, panels, strict=True):
        assert color in {line.get_color() for line in panel.lines}


def test_accuracy_means_are_those_of_the_table(small):
    figure, caption = drawn("accuracy_vs_filters", small)
    runs = small["runs"].query("architecture == 'question'")
    expected = 100 * runs.groupby("filters")["test_accuracy"].mean().to_numpy()
    assert any(same(line.get_ydata(), expected) for line in figure.axes[0].lines)
    assert f"question, {expected[0]:.2f} % at 1 and {expected[-1]:.2f} % at 16;" in caption
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2", "4", "8", "16"]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_reported_band_belongs_to_mnist_alone(small):
    assert "reported, 92 to 93 %" in legend_of(drawn("accuracy_vs_filters", small)[0])
    figure, caption = drawn("accuracy_vs_filters", {"runs": small["runs"].assign(dataset="digits")})
    assert not any("reported" in words for words in legend_of(figure))
    assert "reports" not in caption


def test_the_convex_optimum_is_drawn_without_penalty_and_with_the_best_one_on_the_validation_split(small):
    figure, caption = drawn("accuracy_vs_filters", small)
    for panel in figure.axes:
        for percent in (92.41, 92.66):
            assert any(len(line.get_ydata()) == 2 and np.allclose(line.get_ydata(), percent) for line in panel.lines)
        assert not any(len(line.get_ydata()) == 2 and np.allclose(line.get_ydata(), 90) for line in panel.lines)
    assert {"convex optimum", "convex, penalised"} <= set(legend_of(figure))
    assert "92.41 % at a training loss of 0.2139 nats" in caption
    assert "gradient is 8.7e-07 after 8,123 iterations (converged)" in caption
    assert "0.001, that is best on the validation split: 92.66 %" in caption
    alone = small | {"optimum": small["optimum"].query("penalty == 0").assign(converged=False)}
    figure, caption = drawn("accuracy_vs_filters", alone)
    assert "convex, penalised" not in legend_of(figure)
    assert "(not converged)" in caption
    endless = small | {"optimum": small["optimum"].assign(unbounded=True)}
    assert "there is no minimum" in drawn("accuracy_vs_filters", endless)[1]


def test_an_optimum_is_drawn_when_given_and_needs_a_row_without_penalty(small):
    figure, caption = drawn("accuracy_vs_filters", {"runs": small["runs"]})
    assert "convex optimum" not in legend_of(figure)
    assert "optimum" not in caption
    with pytest.raises(TableError, match=r"0 rows with penalty = 0, expected one; it has: 0\.001, 0\.1"):
        drawn("accuracy_vs_filters", small | {"optimum": small["optimum"].query("penalty > 0")})


def test_the_caption_tells_which_filter_counts_are_equivalent(small):
    caption = drawn("accuracy_vs_filters", small)[1]
    assert "within ± 0.3 percentage points" in caption
    assert "question, 3 of 10 pairs, not shown for 1 and 2 with any more." in caption  # and ReLU is not one model
    one_apart = small["equivalence"].copy()
    one_apart["equivalent"] = (one_apart["filters"] != 1) | (one_apart["other_filters"] != 8)
    assert (
        "9 of 10 pairs, not shown for 1 with 8." in drawn("accuracy_vs_filters", small | {"equivalence": one_apart})[1]
    )
    same = small["equivalence"].assign(equivalent=True)
    assert "question, 10 of 10 pairs." in drawn("accuracy_vs_filters", small | {"equivalence": same})[1]
    assert "question, too few seeds to tell." in drawn("accuracy_vs_filters", study(seeds=2))[1]
    for nothing in (small["equivalence"].iloc[:0], small["equivalence"].query("activation == 'relu'")):
        assert "quivalent" not in drawn("accuracy_vs_filters", small | {"equivalence": nothing})[1]


def test_linear_architectures_have_a_panel_of_their_own_beside_others(small):
    whole, zoom = drawn("accuracy_vs_filters", small)[0].axes
    assert np.diff(zoom.get_ylim()) < np.diff(whole.get_ylim())
    for name in ("question", "relu_5x5"):
        alone = {
            table: rows[rows.get("architecture", name) == name] for table, rows in small.items() if table != "optimum"
        }
        figure, caption = drawn("accuracy_vs_filters", alone)
        assert len(figure.axes) == 1
        assert "Lower panel" not in caption


def test_filter_counts_that_are_close_leave_each_other_room():
    assert accuracy_vs_filters.rooms([64, 100, 128, 1, 1]) == pytest.approx(
        {1: 1, 64: np.log2(100 / 64), 100: np.log2(1.28), 128: np.log2(1.28)}
    )
    counts = (1, 64, 100, 128)
    tables = study((*ARCHITECTURES, "question_converged"), counts, seeds=2)
    panel = drawn("accuracy_vs_filters", tables)[0].axes[0]
    lines = [line for line in panel.lines if line.get_linestyle() != "None" and len(line.get_xdata()) == len(counts)]
    joined = [line.get_xdata() for line in lines]
    assert len(joined) == 4
    for places in joined:  # nearer to their own count than to the next
        assert [min(counts, key=lambda count: abs(np.log2(place / count))) for place in places] == list(counts)


def test_intervals_hold_the_mean_and_need_two_seeds(small):
    rows = small["runs"].assign(percent=100 * small["runs"]["test_accuracy"])
    summary = summarise(rows, "percent")
    assert (summary["low"] < summary["mean"]).all()
    assert (summary["mean"] < summary["high"]).all()
    assert whiskers(summary).shape == (2, len(summary))
    assert summarise(rows.query("seed == 0"), "percent")[["low", "high"]].isna().all(axis=None)
    low, high = bootstrap_curves(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]))
    assert low[0] < 1 < high[0]
    assert low[1] == high[1] == 1


def test_excess_is_in_units_of_the_null(small):
    figure, _ = drawn("redundancy_vs_accuracy", small)
    rows = small["redundancy"].query("architecture == 'relu_5x5' and stage == 'trained' and filters > 1")
    expected = (rows["excess"] / rows["null_sd"]).groupby(rows["filters"]).mean().to_numpy()
    panel = figure.axes[5]
    assert any(same(line.get_ydata(), expected) for line in panel.lines)
    assert {text.get_text() for text in panel.texts} == {"2", "4", "8", "16"}


def test_rank_correlation_ignores_what_the_filter_count_explains():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        [(k, seed, k + rng.normal(0, 0.1)) for k in (2, 4, 8) for seed in range(20)],
        columns=["filters", "seed", "x"],
    )
    rows["unrelated"] = rows["filters"] + rng.normal(0, 0.1, len(rows))
    rows["related"] = rows["filters"] - rows["x"]
    correlation = redundancy_vs_accuracy.within_count_correlation
    estimate, low, high = correlation(rows, "x", "unrelated")
    assert low < 0 < high
    assert abs(estimate) < 0.4
    assert correlation(rows, "x", "related") == pytest.approx((-1, -1, -1))
    assert correlation(rows.query("seed < 4"), "x", "related") is None
    assert correlation(rows.assign(same=1.0), "x", "same") is None


def test_similarity_shows_shared_counts_and_the_closed_form_null(full):
    figure, caption = drawn("similarity_vs_chance", full)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 9
    assert [title.split("  ")[1] for title in titles[:3]] == [f"question, {k} filters" for k in (4, 16, 64)]
    chance = figure.axes[1].lines[0]  # three dimensions: the nearest of 15 is below c with probability c^15
    np.testing.assert_allclose(chance.get_ydata(), np.clip(chance.get_xdata(), 0, 1) ** 15, atol=1e-12)
    assert "null in 3 dimensions" in caption
    assert f"question, 64 filters, cosine {0.9 ** (1 / 63):.3f}: " in caption  # as near as one in ten by chance


def test_the_gallery_groups_twins_and_shows_them_with_one_sign():
    edge, blur = np.array([1.0, 0.0, -1.0]), np.array([1.0, 2.0, 1.0])
    kernels = np.array([edge, blur, -2 * edge, 0 * edge, edge * 3, np.array([1.0, -2.0, 1.0])])[:, :, None]
    block = kernel_gallery.arrange(kernels, np.array([0, 1, 0, -1, 0, 2]), sign_matters=False)
    assert block.groups == [1, 1, 1, 0, 0, 0]
    assert np.ptp(block.kernels[:3], axis=0).max() == 0  # scale and sign do not matter
    assert np.abs(block.kernels[:5]).max(axis=(1, 2)) == pytest.approx(1)
    assert not block.kernels[5].any()  # the dead one is last
    signed = kernel_gallery.arrange(kernels, np.array([0, 1, 3, -1, 0, 2]), sign_matters=True)
    assert signed.groups == [1, 1, 0, 0, 0, 0]
    assert any(np.allclose(kernel[:, 0], -edge) for kernel in signed.kernels)  # kept as it is
    assert (kernels[0, :, 0] == edge).all()  # the argument is unchanged


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (5, 5), (7, 7), (2, 2)])
def test_the_lines_of_the_gallery_fit_and_are_of_one_length(shape):
    for count in (1, 2, 16, 35, 36, 37, 38, 64, 100, 107, 128):
        per_line, pixel = kernel_gallery._geometry((count, *shape))
        assert per_line * (shape[1] * pixel + kernel_gallery._GAP_IN) <= kernel_gallery._HALF_IN
        lines = -(-count // per_line)
        assert lines * per_line - count < lines


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_a_reader_needs(full, name):
    _, caption = drawn(name, full)
    seeds = "seed 0" if name == "kernel_gallery" else "5 seeds"
    figure_checks.check_caption(caption, seeds, "interval", *map(display_name, ARCHITECTURES))
    if name not in ("accuracy_vs_filters", "lossless_merge"):
        assert "null" in caption
    if name in ("similarity_vs_chance", "kernel_gallery"):
        assert "τ = 0.95" in caption


def test_a_network_that_learnt_nothing_is_shown_and_named_and_flattens_no_other(small):
    runs = small["runs"].copy()
    first = runs.index[0]
    runs.loc[first, ["test_accuracy", "test_correct"]] = [0.1, int(0.1 * runs.loc[first, "test_images"])]
    figure, caption = drawn("accuracy_vs_filters", small | {"runs": runs})
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    assert low < 10
    places = axes.transData.transform([(1, low), (1, 90), (1, high)])[:, 1]
    assert (places[2] - places[1]) / (places[2] - places[0]) > 0.3  # what lies between 90 % and the best keeps its room
    assert "Below 20 %, near the 10 % of guessing: 1 of" in caption
    assert "Below 20 %" not in drawn("accuracy_vs_filters", small)[1]
