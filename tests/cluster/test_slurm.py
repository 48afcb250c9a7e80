"""The study on a real Slurm of one node: the same bytes as on one machine, whatever happens to its jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from studies import NOTHING, TINY

CHUNKS = 12
PRUNED = 4
ARRAYS = ("train_chunk", "prune_filters")  # the rules
COST, CLAIMS, RECORDS = "results/digits/cost.csv", "results/digits/claims.csv", "results/digits/records.json"
ON_LATENCY = "pruning_makes_it_faster"  # the claim


def wait_until(condition):
    deadline_s = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def made_of(rule, study):
    """The files that a rule makes, and those that are made of them."""
    summary = [line.split("\t") for line in study.snakemake("--summary", "--forcerun", rule).splitlines()]
    return {row[0] for row in summary if row[-1] == "update pending"}


def beside_latency(study, timed):
    """What a study leaves, without what its measured latency decides: of the files made of that, only the rest."""
    whole = study.contents("results", "figures", "data")
    records = json.loads(whole[RECORDS])
    for record in records.values():
        record["input_checksums"] = {name: it for name, it in record["input_checksums"].items() if name not in timed}
    cost, claims = (pd.read_csv(study.folder / name, dtype=str) for name in (COST, CLAIMS))
    return {name: content for name, content in whole.items() if name not in timed} | {
        RECORDS: records,
        COST: cost.drop(columns="latency_s").to_csv(),
        CLAIMS: claims[claims["claim"] != ON_LATENCY].to_csv(),
    }


def test_a_study_on_slurm_is_byte_equal_to_one_on_this_machine(finished_study, new_tree, cluster):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    cluster.submit(new_tree)
    assert new_tree.stale() == NOTHING  # on this machine too: the results are interchangeable
    timed = made_of("measure_cost", new_tree)
    assert timed == {COST, CLAIMS, "results/digits/claims.txt"} | {
        f"figures/digits/cost.{suffix}" for suffix in ("pdf", "png", "svg", "rst")
    }
    here, there = (beside_latency(study, timed) for study in (local, new_tree))
    assert {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} == set()
    assert timed <= new_tree.contents("results", "figures").keys()
    # The chunks were one array; what a network is pruned to, which follows from its chunk, at least two tasks of one.
    jobs = [line.split("|") for line in cluster.jobs("completed", "%k|%F|%S|%e")]
    tasks = {name: Counter(array for rule, array, *_ in jobs if rule == f"rule_{name}") for name in ARRAYS}
    assert list(tasks["train_chunk"].values()) == [CHUNKS]
    assert tasks["prune_filters"].total() == PRUNED
    assert min(tasks["prune_filters"].values()) >= 2
    # Latency was measured with nothing beside it on the node.
    [(start, end)] = [times for rule, _, *times in jobs if rule == "rule_measure_cost"]
    others = [(rule, *times) for rule, _, *times in jobs if rule != "rule_measure_cost"]
    assert len(others) > CHUNKS + PRUNED
    assert [rule for rule, started, ended in others if started < end and start < ended] == []


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
    if (folder / "hungry").exists():  # more than is granted at first; a look every second is enough to be told
        memory = bytearray(b"x") * 2_600_000_000
        time.sleep(600 if len((folder / "granted").read_text().splitlines()) == 1 else 5)
        del memory
    for fault, command in {
        "cancelled": ["scancel", job],
        "slow": ["scontrol", "update", f"JobId={job}", "TimeLimit=1"],
    }.items():
        if (folder / fault).exists():  # the first attempt only
            (folder / fault).unlink()
            subprocess.run(command, check=True)
            time.sleep(600)
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
    finished = {name: text for name, text in local.contents("results").items() if "/weights/question/" in name}
    written = new_tree.contents("results")
    assert len(finished) == len(FAULT_OF)
    assert finished.items() < written.items()
    assert written["results/digits/runs.csv"] == local.contents("results")["results/digits/runs.csv"]


def test_an_interrupt_cancels_what_was_submitted_and_the_same_command_goes_on(finished_study, new_tree, cluster):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    target = "results/digits/runs.csv"
    process = cluster.start(new_tree, target)
    wait_until(lambda: cluster.jobs("running"))
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    assert process.wait(timeout=300) == 1
    wait_until(lambda: not cluster.jobs("pending,running,completing"))
    cluster.submit(new_tree, target)
    assert new_tree.contents("results")[target] == local.contents("results")[target]
