"""The study on a real Slurm of one node: the same bytes as on one machine, whatever happens to its jobs."""

from __future__ import annotations

import os
import signal
import time

import pandas as pd

from studies import NOTHING, TINY

COST, CLAIMS = "results/digits/cost.csv", "results/digits/claims.csv"
ON_LATENCY = "pruning_makes_it_faster"  # the claim
OF_LATENCY = {COST, "results/digits/cost_means.csv", CLAIMS, "results/digits/claims.txt", "figures/digits/cost.rst"}
OF_LATENCY |= {"results/digits/answer.html"}  # It shows that figure.
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
    assert len(others) > 8
    assert [rule for rule, started, ended in others if started < end and start < ended] == []


# Python runs a module of this name at its start. From the library's folder it reaches every script, but not Snakemake.
FAULTS = '''
"""Where a test says so, training meets a fault; and every attempt notes what Slurm granted it."""
import os, pathlib, re, subprocess, sys, time

if re.search("train_networks|prune_filters", sys.orig_argv[-1]) and "TEST_FAULTS" in os.environ:
    # Snakemake writes the job, with the name of its log, into the script that it runs.
    told = pathlib.Path(sys.orig_argv[-1]).read_bytes().decode("latin-1")
    name = re.search(r"logs/digits/((?:train_networks|prune_filters)/[a-z_0-9-]+)", told)[1]
    folder = pathlib.Path(os.environ["TEST_FAULTS"]) / name
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
FAULT_OF = {  # by the log of the job
    "train_networks/question_001_seeds-000-001": "cancelled",
    "prune_filters/question_filters-003_seeds-000-001": "hungry",
    "prune_filters/relu_5x5_filters-002_seeds-000-001": "slow",
}
SAID = {"cancelled": "status is: 'CANCELLED'", "slow": "status is: 'TIMEOUT'"}
DIVERGING = "train_networks/planted_linear_keras_002_seeds-000-001"  # The twins are in this bundle.


def test_jobs_cancelled_or_over_a_limit_get_more_and_one_that_fails_for_good_is_named(
    finished_study, new_tree, cluster, tmp_path, monkeypatch
):
    local, _ = finished_study
    new_tree.configure("tiny.yaml", TINY)
    steep = {"experiments": {"twins": {"architectures": {"linear_sgd": {"learning_rate": 1e30}}}}}
    new_tree.configure("diverging.yaml", steep)
    (new_tree.folder / "src" / "sitecustomize.py").write_text(FAULTS, encoding="utf-8")
    faults = tmp_path / "faults"
    monkeypatch.setenv("TEST_FAULTS", str(faults))
    for log, fault in FAULT_OF.items():
        (faults / log).mkdir(parents=True)
        (faults / log / fault).touch()
    pruned = [
        f"results/digits/pruning/{name}_seeds-000-001.csv" for name in ("question/filters-003", "relu_5x5/filters-002")
    ]

    printed = cluster.submit(new_tree, *pruned, "results/digits/twins.csv", exit_code=1)

    def granted(log):
        return (faults / log / "granted").read_text(encoding="utf-8").split("\n")[:-1]

    def told_of(log):
        """What Snakemake said of each failure of a job."""
        told = printed.split("\n    message: SLURM-job")[1:]
        return [each for each in told if f"log: logs/digits/{log}.log" in each]

    # Every job that was not the program's fault ran again, with twice as much, and well.
    first, second, third = "2500M 00:15:00", "4500M 00:30:00", "8500M 01:00:00"
    again = {"train_networks": second, "prune_filters": "5000M 00:30:00"}  # Pruning needs more than 2,250 MB.
    for log, fault in FAULT_OF.items():
        assert granted(log) == [first, again[log.partition("/")[0]]]
        [told] = told_of(log)
        assert SAID.get(fault, "") in told
    # One that fails each time is named by rule and log, with the reason; the rest went on.
    assert granted(DIVERGING) == [first, second, third]
    assert len(told_of(DIVERGING)) == 3
    for told in told_of(DIVERGING):
        assert "training diverged: seed 0, step 2" in told
    assert not (new_tree.folder / "results/digits/twins.csv").exists()
    there, here = new_tree.contents("results"), local.contents("results")
    assert {name: there[name] for name in pruned} == {name: here[name] for name in pruned}


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
