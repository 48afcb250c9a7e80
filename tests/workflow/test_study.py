"""The whole study runs, leaves every file, and then has nothing to do."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from filtertwins.files import read_csv

SEEDS, STAGES = 2, 2
CONDITIONS = {("question", 1), ("question", 2), ("question", 3), ("relu_5x5", 2)}
OF_EXPERIMENTS = {
    ("twins/linear_sgd", 2),
    ("twins/relu_dropout", 2),
    ("condensation/linear", 3),
    ("kernel_shapes/linear_5x5", 2),
    ("one_fewer/relu_momentum", 2),
    ("controls/frozen", 2),
    ("controls/shuffled", 2),
    ("pruning/question_3_to_2", 2),
}
SNAPSHOTS = 7  # of six steps, the first one before them
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
    "excess": "dataset architecture kernel_height kernel_width activation filters dimension equivalence"
    " mean_nearest_cosine initial_excess redrawn_excess isotropic_excess redrawn_low redrawn_high redrawn_p_value"
    " redrawn_p_fdr n",
    "excess_by_threshold": "dataset architecture filters threshold fraction null_fraction excess low high p_fdr n",
    "claims": "claim said_by statement verdict effect low high unit p_value n figure finding",
    "optimum": "dataset penalty iterations gradient_norm converged train_loss test_loss test_accuracy test_images",
    "equivalence": "dataset architecture filters other_filters difference low high margin p_holm equivalent n",
    "twins": "dataset architecture activation optimizer dropout filters seed second_filter epsilon step separation"
    " outgoing_separation equal cosine bound",
    "condensation": "dataset architecture activation filters seed scale step mean_cosine isotropic_mean_cosine",
    "kernel_shapes": "dataset architecture kernel_height kernel_width activation filters seed stage excess p_value",
    "kernel_shapes_near_duplicates": "dataset architecture filters seed stage threshold pairs fraction null_fraction",
    "kernel_shapes_clusters": "dataset architecture filters seed stage filter cluster nearest_filter nearest_cosine",
    "one_fewer": "dataset architecture activation filters seed second_filter train_loss test_accuracy twins_equal",
    "removal": "dataset architecture activation filters seed filter nearest_cosine near_duplicate never_active loss"
    " loss_increase accuracy accuracy_decrease images",
    "controls": "dataset architecture activation filters seed train_loss test_accuracy mean_nearest_cosine excess",
    "importance": "dataset architecture filters seed criterion filter importance",
    "criteria": "dataset architecture filters seed criterion other rank_correlation",
    "pruning": "dataset architecture activation filters seed method kept fine_tuning_steps validation_loss"
    " validation_accuracy test_loss test_accuracy test_correct test_images",
    "from_scratch": "dataset architecture activation filters kept seed budget steps validation_loss"
    " validation_accuracy test_loss test_accuracy test_correct test_images",
    "small_or_pruned": "dataset architecture activation filters kept budget method difference low high margin p_value"
    " p_holm equivalent n selected",
    "obd": "dataset architecture activation filters seed ranking share deleted parameters predicted_increase"
    " predicted_increase_1990 actual_increase loss test_accuracy test_accuracy_retrained retraining_steps",
    "cost": "dataset architecture activation filters kept parameters bytes convolution_macs dense_macs batch round"
    " latency_s",
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
    assert weights == {
        f"{name}/filters-{filters:03d}_seeds-000-001.npz" for name, filters in CONDITIONS | OF_EXPERIMENTS
    }


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
        ("excess", ["architecture", "filters"], 4),  # those of several filters
        ("excess_by_threshold", ["architecture", "filters", "threshold"], 4 * 13),
        ("optimum", ["penalty"], 3),
        ("equivalence", ["architecture", "filters", "other_filters"], 3),
        ("twins", [*RUN, "epsilon", "step"], 2 * SEEDS * 2 * SNAPSHOTS),
        ("condensation", [*RUN, "scale", "step"], SEEDS * 2 * SNAPSHOTS),
        ("kernel_shapes", [*RUN, "stage"], SEEDS * STAGES),
        ("one_fewer", [*RUN, "second_filter"], SEEDS * 3),
        ("removal", [*RUN, "filter"], SEEDS * (2 + 2)),
        ("controls", RUN, SEEDS * 2),
        ("importance", [*RUN, "criterion", "filter"], SEEDS * 7 * (3 + 2)),
        ("criteria", [*RUN, "criterion", "other"], SEEDS * 2 * 21),
        ("pruning", [*RUN, "method", "kept", "fine_tuning_steps"], SEEDS * 2 * 2 * (8 + 1)),
        ("from_scratch", [*RUN, "kept", "budget"], SEEDS * 2),
        ("small_or_pruned", ["architecture", "kept", "budget", "method"], 2 * 8),
        ("obd", [*RUN, "ranking", "share"], SEEDS * 2 * 2),
        ("cost", ["architecture", "kept", "batch", "round"], 4 * 2 * 20),
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


def test_twins_planted_in_the_workflow_stay_twins_without_dropout(tables):
    twins = tables["twins"].query("epsilon == 0")
    plain, dropped = twins.query("dropout == 0"), twins.query("dropout > 0 and step > 0")
    assert plain["equal"].all()
    assert plain["bound"].eq(0).all()
    assert not dropped["equal"].any()


def test_with_two_seeds_no_claim_is_decided(finished_study, tables):
    study, output = finished_study
    assert len(tables["claims"]) >= 10
    assert (tables["claims"]["verdict"] == "inconclusive").all()
    claims = (study.folder / "results" / "digits" / "claims.txt").read_text(encoding="utf-8")
    assert claims in output
    assert f"0 supported, 0 refuted, {len(tables['claims'])} inconclusive" in claims


def test_a_second_run_does_nothing(study):
    assert "Nothing to be done" in study.snakemake("--cores", "2")


def test_figures_are_redrawn_to_the_byte_without_tensorflow(study, root):
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
    assert study.contents("figures") == before
    assert study.contents("results") == results
