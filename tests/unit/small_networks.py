"""Small random networks for the tests of experiments and pruning, and images to try them on."""

from __future__ import annotations

import numpy as np

from filtertwins.architectures import Start
from filtertwins.data.datasets import Dataset
from filtertwins.networks.weights import Parameters

IMAGE, KERNEL, POSITIONS = (6, 5, 2), (3, 2), 4 * 4  # images of two channels
ELEMENTS = 3 * 2 * 2  # of a kernel
ACTIVATIONS = ["linear", "relu", "tanh"]
OWN = (Start(),)  # Each network starts from its own draw.


def draw(rng, filters, classes, networks=1, kernel=KERNEL, image=IMAGE):
    """Networks of float32 weights, as trained ones have; their biases are small, so that most ReLU filters fire."""
    positions = (image[0] - kernel[0] + 1) * (image[1] - kernel[1] + 1)
    shapes = [(*kernel, image[2], filters), (filters,), (positions * filters, classes), (classes,)]
    parts = [rng.normal(0, scale, (networks, *own)) for own, scale in zip(shapes, (0.4, 0.05, 0.4, 0.4), strict=True)]
    return Parameters(*(part.astype(np.float32) for part in parts))


def stack(*networks):
    """Kernels (network, row, column, channel, filter) of 3x1 filters given as rows."""
    return np.array(networks, np.float32).transpose(0, 2, 1)[:, :, np.newaxis, np.newaxis, :]


def draw_images(rng, count, classes, size=IMAGE):
    """Images (image, row, column, channel) and labels (image,)."""
    images = rng.integers(0, 256, (count, *size), dtype=np.uint8)
    return images, rng.integers(0, classes, count).astype(np.uint8)


def colour_dataset(classes=7, size=(9, 8, 3), counts=(300, 60, 80)):
    """Noise of a class's own brightness and colour, so that there is something to learn."""
    rng = np.random.default_rng(12)
    means = rng.uniform(60, 190, (classes, 1, 1, size[2]))
    splits = []
    for count in counts:
        labels = (np.arange(count) % classes).astype(np.uint8)
        splits += [np.clip(rng.normal(means[labels], 40, (count, *size)), 0, 255).astype(np.uint8), labels]
    return Dataset(*splits)


def by_filter(network):
    """The dense weights (position, filter, class) of one network, as a view."""
    return network.head.reshape(-1, network.kernels.shape[-1], network.head.shape[-1])


def flat(network):
    """All weights of all networks in one row."""
    return np.concatenate([part.ravel() for part in vars(network).values()])


def plant_twin(network, first, second, factor, bias=None):
    """Make a filter a multiple of another one, and give it a bias of its own where one is named."""
    network.kernels[..., second] = factor * network.kernels[..., first]
    network.biases[..., second] = factor * network.biases[..., first] if bias is None else bias
    return network


TWINS = [
    ("linear", 1, None),
    ("linear", -0.5, None),
    ("linear", 4, 0.7),
    ("relu", 1, None),
    ("relu", 0.25, None),
    ("tanh", 1, None),
    ("tanh", -1, None),
]
"""Activation, factor and bias of twins that merge without loss."""


def condition_of(setting, filters, seeds, starts=OWN, also_scored=(), **names):
    """What a chunk of some networks depends on, as training is told."""
    starts = [start.model_dump(mode="json") for start in starts]
    model = {"model": setting.model_dump(mode="json"), "filters": filters}
    return names | model | {"seeds": list(seeds), "starts": starts, "also_scored": list(also_scored)}
