"""Jobs that ask for the same are tasks of one array; each gets what it asks for, and none is forgotten."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from studies import clean_environment

OPTIONS = ("--executor", "slurm", "--slurm-status-command", "squeue", "--slurm-array-jobs", "work")
MEMORY_MB = [1200, 1200, 1200, 1300, 1300]
WORKFLOW = """
rule all:
    localrule: True
    input:
        expand("{{job}}.granted", job=range({jobs})),
rule work:
    output:
        "{{job}}.granted",
    resources:
        mem_mb=lambda wildcards: {memory_mb}[int(wildcards.job)],
        runtime=5,
    shell:
        "echo it$ \\"is's\\" {{wildcards.job}} > {{output}};"
        " scontrol show job $SLURM_JOB_ID >> {{output}}"
include: {arrays!r}
"""


@pytest.fixture
def snakemake(cluster, root, tmp_path):
    """A function that runs the workflow on Slurm; what it printed."""
    arrays = str(root / "workflow" / "rules" / "slurm_arrays.smk")
    text = WORKFLOW.format(jobs=len(MEMORY_MB), memory_mb=MEMORY_MB, arrays=arrays)
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *cluster.snakemake, *OPTIONS, *arguments],
            cwd=tmp_path,
            env=clean_environment() | cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=600,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("limits", "arrays"),
    [
        (["--jobs", "unlimited"], [2, 3]),
        (["--jobs", "unlimited", "--slurm-array-limit", "2"], [2, 2]),  # and one alone
        (["--jobs", "3"], None),  # as places come free
    ],
)
def test_jobs_that_ask_for_the_same_are_one_array_and_each_runs_with_what_it_asks_for(
    snakemake, tmp_path, limits, arrays
):
    printed = snakemake(*limits)
    sizes = sorted(map(int, re.findall(r"submitted as tasks 1 to (\d+) of", printed)))
    assert arrays is None or sizes == arrays
    for job, memory_mb in enumerate(MEMORY_MB):
        written = (tmp_path / f"{job}.granted").read_text(encoding="utf-8")
        assert written.startswith(f"it$ is's {job}\n")
        assert f"MinMemoryNode={memory_mb}M" in written
