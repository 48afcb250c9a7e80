"""This project, as its workflow runs it: ``scripts/train_chunk.py``, a one-thread process for every chunk of seeds.

Under ``snakemake --cores N`` there are N of them side by side; here they are N chunks of one condition.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from processes import ROOT, side_by_side, together
from work import Trained, Work

from filtertwins.networks.weights import load_chunk
from filtertwins.plan import as_json


def train(work: Work, cores: int) -> Trained:
    """The work's seeds in one chunk, and for each further core a chunk of as many others."""
    seeds = len(work.seeds)
    accuracies: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / f"{core}.npz" for core in range(cores)]
        start = [sys.executable, str(ROOT / "tools" / "run_job.py"), "train_chunk"]
        commands = []
        for core, output in enumerate(outputs):
            condition = work.of_seeds(range(core * seeds, (core + 1) * seeds)).condition
            files = {"input": {"dataset": work.dataset}, "output": [str(output)], "log": ["/dev/stdout"]}
            commands.append([*start, as_json(files | {"params": {"condition": condition}})])
        runs = side_by_side(commands)
        for chunk in map(load_chunk, outputs):
            accuracies |= dict(zip(chunk.seeds.tolist(), chunk.scores.correct[-1] / chunk.images[-1], strict=True))
    return together(runs, accuracies)
