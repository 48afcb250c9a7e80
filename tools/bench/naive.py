"""The naive pipeline: a process for every (filters, seed), which imports Keras, reads the data, fits and tests."""

from __future__ import annotations

import json
import sys

from processes import HERE, by_seed, side_by_side, together
from work import Trained, Work


def train(work: Work, cores: int) -> Trained:
    """As many models side by side as there are cores, each in a one-thread process."""
    return _train(work.of_seeds(range(cores)), ["--one-thread"])


def train_alone(work: Work) -> Trained:
    """One model, on all cores."""
    return _train(work.of_seeds([0]), [])


def _train(work: Work, options: list[str]) -> Trained:
    # tf.data: given arrays, fit makes such a pipeline itself, and a slower one.
    start = [sys.executable, str(HERE / "keras_fit.py"), "tf_data", *options, "--once"]
    runs = side_by_side([[*start, work.of_seeds([seed]).as_json()] for seed in work.seeds])
    accuracies = {}
    for run in runs:
        accuracies |= by_seed(json.loads(run.printed[-1]))
    return together(runs, accuracies)
