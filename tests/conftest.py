"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filtertwins.architectures import Start
from filtertwins.data.datasets import load_digits
from filtertwins.networks.weights import Chunk, Parameters

pytest_plugins = ["studies"]

START_FIRST = ("test_environment.py", "test_slurm.py")
SLOW = {
    "test_bench.py",
    "test_disk.py",
    "test_environment.py",
    "test_kill.py",
    "test_slurm.py",
    "test_surroundings.py",
}


def pytest_collection_modifyitems(items):
    """Mark the tests of slow files, and put the slowest first, so that the other workers have work to the end."""
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name not in START_FIRST)  # The sort is stable: the rest keeps its order.


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def digits():
    """The embedded digits."""
    return load_digits()


@pytest.fixture
def rng():
    """Random numbers, the same ones in every test."""
    return np.random.default_rng(8)


def make_chunk(
    kernels,
    biases=None,
    *,
    initial=None,
    initial_biases=None,
    activation="linear",
    seeds=None,
    starts=({},),
    steps=(0, 7, 50),
    scored_steps=(50,),
    outgoing_separation=0.0,
    growth=None,
    model=(),
    **condition,
):
    """A chunk with given kernels, as training would leave it; everything else is small and made up.

    Args:
        kernels: (network, row, column, channel, filter), trained; or without the axis of a single channel.
        biases: (network, filter), by default 0.
        initial: kernels before training, by default the trained ones.
        initial_biases: by default 0.
        activation: of the model.
        seeds: of each network, by default 0, 1, ... for each start.
        starts: what each says beside the plain start's options; a seed's networks lie side by side.
        steps: of the snapshots, which lead evenly from the initial weights to the trained ones.
        scored_steps: when the networks were scored; each time before the last, a nat and an image worse.
        outgoing_separation: (snapshot, network), or one number for all.
        growth: (step, network), by default not recorded.
        model: changes to the model's options.
        condition: changes to what the chunk says of itself.
    """
    kernels = _with_channels(kernels)
    count, height, width, _, filters = kernels.shape
    runs = np.arange(count)
    seeds = runs // len(starts) if seeds is None else np.asarray(seeds)
    biases = np.zeros((count, filters), np.float32) if biases is None else np.asarray(biases, np.float32)
    initial = kernels if initial is None else _with_channels(initial)
    initial_biases = np.zeros_like(biases) if initial_biases is None else np.asarray(initial_biases, np.float32)
    early = np.arange(len(scored_steps))[::-1, np.newaxis, np.newaxis]
    way = np.linspace(0, 1, len(steps)).tolist()
    return Chunk(
        condition={
            "dataset": "mnist",
            "architecture": "question",
            "model": {
                "kernel": [height, width],
                "activation": activation,
                "implementation": "stacked",
                "initializer": "glorot_uniform",
                "optimizer": "adam",
                "learning_rate": 0.001,
                "momentum": 0.0,
                "weight_decay": 0.0,
                "dropout": 0.0,
            }
            | dict(model),
            "starts": [Start().model_dump(mode="json") | start for start in starts],
            "filters": filters,
            "seeds": sorted(set(seeds.tolist())),
        }
        | condition,
        seeds=seeds.astype(np.int64),
        starts=runs % len(starts),
        parameters=Parameters(kernels, biases, np.ones((count, 2 * filters, 10), "f4"), np.ones((count, 10), "f4")),
        snapshot_steps=np.array(steps),
        snapshot_kernels=np.stack([(1 - part) * initial + part * kernels for part in way]),
        snapshot_biases=np.stack([(1 - part) * initial_biases + part * biases for part in way]),
        outgoing_separation=np.broadcast_to(np.float64(outgoing_separation), (len(steps), count)).copy(),
        growth=np.zeros((0, count), np.float32) if growth is None else np.asarray(growth, np.float32),
        reported_steps=np.array([50]),
        reported_losses=np.full((1, count), 1.5, np.float32),
        scored_steps=np.array(scored_steps),
        losses=np.array([[0.25 + runs, 0.5 + runs, 0.75 + runs]]) + early,
        correct=np.array([[90 + runs, 30 + runs, 15 + runs]]) - early,
        images=np.array([100, 40, 20]),
    )


def _with_channels(kernels):
    kernels = np.asarray(kernels, np.float32)
    return kernels if kernels.ndim == 5 else kernels[:, :, :, np.newaxis]


@pytest.fixture(name="make_chunk", scope="session")
def make_chunk_fixture():
    """The function ``make_chunk``."""
    return make_chunk
