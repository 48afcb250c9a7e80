"""A study stopped at the worst moment: the same command, after a kill and ``--unlock``, makes the same bytes."""

from __future__ import annotations

import ast
import signal

import pytest

from studies import PRUNED

WEIGHTS = "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz"
TRAINING = [WEIGHTS, "results/digits/one_fewer.csv"]
PRUNING = [PRUNED, "results/digits/pruning.csv"]
TABLE = ["results/digits/runs.csv", "results/digits/runs_means.csv"]
COMMAND = ("--cores", "2")


@pytest.mark.parametrize(
    ("deleted", "moment"),
    [
        pytest.param(TRAINING, "step 100/150", id="during training"),
        pytest.param(PRUNING, "kept=2 seeds 0-1 step 3/3", id="while pruned networks train on"),
        pytest.param(TABLE, "results/digits/runs.csv", id="during a table write"),
        pytest.param(["figures/digits/twins.pdf"], "figures/digits/twins.svg", id="during a figure write"),
    ],
)
def test_after_a_kill_and_unlock_the_same_command_finishes_with_the_same_bytes(study, running, deleted, moment):
    undisturbed = study.contents("data", "results", "figures")
    for path in deleted:
        (study.folder / path).unlink()
    run = running(study, *COMMAND, at=moment)
    run.signal(signal.SIGKILL)
    assert run.process.wait() == -signal.SIGKILL
    assert "--unlock" in study.snakemake(*COMMAND, exit_code=1)
    study.snakemake("--unlock")
    study.snakemake(*COMMAND)
    assert study.contents("data", "results", "figures") == undisturbed


@pytest.mark.parametrize(
    ("deleted", "moment", "busy"),
    [
        pytest.param(TRAINING, "step 100/150", True, id="during a long compiled call"),
        pytest.param(TABLE, "results/digits/runs.csv", False, id="during a table write"),
    ],
)
def test_ctrl_c_stops_everything_tidily_and_the_same_command_resumes(study, running, deleted, moment, busy):
    undisturbed = study.contents("data", "results", "figures")
    for path in deleted:
        (study.folder / path).unlink()
    run = running(study, *COMMAND, at=moment, busy=busy)
    run.signal(signal.SIGINT)
    assert run.process.wait(60) == 1, run.output
    assert run.members() == []
    assert "Traceback" not in run.output
    left = study.contents("data", "results", "figures")
    assert left.items() < undisturbed.items()  # no temporary file, and nothing half-written
    study.snakemake(*COMMAND)  # there is no lock to remove
    assert study.contents("data", "results", "figures") == undisturbed


def test_every_script_that_trains_can_be_interrupted_in_compiled_code(root):
    scripts = [ast.parse(path.read_text(encoding="utf-8")) for path in (root / "scripts").glob("*.py")]
    blocks = [node for tree in scripts for node in ast.walk(tree) if isinstance(node, ast.With)]
    guarded = [block for block in blocks if ast.unparse(block.items[0]) == "interrupts_end_at_once()"]
    training, safe = (
        [
            node
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("training.train_chunks", "training.fine_tune")
        ]
        for trees in (scripts, guarded)
    )
    assert len(training) == len(safe) >= 3
