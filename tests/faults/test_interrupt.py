"""Ctrl-C, once: everything stops within seconds and tidily, and the same command resumes."""

from __future__ import annotations

import signal
import time

import pytest

WEIGHTS = "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz"
TABLE = "results/digits/one_fewer.csv"
RECORDS = "results/digits/records.json"
COMMAND = ("--cores", "2")
STOPPED_S = 10


@pytest.mark.parametrize(
    ("deleted", "moment", "busy", "group"),
    [
        pytest.param([WEIGHTS, TABLE], "step 100/150", True, True, id="Ctrl-C during a long compiled call"),
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
