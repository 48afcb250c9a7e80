"""Training that diverges: its job fails and says where; the others go on."""

from __future__ import annotations

import re

from filtertwins.files import read_csv


def test_a_diverging_run_fails_its_job_by_seed_and_step_and_the_others_finish(study):
    wild = {
        "kernel": [3, 1],
        "activation": "relu",
        "learning_rate": 1.0e30,
        "batch": 64,
        "steps": 6,
        "filters": [16],  # the largest, so that it is trained first
    }
    study.configure("wild.yaml", {"architectures": {"wild": wild, "relu_5x5": {"filters": [2, 3]}}})
    output = study.snakemake("--cores", "1", "--keep-going", exit_code=1)
    weights = study.folder / "results" / "digits" / "weights"
    assert re.search("wild filters=16: training diverged: seed 0, step [0-9]", output), output
    assert "Traceback" not in output
    assert (weights / "relu_5x5" / "filters-003_seeds-000-001.npz").is_file()
    assert not list((weights / "wild").glob("*"))
    assert "wild" not in set(read_csv(study.folder / "results" / "digits" / "runs.csv")["architecture"])
