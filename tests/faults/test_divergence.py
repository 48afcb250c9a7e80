"""Training that diverges: its job fails and says where; the others go on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from filtertwins.files import read_csv
from filtertwins.networks.weights import load_chunk, save_chunk
from studies import run_job

WEIGHTS = "results/digits/weights/question/filters-003_seeds-000-001.npz"
HUGE = {"learning_rate": 1.0e30}


def test_a_diverging_run_fails_its_job_by_seed_and_step_and_the_others_finish(study):
    wild = {
        "kernel": [3, 1],
        "activation": "relu",
        "batch": 64,
        "steps": 6,
        "filters": [16],  # the largest, so that it is trained first
    } | HUGE
    study.configure("wild.yaml", {"architectures": {"wild": wild, "relu_5x5": {"filters": [2, 3]}}})
    output = study.snakemake("--cores", "1", "--keep-going", exit_code=1)
    weights = study.folder / "results" / "digits" / "weights"
    assert re.search("wild filters=16: training diverged: seed 0, step [0-9]", output), output
    assert "Traceback" not in output
    assert (weights / "relu_5x5" / "filters-003_seeds-000-001.npz").is_file()
    assert not list((weights / "wild").glob("*"))
    assert "wild" not in set(read_csv(study.folder / "results" / "digits" / "runs.csv")["architecture"])


@pytest.fixture
def wild_chunk(finished_study, tmp_path):
    """Networks that were trained well, but would be trained on at a huge rate."""
    study, _ = finished_study
    chunk = load_chunk(study.folder / WEIGHTS)
    chunk = replace(chunk, condition={**chunk.condition, "model": chunk.condition["model"] | HUGE})
    save_chunk(chunk, tmp_path / "wild.npz")
    return tmp_path / "wild.npz", chunk.condition


@pytest.mark.parametrize(
    ("script", "steps"),  # The first step ruins the weights; the loss tells at the second, if there is one.
    [("train_networks", 1), ("train_networks", 3), ("prune_filters", 1), ("delete_weights", 3)],
)
def test_all_that_is_trained_fails_by_seed_and_step_and_writes_nothing(
    finished_study, wild_chunk, tmp_path, script, steps
):
    study, _ = finished_study
    chunk, condition = wild_chunk
    output = tmp_path / "output.npz"
    job = {
        "train_networks": {
            "params": {
                "families": [[condition | {"model": condition["model"] | {"steps": steps}, "snapshots": 2}]],
                "code": "",
            }
        },
        "prune_filters": {
            "input": {"chunk": chunk},
            "params": {"condition": condition, "criteria": ["l1"], "methods": ["l1", "cosine_merge"], "images": 10}
            | {"kept": [2], "steps": steps, "longer": {"kept": [], "steps": []}},
        },
        "delete_weights": {
            "input": {"chunks": [chunk]},
            "params": {"conditions": [condition], "shares": [0.5], "images": 10, "steps": steps},
        },
    }[script]
    inputs = job.get("input", {}) | {"dataset": study.dataset}
    done, log = run_job(script, **job | {"input": inputs, "output": [output]})
    assert done.returncode == 1
    last = log.splitlines()[-1]
    assert re.match(rf"error: question filters=3.*: training diverged: seed 0, step {min(steps, 2)}: loss is", last)
    assert "Traceback" not in log + done.stderr
    assert not output.exists()
