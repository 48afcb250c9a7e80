"""The study on a real Slurm of one node: the same bytes as on one machine, whatever happens to its jobs."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from studies import NOTHING, TINY

ARRAY = re.compile(r"Jobs [\d, ]+ have been submitted as tasks 1 to (\d+) of Slurm's array (\d+)")
CHUNKS = 11


def wait_until(condition):
    deadline_s = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def test_a_study_on_slurm_is_byte_equal_to_one_on_this_machine(finished_study, new_tree, cluster):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    printed = cluster.submit(new_tree)
    assert [int(tasks) for tasks, _ in ARRAY.findall(printed)] == [CHUNKS]
    here, there = (study.contents("results", "figures", "data") for study in (local, new_tree))
    assert {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} == set()
    assert new_tree.stale() == NOTHING  # on this machine too: the results are interchangeable


# Python runs a module of this name at its start. From the library's folder it reaches every script, but not Snakemake.
FAULTS = '''
"""Where a test says so, training meets a fault; and every attempt notes what Slurm granted it."""
import os, pathlib, re, subprocess, sys, time

if "--condition" in sys.orig_argv and "TEST_FAULTS" in os.environ:
    chunk = pathlib.Path(sys.orig_argv[sys.orig_argv.index("--output") + 1])
    folder = pathlib.Path(os.environ["TEST_FAULTS"]) / chunk.parent.name / chunk.stem
    folder.mkdir(parents=True, exist_ok=True)
    # Not SLURM_JOB_ID: that of an array's last task is the whole array's too.
    job = "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}" if "SLURM_ARRAY_JOB_ID" in os.environ else "{SLURM_JOB_ID}"
    job = job.format_map(os.environ)
    shown = subprocess.run(["scontrol", "show", "job", job], stdout=subprocess.PIPE, text=True, check=True).stdout
    granted = [re.search(f"{what}=([^ ]+)", shown)[1] for what in ("MinMemoryNode", "TimeLimit")]
    with (folder / "granted").open("a") as stream:
        print(*granted, file=stream)
    if (folder / "hungry").exists():  # more than is granted at first
        memory = bytearray(b"x") * 2_600_000_000
        time.sleep(5)
        del memory
    for fault, command in {
        "cancelled": ["scancel", job],
        "slow": ["scontrol", "update", f"JobId={job}", "TimeLimit=1"],
    }.items():
        if (folder / fault).exists():  # the first attempt only
            (folder / fault).unlink()
            subprocess.run(command, check=True)
            time.sleep(300)
'''
FAULT_OF = {1: "cancelled", 2: "hungry", 3: "slow"}  # by the number of filters of the question's architecture


def test_jobs_cancelled_or_over_a_limit_get_more_and_one_that_fails_for_good_is_named(
    finished_study, new_tree, cluster, tmp_path, monkeypatch
):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    new_tree.configure(
        "diverging.yaml", {"experiments": {"condensation": {"architectures": {"linear": {"learning_rate": 1e30}}}}}
    )
    (new_tree.folder / "src" / "sitecustomize.py").write_text(FAULTS, encoding="utf-8")
    faults = tmp_path / "faults"
    monkeypatch.setenv("TEST_FAULTS", str(faults))
    for filters, fault in FAULT_OF.items():
        folder = faults / "question" / f"filters-{filters:03}_seeds-000-001"
        folder.mkdir(parents=True)
        (folder / fault).touch()

    printed = cluster.submit(new_tree, "results/digits/runs.csv", "results/digits/condensation.csv", exit_code=1)

    def granted(chunk):
        return (faults / chunk / "granted").read_text(encoding="utf-8").split("\n")[:-1]

    def told_of(chunk):
        """What Snakemake said of each failure of a chunk."""
        told = printed.split("Error in rule train_chunk:\n    message: SLURM-job")[1:]
        return [each for each in told if f"output: results/digits/weights/{chunk}.npz\n" in each]

    # Every job that was not the program's fault ran again, with twice as much, and well.
    first, second, third = "2500M 00:15:00", "4500M 00:30:00", "8500M 01:00:00"
    for filters in FAULT_OF:
        chunk = f"question/filters-{filters:03}_seeds-000-001"
        assert granted(chunk) == [first, second]
        assert len(told_of(chunk)) == 1
        assert f"log: logs/digits/train_chunk/{chunk}.log" in told_of(chunk)[0]
    cancelled, hungry, slow = (told_of(f"question/filters-{filters:03}_seeds-000-001")[0] for filters in FAULT_OF)
    assert "status is: 'CANCELLED'" in cancelled
    slurms_log = re.search(r"log: .*\.log, (.*\.log) \(check", hungry)[1]
    assert "exceeded memory limit" in Path(slurms_log).read_text(encoding="utf-8")
    assert "status is: 'TIMEOUT'" in slow
    # One that fails each time is named by rule, condition and log, with the reason; the rest went on.
    diverging = "condensation/linear/filters-003_seeds-000-001"
    assert granted(diverging.removeprefix("condensation/")) == [first, second, third]
    assert len(told_of(diverging)) == 3
    for told in told_of(diverging):
        assert f"log: logs/digits/train_chunk/{diverging}.log" in told
        assert "training diverged: seed 0, step 2" in told
    assert not (new_tree.folder / "results/digits/condensation.csv").exists()
    finished = {name: text for name, text in local.contents("results").items() if "/question/" in name}
    written = new_tree.contents("results")
    assert finished.items() < written.items()
    assert written["results/digits/runs.csv"] == local.contents("results")["results/digits/runs.csv"]


def test_an_interrupt_cancels_what_was_submitted_and_the_same_command_goes_on(finished_study, new_tree, cluster):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    target = "results/digits/runs.csv"
    process = cluster.start(new_tree, target)
    wait_until(lambda: cluster.jobs("running"))
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    assert process.wait(timeout=60) == 1
    wait_until(lambda: not cluster.jobs("pending,running,completing"))
    cluster.submit(new_tree, target)
    assert new_tree.contents("results")[target] == local.contents("results")[target]
