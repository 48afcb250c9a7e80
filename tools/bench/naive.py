"""The naive pipeline: a process for every (filters, seed), which imports Keras, reads the data, fits and tests."""

from __future__ import annotations

import time
from dataclasses import replace

from work import Trained, Work, call, processes, side_by_side


def train(work: Work, cores: int) -> Trained:
    """As many models side by side as there are cores, each in a one-thread process; from ``tf.data``."""
    start_s = time.perf_counter()
    with processes(cores) as pool:
        models = [replace(work, seeds=[seed]) for seed in range(cores)]
        runs = [pool.submit(call, "keras_fit", "train", model, "tf_data", 1) for model in models]
        parts = [run.result() for run in runs]
    return side_by_side(time.perf_counter() - start_s, parts)
