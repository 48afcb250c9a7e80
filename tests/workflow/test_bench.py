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


def of(rows, competitor, condition=None):
    own = rows[rows["competitor"] == competitor]
    return own if condition is None else own[(own[["architecture", "filters"]] == list(condition)).all(axis=1)]


def test_everybody_trains_the_same_and_the_tables_say_what_was_measured(root, tmp_path):
    conditions = [f"{name}:{filters}" for name, filters in CONDITIONS]
    command = [sys.executable, root / "tools" / "bench" / "run.py", "--dataset", "digits", "--folder", tmp_path]
    command += ["--conditions", *conditions, "--steps", STEPS, "--rounds", ROUNDS, "--minutes", 60]
    command += ["--seeds", SEEDS, "--cores", CORES]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=clean_environment(), timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = {path.stem: pd.read_csv(path) for path in (tmp_path / "results" / "bench").glob("*.csv")}
    training, accuracies, turns = (tables[name] for name in ("training", "accuracies", "turns"))

    for condition in CONDITIONS:
        for competitor in ("keras", "naive", "project", "limit"):
            assert len(of(training, competitor, condition)) == 1, (competitor, condition)
    assert len(of(training, "limit_layered")) == 1  # only the linear network has this one
    assert (of(training, "project")["rounds"] == ROUNDS).all()

    longest = accuracies[accuracies["steps"] == STEPS]
    assert len(of(longest, "project", CONDITIONS[0])) == SEEDS * CORES * ROUNDS
    for _, own in longest.groupby(["architecture", "filters", "seed"]):
        assert own["accuracy"].max() - own["accuracy"].min() <= 2 / TEST_IMAGES
    assert longest["accuracy"].min() > 0.4  # and did learn
    assert longest.groupby("architecture")["accuracy"].nunique().min() > 1  # seeds differ
    assert of(training, "naive")["accuracy_difference"].max() <= 2 / TEST_IMAGES

    for condition in CONDITIONS:  # a ratio is of one round
        keras, project = (of(turns, who, condition).set_index("round")["step_ms"] for who in ("keras", "project"))
        row, ratios = of(training, "project", condition).iloc[0], keras / project
        measured = [row["step_ratio_least"], row["step_ratio"], row["step_ratio_most"]]
        assert measured == pytest.approx([ratios.min(), ratios.median(), ratios.max()])
    assert (turns["whole_ms"] > turns["step_ms"]).all()  # the whole costs more than its steps
    networks = turns.groupby("competitor")["networks"].unique()
    assert [*networks["keras"], *networks["naive"], *networks["project"]] == [1, CORES, SEEDS * CORES]

    for name in ("Keras fit", "this project", "limit of the layered form", "times faster than the naive pipeline"):
        assert name in done.stdout
    drawn = {path.suffix for path in (tmp_path / "figures" / "bench").glob("bench_training.*")}
    assert drawn >= {".pdf", ".png", ".svg"}
