"""The whole study runs, leaves every file, and then has nothing to do."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from filtertwins.files import read_csv

SEEDS, STAGES = 2, 2
CONDITIONS = {("question", 1), ("question", 2), ("question", 3), ("relu_5x5", 2)}
FILTERS = sum(filters for _, filters in CONDITIONS)
RUN = ["dataset", "architecture", "filters", "seed"]
# Of the design's columns of runs.csv, `seconds` is left out: it would differ from run to run; benchmarks/ has it.
COLUMNS = {
    "runs": "dataset architecture kernel_height kernel_width activation filters seed steps parameters train_loss"
    " test_loss test_accuracy test_correct test_images",
    "redundancy": "dataset architecture filters seed stage dimension equivalence exact_duplicate_pairs"
    " near_duplicate_pairs mean_nearest_cosine max_cosine clusters redundant_filters effective_rank stable_rank"
    " participation_ratio null_mean_nearest_cosine null_sd excess p_value",
    "near_duplicates": "dataset architecture filters seed stage threshold pairs fraction null_fraction",
    "clusters": "dataset architecture filters seed stage filter cluster nearest_filter nearest_cosine",
    "kernels": "dataset architecture filters seed stage filter row column weight",
    "merging": "dataset architecture activation filters seed filters_kept largest_logit_change changed_predictions"
    " accuracy_before accuracy_after images",
}


@pytest.fixture
def tables(finished_study):
    study, _ = finished_study
    return {path.stem: read_csv(path) for path in (study.folder / "results" / "digits").glob("*.csv")}


def plot_rules(root):
    return sorted(path.stem for path in (root / "scripts").glob("plot_*.py"))


def test_the_whole_study_leaves_every_table_figure_and_summary(finished_study, root):
    study, _ = finished_study
    results = study.folder / "results" / "digits"
    figures = {path.name for path in (study.folder / "figures" / "digits").iterdir()}
    assert {path.stem for path in results.glob("*.csv")} == set(COLUMNS)
    assert (results / "summary.txt").is_file()
    names = [rule.removeprefix("plot_") for rule in plot_rules(root)]
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("pdf", "svg", "png", "rst")}
    weights = {path.relative_to(results / "weights").as_posix() for path in results.rglob("*.npz")}
    assert weights == {f"{name}/filters-{filters:03d}_seeds-000-001.npz" for name, filters in CONDITIONS}


def test_the_run_ends_with_the_summary(finished_study):
    study, output = finished_study
    summary = (study.folder / "results" / "digits" / "summary.txt").read_text(encoding="utf-8")
    assert summary in output
    assert "8 networks, 2 seeds of each condition" in summary
    assert "in 10 pairs of filters" in summary


def test_nothing_partial_stays_behind(finished_study):
    study, _ = finished_study
    leftovers = [path for path in study.folder.rglob("*") if path.name.endswith(".filtertwins-tmp")]
    assert not leftovers


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_their_columns(tables, name):
    assert not set(COLUMNS[name].split()) - set(tables[name].columns)


@pytest.mark.parametrize(
    ("name", "key", "rows"),
    [
        ("runs", RUN, len(CONDITIONS) * SEEDS),
        ("redundancy", [*RUN, "stage"], len(CONDITIONS) * SEEDS * STAGES),
        ("near_duplicates", [*RUN, "stage", "threshold"], len(CONDITIONS) * SEEDS * STAGES * 13),
        ("clusters", [*RUN, "stage", "filter"], FILTERS * SEEDS * STAGES),
        ("kernels", [*RUN, "stage", "filter", "row", "column"], STAGES * (2 * 3 + 2 * 25)),
        ("merging", [*RUN, "filters_kept"], SEEDS * (1 + 2 + 3)),  # of `question`: at most as many as were trained
    ],
)
def test_tables_have_one_row_for_each_of_their_units(tables, name, key, rows):
    assert len(tables[name]) == rows
    assert not tables[name].duplicated(key).any()


def test_runs_tell_what_was_trained(tables):
    runs = tables["runs"]
    assert set(zip(runs["architecture"], runs["filters"], strict=True)) == CONDITIONS
    assert (runs["dataset"] == "digits").all()
    assert (runs["steps"] == 6).all()
    assert (runs["test_images"] == 360).all()
    pd.testing.assert_series_equal(runs["test_accuracy"], runs["test_correct"] / 360, check_names=False)
    question = runs[runs["architecture"] == "question"]
    # kernel 3x1 on 28x28 images gives 26 x 28 positions; a head of 10 classes
    expected = question["filters"] * (3 + 1) + 26 * 28 * question["filters"] * 10 + 10
    assert (question["parameters"] == expected).all()


def test_a_linear_network_merges_without_loss(tables):
    merging = tables["merging"]
    assert set(merging["architecture"]) == {"question"}
    into_two = merging[merging["filters_kept"] >= 2]
    assert (into_two["largest_logit_change"] < 1e-9).all()
    assert (into_two["changed_predictions"] == 0).all()


def test_a_second_run_does_nothing_and_is_quick(study, cpu_seconds):
    output = study.snakemake("--cores", "2")
    assert "Nothing to be done" in output
    assert cpu_seconds() < 5


def test_figures_are_redrawn_to_the_byte_without_tensorflow(study, root, cpu_seconds):
    before = study.contents("figures")
    results = study.contents("results")
    for name in ("tensorflow", "keras"):  # in front of the installed ones, for every script
        (study.folder / "src" / name).mkdir()
        (study.folder / "src" / name / "__init__.py").write_text("raise ImportError('poisoned')\n")
    script = f"import sys; sys.path.insert(0, {str(study.folder / 'src')!r}); import filtertwins.training"
    poisoned = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "poisoned" in poisoned.stderr

    for path in (study.folder / "figures" / "digits").iterdir():
        path.write_bytes(b"to be redrawn")
    study.snakemake("figures", "--cores", "2", "--forcerun", *plot_rules(root))
    assert cpu_seconds() < 20
    assert study.contents("figures") == before
    assert study.contents("results") == results
