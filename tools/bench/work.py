"""What every competitor trains: networks of one condition, from the same initial weights, on the same batches."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.architectures import Architecture
from filtertwins.data.datasets import Dataset, load_dataset


@dataclass(frozen=True)
class Work:
    """Networks of one condition, to be trained for some steps."""

    dataset: Path  # the workflow's own file
    name: str  # of the architecture
    architecture: Architecture  # its steps are those to train, with the warm ones
    filters: int
    seeds: Sequence[int]  # one for each network
    warm: int  # the number of first steps, which compile programs and find memory; a step is timed after them

    def data(self) -> Dataset:
        """Images and labels."""
        return load_dataset(self.dataset)


@dataclass(frozen=True)
class Trained:
    """What it took to train networks together, and what came of it."""

    wall_s: float  # the time of all that counts for the competitor
    step_s: float  # the time of a step of all networks, after the warm ones
    accuracies: dict[int, float]  # on the test images, by seed


def processes(count: int) -> ProcessPoolExecutor:
    """Processes that start anew, since TensorFlow does not survive a fork; what frameworks log in them is not shown."""
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_log_nothing)


def _log_nothing() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def call(module: str, function: str, *arguments: object) -> Any:
    """Call a function of this folder; in another process, so that this one imports no framework."""
    return getattr(importlib.import_module(module), function)(*arguments)


def timed(work: Work, run: Callable[[int, int], object]) -> tuple[float, float]:
    """Train the warm steps and then the others: the seconds of all, and of a step after the warm ones."""
    start_s = time.perf_counter()
    run(0, work.warm)
    warm_s = time.perf_counter()
    run(work.warm, work.architecture.steps)
    end_s = time.perf_counter()
    return end_s - start_s, (end_s - warm_s) / (work.architecture.steps - work.warm)


def side_by_side(module: str, jobs: Sequence[tuple[Any, ...]]) -> Trained:
    """Train at the same time, each job (the arguments of a module's ``train``) in a process of its own.

    Their rates add up. The time of all is that of the processes from start to end: imports, data, compilation, testing.
    """
    start_s = time.perf_counter()
    with processes(len(jobs)) as pool:
        runs = [pool.submit(call, module, "train", *job) for job in jobs]
        parts = [run.result() for run in runs]
    accuracies = {seed: accuracy for part in parts for seed, accuracy in part.accuracies.items()}
    return Trained(time.perf_counter() - start_s, harmonic_mean([part.step_s for part in parts]), accuracies)


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images of bytes as Keras takes them, in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)
