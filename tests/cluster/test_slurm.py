"""The study on a real Slurm of one node: the same bytes as on one machine, whatever happens to its jobs."""

from __future__ import annotations

import os
import signal
import time

import pandas as pd

from studies import NOTHING, TINY

CHUNKS = 12
COST, CLAIMS = "results/digits/cost.csv", "results/digits/claims.csv"
ON_LATENCY = "pruning_makes_it_faster"  # the claim
OF_LATENCY = {COST, "results/digits/cost_means.csv", CLAIMS, "results/digits/claims.txt", "figures/digits/cost.rst"}
OF_LATENCY |= {f"figures/digits/cost.{suffix}" for suffix in ("pdf", "png", "svg")}


def wait_until(condition):
    deadline_s = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def beside_latency(study):
    """What a study leaves, without what its measured latency decides."""
    cost, claims = (pd.read_csv(study.folder / name, dtype=str) for name in (COST, CLAIMS))
    whole = study.contents("results", "figures", "data")
    return {name: content for name, content in whole.items() if name not in OF_LATENCY} | {
        COST: cost.drop(columns="latency_s").to_csv(),
        CLAIMS: claims[claims["claim"] != ON_LATENCY].to_csv(),
    }


def test_a_study_on_slurm_is_byte_equal_to_one_on_this_machine(finished_study, new_tree, cluster):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    cluster.submit(new_tree)
    assert new_tree.stale() == NOTHING  # on this machine too: the results are interchangeable
    here, there = beside_latency(local), beside_latency(new_tree)
    assert {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)} == set()
    # Latency was measured with nothing beside it on the node.
    jobs = [line.split("|") for line in cluster.jobs("completed", "%k|%S|%e")]
    [(start, end)] = [times for rule, *times in jobs if rule.startswith("rule_measure_cost")]
    others = [(rule, *times) for rule, *times in jobs if not rule.startswith("rule_measure_cost")]
    assert len(others) > CHUNKS
    assert [rule for rule, started, ended in others if started < end and start < ended] == []


# Python runs a module of this name at its start. From the library's folder it reaches every script, but not Snakemake.
FAULTS = '''
"""Where a test says so, training meets a fault; and every attempt notes what Slurm granted it."""
import os, pathlib, re, subprocess, sys, time

if "train_chunk" in sys.orig_argv[-1] and "TEST_FAULTS" in os.environ:
    # Snakemake writes the job, with its output, into the script that it runs.
    told = pathlib.Path(sys.orig_argv[-1]).read_bytes().decode("latin-1")
    chunk = pathlib.Path(re.search(r"results/digits/weights/([a-z_0-9/-]+)", told)[1])
    folder = pathlib.Path(os.environ["TEST_FAULTS"]) / chunk
    folder.mkdir(parents=True, exist_ok=True)
    job = os.environ["SLURM_JOB_ID"]
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
SAID = {"cancelled": "status is: 'CANCELLED'", "slow": "status is: 'TIMEOUT'"}


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
    for filters, fault in FAULT_OF.items():
        chunk = f"question/filters-{filters:03}_seeds-000-001"
        assert granted(chunk) == [first, second]
        [told] = told_of(chunk)
        assert f"log: logs/digits/train_chunk/{chunk}.log" in told
        assert SAID.get(fault, "") in told
    # One that fails each time is named by rule, condition and log, with the reason; the rest went on.
    diverging = "condensation/linear/filters-003_seeds-000-001"
    assert granted(diverging) == [first, second, third]
    assert len(told_of(diverging)) == 3
    for told in told_of(diverging):
        assert f"log: logs/digits/train_chunk/{diverging}.log" in told
        assert "training diverged: seed 0, step 2" in told
    assert not (new_tree.folder / "results/digits/condensation.csv").exists()
    table = "results/digits/runs.csv"
    assert new_tree.contents("results")[table] == local.contents("results")[table]


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
