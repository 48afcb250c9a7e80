"""What every competitor trains: one condition, on given seeds' initial weights and batches; and how it is asked to."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.datasets import DATASET_SHAPES, Dataset
from filtertwins.files import read_npz
from filtertwins.settings import Architecture


@dataclass(frozen=True)
class Work:
    """Networks of one condition, to be trained for some steps."""

    dataset: str  # the workflow's file
    condition: dict[str, Any]  # as a chunk's; its seeds are this work's
    warm: int  # first steps, in which programs are compiled and memory is prepared

    @property
    def architecture(self) -> Architecture:
        return Architecture.model_validate(self.condition["model"] | {"filters": [self.condition["filters"]]})

    @property
    def filters(self) -> int:
        return self.condition["filters"]

    @property
    def seeds(self) -> list[int]:
        return self.condition["seeds"]

    @property
    def steps(self) -> int:
        return self.condition["model"]["steps"]

    def of_seeds(self, seeds: Sequence[int]) -> Work:
        return Work(self.dataset, self.condition | {"seeds": list(seeds)}, self.warm)

    def data(self) -> Dataset:
        return Dataset.from_arrays(read_npz(Path(self.dataset), DATASET_SHAPES))

    def batches(self, images: int) -> NDArray[np.int32]:
        """Which training images each step sees: (seed, step, image)."""
        from filtertwins.training.streams import batches

        of_seeds = [islice(batches(seed, images, self.architecture.batch), self.steps) for seed in self.seeds]
        return np.array([list(stream) for stream in of_seeds], np.int32)

    def as_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    wall_s: float  # all that the competitor's time counts
    step_s: float  # a step after the warm ones, of all networks that are trained together
    accuracies: dict[int, float]  # of each seed's network on the test images


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(image, row, column, 1), in [0, 1]."""
    return images[..., np.newaxis].astype(np.float32) / np.float32(255)


def timed(warm: Callable[[], object], rest: Callable[[], object], steps: int) -> tuple[float, float]:
    """Seconds of both calls together, and those of the second for each of its steps."""
    start_s = time.perf_counter()
    warm()
    warm_s = time.perf_counter()
    rest()
    end_s = time.perf_counter()
    return end_s - start_s, (end_s - warm_s) / steps


def serve(train: Callable[[Work], Trained]) -> None:
    """Train what each line of the input asks for, until it ends: imports are over before the first clock starts."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(train(Work(**json.loads(line))))), file=answers, flush=True)
