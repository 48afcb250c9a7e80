"""Ctrl-C, once: everything stops within seconds and tidily, and the same command resumes."""

from __future__ import annotations

import ast
import signal
import time

import pytest

from studies import PRUNED

WEIGHTS = "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz"
TABLE = "results/digits/one_fewer.csv"
KEPT = f"{PRUNED}/kept-002_seeds-000-001.csv"
RECORDS = "results/digits/records.json"
COMMAND = ("--cores", "2")
STOPPED_S = 10


@pytest.mark.parametrize(
    ("deleted", "moment", "busy", "group"),
    [
        pytest.param([WEIGHTS, TABLE], "step 100/150", True, True, id="Ctrl-C during a long compiled call"),
        pytest.param(
            [KEPT, "results/digits/pruning.csv"],
            "kept=2 seeds 0-1 step 3/3",
            True,
            True,
            id="Ctrl-C while pruned networks train on",
        ),
        pytest.param([TABLE], TABLE, False, False, id="kill -INT of Snakemake alone during a table write"),
    ],
)
def test_an_interrupt_stops_everything_tidily_and_the_same_command_resumes(
    study, running, deleted, moment, busy, group
):
    undisturbed = study.contents("data", "results", "figures")
    for path in deleted:
        (study.folder / path).unlink()
    before = study.contents("data", "results", "figures")
    run = running(study, *COMMAND, at=moment, busy=busy)
    start_s = time.monotonic()
    run.signal(signal.SIGINT, group=group)
    assert run.process.wait(30) == 1, run.output
    assert time.monotonic() - start_s < STOPPED_S, run.output
    assert run.members() == []
    assert "Traceback" not in run.output
    after = study.contents("data", "results", "figures")
    assert after.keys() == before.keys()  # no temporary file
    assert {path for path in after if after[path] != before[path]} <= {RECORDS}  # which tells of what is there

    study.snakemake(*COMMAND)  # there is no lock to remove
    assert study.contents("data", "results", "figures") == undisturbed


def test_every_script_that_trains_can_be_interrupted_in_compiled_code(root):
    def calls(tree):
        return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    scripts = [ast.parse(path.read_text(encoding="utf-8")) for path in (root / "scripts").glob("*.py")]
    blocks = [node for tree in scripts for node in ast.walk(tree) if isinstance(node, ast.With)]
    guarded = [block for block in blocks if ast.unparse(block.items[0]) == "interrupts_end_at_once()"]
    training, safe = (
        sum(
            ast.unparse(call.func) in ("training.train_chunk", "training.fine_tune")
            for tree in trees
            for call in calls(tree)
        )
        for trees in (scripts, guarded)
    )
    assert training == safe >= 3
