"""This project, as its workflow runs it: ``scripts/train_networks.py``, a one-thread process for every chunk of seeds.

Under ``snakemake --cores N`` there are N of them side by side; here they are N chunks of one condition.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from work import Trained, Work, side_by_side

from filtertwins.networks.weights import load_chunk
from filtertwins.plan import Plan

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}  # as in the workflow


def train(work: Work, plan: Plan, cores: int) -> Trained:
    """The work's seeds in one chunk, and for each further core a chunk of as many others."""

    def train_chunk(number: int) -> Trained:
        first, seeds = number * len(work.seeds), len(work.seeds)
        condition = plan.condition(work.name, work.filters, first, first + seeds - 1)
        condition["model"] |= {"steps": work.architecture.steps, "epochs": None}
        output = Path(folder) / f"{number}.npz"
        files = {"input": {"dataset": str(work.dataset)}, "output": [str(output)]}
        step_s = run_script("train_networks", files | {"params": {"families": [[condition]], "code": ""}})
        chunk = load_chunk(output)
        accuracies = chunk.scores.correct[-1] / chunk.images[-1]  # on the test images
        return Trained(0.0, step_s, dict(zip(chunk.seeds.tolist(), accuracies.tolist(), strict=True)))

    start_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(cores) as pool:
        parts = list(pool.map(train_chunk, range(cores)))
        wall_s = time.perf_counter() - start_s
    return side_by_side(wall_s, parts)


def run_script(name: str, job: Mapping[str, Any]) -> float:
    """Run a script that trains, as Snakemake does: the time of a step, from the first reported one to the last."""
    command = [sys.executable, str(ROOT / "tools" / "run_job.py"), name, json.dumps({**job, "log": ["/dev/stdout"]})]
    printed, reports = [], []
    with subprocess.Popen(command, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            printed.append(line)
            # A report says ``step 100/2000``. The first comes when all is compiled.
            if step := re.search(r"step (\d+)/", line):
                reports.append((int(step[1]), time.perf_counter()))
    if process.returncode:
        sys.exit(f"error: {name} failed:\n{''.join(printed)}")
    (first, first_s), (last, last_s) = reports[0], reports[-1]
    return (last_s - first_s) / (last - first)
