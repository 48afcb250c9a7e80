"""This project, as the workflow runs it: ``scripts/train_chunk.py``, a one-thread process for each chunk of seeds.

As under ``snakemake --cores N`` there are N of them side by side, here N chunks of the same condition with seeds of
their own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from processes import ROOT, side_by_side
from work import Trained, Work

from filtertwins.plan import as_json
from filtertwins.weights import load_chunk


def train(work: Work, cores: int) -> Trained:
    """The work's seeds, and as many more for each further core."""
    count = len(work.seeds)
    works = [work.of_seeds(range(core * count, (core + 1) * count)) for core in range(cores)]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / f"{core}.npz" for core in range(cores)]
        runs = side_by_side(
            [
                [sys.executable, str(ROOT / "scripts" / "train_chunk.py"), "--dataset", own.dataset]
                + ["--condition", as_json(own.condition), "--output", str(output)]
                for own, output in zip(works, outputs, strict=True)
            ]
        )
        accuracies = {}
        for output in outputs:
            chunk = load_chunk(output)
            accuracies |= dict(zip(chunk.seeds.tolist(), (chunk.correct[-1] / chunk.images[-1]).tolist(), strict=True))
    # Side by side their rates add up.
    return Trained(max(run.wall_s for run in runs), 1 / np.sum([1 / run.step_s for run in runs]) * cores, accuracies)
