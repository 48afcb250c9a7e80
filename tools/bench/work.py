"""What every competitor trains: networks of one condition, from the same initial weights, on the same batches."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset, load_dataset
from filtertwins.settings import Architecture


@dataclass(frozen=True)
class Work:
    """Networks of one condition, to be trained for some steps."""

    dataset: str  # the workflow's own file
    condition: dict[str, Any]  # as train_chunk gets it: the model and its steps, filters, seeds
    warm: int  # the number of first steps, which compile programs and find memory; a step is timed after them

    @property
    def architecture(self) -> Architecture:
        """How networks look and are trained."""
        return Architecture.model_validate(self.condition["model"] | {"filters": [self.filters]})

    @property
    def filters(self) -> int:
        """The number of filters."""
        return self.condition["filters"]

    @property
    def seeds(self) -> list[int]:
        """The seeds, one for each network."""
        return self.condition["seeds"]

    @property
    def steps(self) -> int:
        """The number of steps, with the warm ones."""
        return self.condition["model"]["steps"]

    def of_seeds(self, seeds: Sequence[int]) -> Work:
        """The same work for other seeds."""
        return Work(self.dataset, self.condition | {"seeds": list(seeds)}, self.warm)

    def data(self) -> Dataset:
        """Images and labels."""
        return load_dataset(Path(self.dataset))

    def batches(self, images: int) -> NDArray[np.int32]:
        """The training images of each step: (seed, step, image)."""
        from filtertwins.training.streams import batches

        streams = [batches(seed, images, self.architecture.batch) for seed in self.seeds]
        return np.array([list(islice(stream, self.steps)) for stream in streams])

    def initial_weights(self) -> Iterator[list[NDArray[np.float32]]]:
        """Kernel, bias, dense weights and bias of each seed's network, in Keras's layout."""
        from filtertwins.training import plain_model

        shape = self.data().train_images.shape[1:]
        for seed in self.seeds:
            yield plain_model(self.architecture, self.filters, seed, shape).get_weights()

    def adam_rate(self) -> float:
        """The learning rate of Adam, the only optimiser that all competitors here know."""
        if self.architecture.optimizer != "adam":
            raise ValueError(f"optimizer = {self.architecture.optimizer}; allowed in the benchmark: adam")
        return self.architecture.learning_rate

    def as_json(self) -> str:
        """In one line, for another process."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Trained:
    """What it took to train networks together, and what came of it."""

    wall_s: float  # the time of all that counts for the competitor
    step_s: float  # the time of a step of all networks, after the warm ones
    accuracies: dict[int, float]  # on the test images, by seed


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(image, row, column, 1), in [0, 1]."""
    return images[..., np.newaxis].astype(np.float32) / np.float32(255)


def timed(work: Work, run: Callable[[int, int], object]) -> tuple[float, float]:
    """Train the warm steps and then the others: the seconds of all, and of a step after the warm ones."""
    start_s = time.perf_counter()
    run(0, work.warm)
    warm_s = time.perf_counter()
    run(work.warm, work.steps)
    end_s = time.perf_counter()
    return end_s - start_s, (end_s - warm_s) / (work.steps - work.warm)


def serve(train: Callable[[Work], Trained]) -> None:
    """Train what each line of the input asks for, until it ends; imports are over before the first clock starts."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(asdict(train(Work(**json.loads(line))))), file=answers, flush=True)
