"""This project, as its workflow trains: several seeds in a chunk, in a one-thread process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from work import Trained, Work

from filtertwins import training
from filtertwins.networks.weights import save_chunk


def train(work: Work, condition: Mapping[str, Any]) -> Trained:
    """The networks of a condition, which says all that training depends on."""
    training.one_thread()
    reported_s: list[float] = []

    def report(_: str) -> None:
        reported_s.append(time.perf_counter())

    snapshots = training.snapshot_steps(work.architecture.steps, condition["snapshots"])
    (chunk,) = training.train_chunks(work.data(), [condition], snapshots, report=report)
    with tempfile.TemporaryDirectory() as folder:
        save_chunk(chunk, Path(folder) / "chunk.npz")
    steps = chunk.reported_steps[-1] - chunk.reported_steps[0]  # The first report comes when all is compiled.
    accuracies = chunk.scores.correct[-1] / chunk.images[-1]  # on the test images
    step_s = float((reported_s[-1] - reported_s[0]) / steps)
    return Trained(0.0, step_s, dict(zip(chunk.seeds.tolist(), accuracies.tolist(), strict=True)))
