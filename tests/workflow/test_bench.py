"""The benchmark, tiny and on digits: everybody trains the same, and the tables say what was measured."""

from __future__ import annotations

import os
import subprocess
import sys

import pandas as pd
import pytest

from studies import clean_environment

CONDITIONS = [("question", 3), ("relu_5x5", 2)]
ROUNDS, SEEDS = 2, 10
TEST_IMAGES = 360


def of(rows, competitor, condition=None):
    own = rows[rows["competitor"] == competitor]
    return own if condition is None else own[(own[["architecture", "filters"]] == list(condition)).all(axis=1)]


def test_everybody_trains_the_same_and_the_tables_say_what_was_measured(root, tmp_path):
    conditions = [f"{name}:{filters}" for name, filters in CONDITIONS]
    command = [sys.executable, root / "tools" / "bench" / "run.py", "--dataset", "digits"]
    command += ["--conditions", *conditions, "--rounds", ROUNDS, "--minutes", 60]
    environment = clean_environment()
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    training, turns = (pd.read_csv(tmp_path / "results" / "bench" / f"{name}.csv") for name in ("training", "turns"))

    for condition in CONDITIONS:
        for competitor in ("keras_fit", "naive", "project", "limit"):
            assert len(of(training, competitor, condition)) == 1, (competitor, condition)
    assert (of(training, "project")["rounds"] == ROUNDS).all()

    assert training["accuracy_difference"].max() <= 2 / TEST_IMAGES
    whole = turns[turns["competitor"].isin(["keras_fit", "naive", "project"])]
    assert whole["accuracy"].min() > 0.4  # and did learn
    assert whole.groupby("architecture")["accuracy"].nunique().min() > 1  # seeds differ

    for condition in CONDITIONS:  # a ratio is of one round
        keras, project = (of(turns, who, condition).set_index("round")["step_ms"] for who in ("keras_fit", "project"))
        row, ratios = of(training, "project", condition).iloc[0], keras / project
        measured = [row["step_ratio_least"], row["step_ratio"], row["step_ratio_most"]]
        assert measured == pytest.approx([ratios.min(), ratios.median(), ratios.max()])
    assert (turns["whole_ms"] > turns["step_ms"]).all()  # the whole costs more than its steps
    networks, cores = turns.groupby("competitor")["networks"].unique(), len(os.sched_getaffinity(0))
    assert [*networks["keras_fit"], *networks["naive"], *networks["project"]] == [1, cores, SEEDS * cores]

    for name in ("Keras fit", "naive pipeline", "this project", "limit", "GFLOP/s"):
        assert name in done.stdout
