"""SIGKILL of everything at the worst moment: after ``--unlock`` the same command finishes, with the same bytes."""

from __future__ import annotations

import signal

import pytest

from studies import PRUNED

WEIGHTS = "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz"
COMMAND = ("--cores", "2")


@pytest.mark.parametrize(
    ("deleted", "moment"),
    [
        pytest.param([WEIGHTS, "results/digits/one_fewer.csv"], "step 100/150", id="during training"),
        pytest.param(
            [
                f"{PRUNED}/importance_seeds-000-001.csv",
                f"{PRUNED}/kept-002_seeds-000-001.csv",
                "results/digits/pruning.csv",
            ],
            "kept=2 seeds 0-1 step 3/3",
            id="while pruned networks train on",
        ),
        pytest.param(["results/digits/runs.csv"], "results/digits/runs.csv", id="during a table write"),
        pytest.param(["figures/digits/twins.pdf"], "figures/digits/twins.svg", id="during a figure write"),
    ],
)
def test_after_a_kill_and_unlock_the_same_command_finishes_with_the_same_bytes(study, running, deleted, moment):
    undisturbed = study.contents("data", "results", "figures")
    for path in deleted:
        (study.folder / path).unlink()
    run = running(study, *COMMAND, at=moment)
    run.signal(signal.SIGKILL, group=True)
    run.process.wait()
    assert run.process.returncode == -signal.SIGKILL
    assert study.contents("data", "results", "figures") != undisturbed

    assert "--unlock" in study.snakemake(*COMMAND, exit_code=1)
    study.snakemake("--unlock")
    study.snakemake(*COMMAND)
    assert study.contents("data", "results", "figures") == undisturbed
    assert "Nothing to be done" in study.snakemake(*COMMAND)
