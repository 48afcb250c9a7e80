"""The benchmark, tiny and on digits: everybody trains the same, and the tables say what was measured."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from studies import clean_environment

CONDITIONS = [("question", 3), ("relu_5x5", 2)]
SEEDS, CORES, ROUNDS, STEPS = 2, 2, 2, 110  # longer than a report interval: steps are timed after the first report
TEST_IMAGES = 360
ALWAYS = ["keras", "naive", "project", "limit"]


@pytest.fixture(scope="module")
def bench(root, tmp_path_factory):
    """The folder of a small benchmark's results, and what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    conditions = [f"{name}:{filters}" for name, filters in CONDITIONS]
    command = [sys.executable, str(root / "tools" / "bench" / "run.py"), "--dataset", "digits", "--folder", str(folder)]
    command += ["--conditions", *conditions, "--steps", str(STEPS), "--rounds", str(ROUNDS), "--minutes", "60"]
    command += ["--seeds", str(SEEDS), "--cores", str(CORES)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def tables(bench):
    folder, _ = bench
    return {path.stem: pd.read_csv(path) for path in (folder / "results" / "bench").glob("*.csv")}


def of(rows, competitor, condition=None):
    own = rows[rows["competitor"] == competitor]
    return own if condition is None else own[(own[["architecture", "filters"]] == list(condition)).all(axis=1)]


def test_everybody_has_a_row_for_each_condition(tables):
    for condition in CONDITIONS:
        for competitor in ALWAYS:
            assert len(of(tables["training"], competitor, condition)) == 1, (competitor, condition)
    assert len(of(tables["training"], "limit_layered")) == 1  # of the linear one
    assert (of(tables["training"], "project")["rounds"] == ROUNDS).all()


def test_everybody_who_trains_the_same_gets_the_same_accuracy(tables):
    accuracies = tables["accuracies"]
    longest = accuracies[accuracies["steps"] == STEPS]
    assert len(of(longest, "project", CONDITIONS[0])) == SEEDS * CORES * ROUNDS
    for _, own in longest.groupby(["architecture", "filters", "seed"]):
        assert own["accuracy"].max() - own["accuracy"].min() <= 2 / TEST_IMAGES
    assert longest["accuracy"].min() > 0.4  # and did learn
    assert longest.groupby(["architecture", "seed"]).size().max() > 2
    assert longest.groupby("architecture")["accuracy"].nunique().min() > 1  # seeds differ
    assert of(tables["training"], "naive")["accuracy_difference"].max() <= 2 / TEST_IMAGES


def test_ratios_are_of_one_round_and_the_whole_costs_more_than_its_steps(tables):
    turns = tables["turns"]
    for condition in CONDITIONS:
        keras, project = (of(turns, who, condition).set_index("round")["step_ms"] for who in ("keras", "project"))
        row = of(tables["training"], "project", condition).iloc[0]
        assert row["step_ratio"] == pytest.approx((keras / project).median())
        assert row["step_ratio_least"] == pytest.approx((keras / project).min())
        assert row["step_ratio_most"] == pytest.approx((keras / project).max())
    assert (turns["whole_ms"] > turns["step_ms"]).all()
    networks = turns.groupby("competitor")["networks"].unique()
    assert [*networks["keras"], *networks["naive"], *networks["project"]] == [1, CORES, SEEDS * CORES]


def test_what_is_printed_is_the_table(bench):
    folder, printed = bench
    for name in ("Keras fit", "this project", "limit of the layered form", "times faster than the naive pipeline"):
        assert name in printed
    assert {path.suffix for path in (folder / "figures" / "bench").glob("bench_training.*")} == {
        ".pdf",
        ".png",
        ".rst",
        ".svg",
    }
