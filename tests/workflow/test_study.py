"""The whole study runs, leaves every file, and then has nothing to do."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from filtertwins.files import read_csv
from studies import Study, copy_of_tree

SEEDS, STAGES = 2, 2
CONDITIONS = {("question", 1), ("question", 2), ("question", 3), ("relu_5x5", 2)}
OF_EXPERIMENTS = {
    ("twins/linear_sgd", 2),
    ("twins/relu_dropout", 2),
    ("planted/linear_keras", 2),
    ("replanted/relu_5x5", 2),
    ("condensation/linear", 3),
    ("kernel_shapes/linear_5x5", 2),
    ("one_fewer/relu_momentum", 2),
    ("controls/frozen", 2),
    ("controls/shuffled", 2),
    ("preventers/orthogonality_1", 2),
    ("exact_reading/question_epochs", 1),
    ("exact_reading/question_epochs", 2),
    ("depth/two_layers", 2),
    ("depth/half_siblings", 2),
    ("shared_seeds/shared_batches", 2),
    ("shared_seeds/shared_draw", 2),
    ("pruning/question_3_to_2", 2),
}
SNAPSHOTS = 7  # of six steps, the first one before them
FILTERS = sum(filters for _, filters in CONDITIONS)
RUN = ["dataset", "architecture", "filters", "seed"]
ROWS = {  # of each table: its key, and how many rows it has
    "runs": (RUN, len(CONDITIONS) * SEEDS),
    "redundancy": ([*RUN, "stage"], len(CONDITIONS) * SEEDS * STAGES),
    "near_duplicates": ([*RUN, "stage", "threshold"], len(CONDITIONS) * SEEDS * STAGES * 13),
    "clusters": ([*RUN, "stage", "filter"], FILTERS * SEEDS * STAGES),
    "functional": ([*RUN, "stage"], len(CONDITIONS) * SEEDS * STAGES),
    "kernels": ([*RUN, "stage", "filter", "row", "column"], STAGES * (2 * 3 + 2 * 25)),
    "merging": ([*RUN, "filters_kept"], SEEDS * (1 + 2 + 3)),  # of `question`: at most as many as were trained
    "strangers": (["architecture", "filters", "stage"], 3 * STAGES),
    "strangers_by_threshold": (["architecture", "filters", "stage", "share"], 3 * STAGES * 6),
    "excess": (["architecture", "filters"], 4),  # those of several filters
    "optimum": (["penalty"], 3),
    "twins": ([*RUN, "epsilon", "step"], 2 * SEEDS * 2 * SNAPSHOTS),
    "planted": ([*RUN, "step"], SEEDS * SNAPSHOTS),
    "replanted": ([*RUN, "second_filter"], SEEDS * 2),
    "condensation": ([*RUN, "scale", "step"], SEEDS * 2 * SNAPSHOTS),
    "kernel_shapes": ([*RUN, "stage"], SEEDS * STAGES),
    "one_fewer": ([*RUN, "second_filter"], SEEDS * 3),
    "removal": ([*RUN, "filter"], SEEDS * (2 + 2)),
    "removal_correlations": (RUN, SEEDS * 2),
    "controls": (RUN, SEEDS * 2),
    "preventers": (RUN, SEEDS * 2),
    "preventers_strangers": (["architecture", "filters", "stage"], 2 * STAGES),
    "exact_reading": (RUN, SEEDS * 2),
    "depth": ([*RUN, "stage", "layer"], 2 * 2 * SEEDS * STAGES),
    "depth_strangers": (["architecture", "filters", "stage", "layer"], (2 + 1) * STAGES),  # half-siblings share one
    "shared_seeds": (["architecture", "filters", "stage"], 2 * STAGES),
    "importance": ([*RUN, "criterion", "filter"], SEEDS * 7 * (3 + 2)),
    "criteria": ([*RUN, "criterion", "other"], SEEDS * 2 * 21),
    "pruning": ([*RUN, "method", "kept", "fine_tuning_steps"], SEEDS * 2 * 2 * (8 + 1)),
    "pruning_longer": ([*RUN, "kept", "fine_tuning_steps"], SEEDS * 2),
    "from_scratch": ([*RUN, "kept", "budget"], SEEDS * 3),
    "small_or_pruned": (
        ["architecture", "kept", "budget", "method"],
        2 * 9 + 1,
    ),  # at matched convergence only the chosen method
    "obd": ([*RUN, "ranking", "share"], SEEDS * 2 * 2),
    "cost": (["architecture", "kept", "batch", "round"], 4 * 2 * 20),
    "runs_means": (["architecture", "filters", "measure"], len(CONDITIONS)),
}
FIGURES = (
    *("accuracy_vs_filters", "redundancy_vs_accuracy", "similarity_vs_chance", "excess_over_chance", "kernel_gallery"),
    *("controls", "strangers", "functional", "twins", "twins_bound", "condensation", "one_fewer", "preventers"),
    *("depth", "lossless_merge", "removal"),
    *("pruning", "criteria", "cost", "small_or_pruned", "obd"),
)


@pytest.fixture(scope="module")
def tables(finished_study):
    study, _ = finished_study
    return {path.stem: read_csv(path) for path in (study.folder / "results" / "digits").glob("*.csv")}


@pytest.fixture(scope="module")
def described(root):
    """The columns that docs/tables.md describes, by table; those of several tables under None."""
    columns = {}
    for section in (root / "docs" / "tables.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        found = re.findall("`([a-z_0-9]+)`", " ".join(re.findall(r"^- (.*?): ", body, re.MULTILINE)))
        names = [None] if title == "In several tables" else title.split(", ")
        assert len(found) == len(set(found)), title
        columns |= {name: set(found) for name in names}
    for name in ("", "_near_duplicates", "_clusters", "_functional"):
        for experiment in ("kernel_shapes", "depth"):
            columns[f"{experiment}{name}"] = columns[name.removeprefix("_") or "redundancy"]
    return columns


def test_the_whole_study_leaves_every_table_figure_and_network_and_nothing_partial(finished_study, described):
    study, _ = finished_study
    results = study.folder / "results" / "digits"
    assert {path.stem for path in results.glob("*.csv")} == described.keys() - {None}
    figures = {path.name for path in (study.folder / "figures" / "digits").iterdir()}
    assert figures == {f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "svg", "png", "rst")}
    weights = {path.relative_to(results / "weights").as_posix() for path in results.rglob("*.npz")}
    assert weights == {
        f"{name}/filters-{filters:03d}_seeds-000-001.npz" for name, filters in CONDITIONS | OF_EXPERIMENTS
    }
    assert not [path for path in study.folder.rglob("*") if path.name.endswith(".filtertwins-tmp")]


def test_the_run_ends_with_the_summary_and_the_claims_of_which_none_is_decided(finished_study, tables):
    study, output = finished_study
    summary, claims = (
        (study.folder / "results" / "digits" / f"{name}.txt").read_text(encoding="utf-8")
        for name in ("summary", "claims")
    )
    assert summary in output
    assert claims in output
    assert summary.startswith("No two filters end up the same: of 10 pairs in 6 trained networks")
    assert "The answer as a page: results/digits/answer.html" in output
    assert len(tables["claims"]) >= 10
    assert (tables["claims"]["verdict"] == "inconclusive").all()


def test_no_line_of_a_run_buries_its_answer(finished_study):
    study, output = finished_study
    (log,) = (study.folder / ".snakemake" / "log").glob("*.log")
    for text in (output, log.read_text(encoding="utf-8")):
        assert "Reason:" not in text
        assert re.search(r"^Job \d+: train question with 1, 2, 3 filters", text, re.MULTILINE)


def test_every_column_of_every_table_is_described_and_no_other(tables, described):
    for name, table in tables.items():
        assert not set(table.columns) - described[name] - described[None], name
        assert not described[name] - set(table.columns), name


def test_tables_have_one_row_for_each_of_their_units(tables):
    for name, (key, rows) in ROWS.items():
        assert len(tables[name]) == rows, name
        assert not tables[name].duplicated(key).any(), name


def test_tables_tell_what_was_trained(tables):
    runs = tables["runs"]
    assert set(zip(runs["architecture"], runs["filters"], strict=True)) == CONDITIONS
    assert (runs["steps"] == 6).all()
    pd.testing.assert_series_equal(runs["test_accuracy"], runs["test_correct"] / 360, check_names=False)
    question = runs[runs["architecture"] == "question"]
    # kernel 3x1 on 28x28 images gives 26 x 28 positions; a head of 10 classes
    expected = question["filters"] * (3 + 1) + 26 * 28 * question["filters"] * 10 + 10
    assert (question["parameters"] == expected).all()

    into_two = tables["merging"].query("filters_kept >= 2")  # a linear network merges without loss
    assert (into_two["largest_logit_change"] < 1e-9).all()
    assert (into_two["changed_predictions"] == 0).all()

    twins = tables["twins"].query("epsilon == 0")  # twins stay twins without dropout
    assert twins.query("dropout == 0")["equal"].all()
    assert not twins.query("dropout > 0 and step > 0")["equal"].any()


def test_a_second_run_does_nothing_and_a_figure_drawn_again_has_the_same_bytes(study):
    assert "Nothing to be done" in study.snakemake("--cores", "2")
    before = study.contents("figures")
    for suffix in ("pdf", "svg", "png"):
        (study.folder / "figures" / "digits" / f"controls.{suffix}").unlink()
    study.snakemake("figures", "--cores", "2")
    assert study.contents("figures") == before


def test_the_report_of_a_study_in_another_folder_has_its_captions(study, root, tmp_path):
    """Snakemake runs in one clone, with captions of its own; the study is in another folder."""
    main = tmp_path / "main"
    copy_of_tree(root, main)
    for folder, text in ((study.folder, "Of the study."), (main, "Of the main folder.")):
        captions = folder / "figures" / "digits"
        captions.mkdir(parents=True, exist_ok=True)
        for name in FIGURES:
            (captions / f"{name}.rst").write_text(text, encoding="utf-8")
    overlays = tuple(str(study.folder / overlay) for overlay in study.overlays)
    report = tmp_path / "report.html"
    Study(main, overlays).snakemake("--directory", str(study.folder), "--report", str(report))
    text = report.read_text(encoding="utf-8")
    assert "Of the study." in text
    assert "Of the main folder." not in text
    categories = ("1 Answer", "2 More filters", "3 More than chance?", "4 What keeps filters apart", "7 Tables")
    assert all(f'"{category}"' in text for category in categories)
