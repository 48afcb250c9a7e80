"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filtertwins.weights import Chunk, Parameters

STARTS_FIRST = "test_environment.py"


def pytest_collection_modifyitems(items):
    """The slowest test first, so that the other workers have work beside it to the end."""
    items.sort(key=lambda item: item.path.name != STARTS_FIRST)  # stable: the rest keeps its order


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return Path(__file__).parents[1]


def make_chunk(
    kernels, biases=None, *, initial=None, initial_biases=None, activation="linear", seeds=None, **condition
):
    """A chunk with given kernels, as training would leave it; everything else is small and made up.

    Args:
        kernels: (seed, row, column, filter), trained.
        biases: (seed, filter), by default 0.
        initial: kernels before training, by default the trained ones.
        initial_biases: by default 0.
        activation: of the model.
        seeds: by default 0, 1, ...
        condition: changes to what the chunk says of itself.
    """
    kernels = np.asarray(kernels, np.float32)
    count, height, width, filters = kernels.shape
    seeds = np.arange(count) if seeds is None else np.asarray(seeds)
    biases = np.zeros((count, filters), np.float32) if biases is None else np.asarray(biases, np.float32)
    initial = kernels if initial is None else np.asarray(initial, np.float32)
    initial_biases = np.zeros_like(biases) if initial_biases is None else np.asarray(initial_biases, np.float32)
    runs = np.arange(count)
    return Chunk(
        condition={
            "dataset": "mnist",
            "architecture": "question",
            "model": {"kernel": [height, width], "activation": activation, "initializer": "glorot_uniform"},
            "filters": filters,
            "seeds": seeds.tolist(),
        }
        | condition,
        seeds=seeds.astype(np.int64),
        parameters=Parameters(kernels, biases, np.ones((count, 2 * filters, 10), "f4"), np.ones((count, 10), "f4")),
        snapshot_steps=np.array([0, 7, 50]),
        snapshot_kernels=np.stack([initial, (initial + kernels) / 2, kernels]),
        snapshot_biases=np.stack([initial_biases, (initial_biases + biases) / 2, biases]),
        reported_steps=np.array([50]),
        reported_losses=np.full((1, count), 1.5, np.float32),
        losses=np.array([0.25 + runs, 0.5 + runs, 0.75 + runs]),
        correct=np.array([90 + runs, 30 + runs, 15 + runs]),
        images=np.array([100, 40, 20]),
    )


@pytest.fixture(name="make_chunk", scope="session")
def make_chunk_fixture():
    """The function ``make_chunk``."""
    return make_chunk
