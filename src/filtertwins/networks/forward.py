"""What a network computes, in NumPy: feature maps, each filter's share of the logits, logits.

:func:`feature_maps` is the only way forward through the convolution. A filter's *share* of the logits is its feature
map times its dense weights; the logits are the sum of the filters' shares plus the output biases. Without an activation
a share is also a sum over pixels, which :func:`effective_weights` gives. All is in float64 unless asked otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from filtertwins.measures.redundancy import BLOCK_ENTRIES, Floats, Numbers, filter_vectors, never_active_filters
from filtertwins.networks.weights import Parameters

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]
Precision = type[np.float64] | type[np.float32]

_BLOCK_IMAGES = 20  # The feature maps of more images leave the processor's cache, and the logits take twice as long.

ACTIVATIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "linear": lambda maps: maps,
    "relu": lambda maps: np.maximum(maps, 0.0),
    "tanh": np.tanh,
}
"""Activations by name. They and their derivatives keep the type of the numbers that they are given."""

FIRST_DERIVATIVES: dict[str, Callable[[Numbers], Numbers]] = {
    "linear": np.ones_like,
    "relu": lambda maps: (maps > 0).astype(maps.dtype),  # It is 0 at the kink, as in training.
    "tanh": lambda maps: 1 - np.tanh(maps) ** 2,
}

SECOND_DERIVATIVES: dict[str, Callable[[Numbers], Numbers]] = {
    "linear": np.zeros_like,
    "relu": np.zeros_like,  # It is taken for 0 at the kink, too.
    "tanh": lambda maps: -2 * np.tanh(maps) * (1 - np.tanh(maps) ** 2),
}


def logits(parameters: Parameters, images: Images, activation: str) -> Floats:
    """What the networks answer, (seed, image, class).

    Linear networks go through their feature maps too, so that what merging their filters changes is measured and not
    implied.

    Args:
        parameters: S networks.
        images: (image, row, column, channel), bytes; the networks see them in [0, 1].
        activation: linear, relu or tanh.
    """
    answers = []
    for index in range(len(parameters.kernels)):
        network = parameters.of_seed(index)
        head = head_by_filter(network)
        blocks = (images[block] for block in _blocks(images, _BLOCK_IMAGES))
        maps = (maps for block in blocks for _, maps in feature_maps(network, block, activation))
        answers.append(np.concatenate([(own @ head).sum(axis=0) for own in maps]) + network.head_bias[0])
    return np.stack(answers)


def feature_maps(
    network: Parameters, images: Images, activation: str, precision: Precision = np.float64
) -> Iterator[tuple[slice, Numbers]]:
    """The filters' maps after the activation, a few images at a time.

    Args:
        network: one network, with a seed axis of length 1.
        images: (image, row, column, channel), bytes.
        activation: linear, relu or tanh.
        precision: float64 or float32, in which they are computed.

    Yields:
        Which images, and their maps (filter, image, position), positions row by row.
    """
    *extents, filters = network.kernels.shape[1:]
    elements = math.prod(extents)
    windows = sliding_window_view(images, extents[:2], axis=(1, 2)).transpose(4, 5, 3, 0, 1, 2)
    positions = windows.shape[4] * windows.shape[5]
    kernels = network.kernels[0].reshape(-1, filters).T.astype(precision)  # (filter, kernel element)
    biases = network.biases[0].astype(precision)[:, np.newaxis]
    for block in _blocks(images, BLOCK_ENTRIES // (positions * max(filters, elements))):
        patches = windows[:, :, :, block].reshape(elements, -1)  # (kernel element, image x position)
        maps = kernels @ (patches / precision(255))
        maps += biases
        yield block, ACTIVATIONS[activation](maps).reshape(filters, -1, positions)


def head_by_filter(network: Parameters) -> Floats:
    """The dense weights of one network's filters, (filter, position, class), float64."""
    filters = network.kernels.shape[-1]
    head = network.head[0].astype(np.float64)
    return np.asarray(head.reshape(-1, filters, head.shape[-1]).transpose(1, 0, 2))


def filter_shares(network: Parameters, images: Images, activation: str) -> Iterator[tuple[slice, Floats]]:
    """Each filter's share of the logits, a few images at a time; arguments as for :func:`feature_maps`.

    Without an activation no feature maps are computed, which takes a quarter of the time for 100 filters of 3x1.

    Yields:
        Which images, and the shares (filter, image, class).
    """
    if activation == "linear":
        weights, constants = effective_weights(network, images.shape[1:])
        for block in _blocks(images, BLOCK_ENTRIES // max(len(weights), weights[0].size)):
            pixels = images[block].reshape(-1, len(weights)) / 255.0
            yield block, np.tensordot(pixels, weights, axes=1).swapaxes(0, 1) + constants[:, np.newaxis]
    else:
        head = head_by_filter(network)
        for block, maps in feature_maps(network, images, activation):
            yield block, maps @ head


def effective_weights(network: Parameters, image_shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Each filter's share of the logits as a function of the pixels, for a network without an activation.

    Args:
        network: one network, with a seed axis of length 1.
        image_shape: rows, columns and channels of an image.

    Returns:
        Weights (pixel, filter, class) and constants (filter, class): a share is the pixels, in [0, 1] and row by row,
        times the weights, plus the constants. Each channel of a pixel counts as a pixel.
    """
    kernels, biases = (array[0].astype(np.float64) for array in (network.kernels, network.biases))
    head = head_by_filter(network)
    rows, columns = image_shape[0] - kernels.shape[0] + 1, image_shape[1] - kernels.shape[1] + 1
    of_filters = [
        effect_on_pixels(kernels[..., [place]], own.reshape(rows, columns, 1, -1)) for place, own in enumerate(head)
    ]
    weights = np.stack(of_filters, axis=3)  # (row, column, channel, filter, class)
    return weights.reshape(-1, *weights.shape[3:]), biases[:, np.newaxis] * head.sum(axis=1)


def effect_on_pixels(kernels: Floats, by_filter: Floats) -> Floats:
    """How much the filters of a linear network add to the logits for each pixel, (row, column, channel, class).

    Each dense weight is spread over the pixels of its patch.

    Args:
        kernels: (row, column, channel, filter).
        by_filter: dense weights, (row, column, filter, class).
    """
    height, width, channels, _ = kernels.shape
    rows, columns, _, classes = by_filter.shape
    effect = np.zeros((rows + height - 1, columns + width - 1, channels, classes))
    for i, j, channel in np.ndindex(height, width, channels):
        spread = np.einsum("f,rcfo->rco", kernels[i, j, channel], by_filter)
        effect[i : i + rows, j : j + columns, channel] += spread
    return effect


def cross_entropies(scores: Floats, labels: Labels) -> Floats:
    """The loss of each image in nats, (..., image), for logits (..., image, class)."""
    return np.asarray(-log_softmax(scores, axis=-1)[..., np.arange(len(labels)), labels])


def class_errors(scores: Floats, labels: Labels) -> Floats:
    """P - y for each image and class: the derivative of an image's loss by its logits (image, class)."""
    errors = softmax(scores, axis=1)
    errors[np.arange(len(labels)), labels] -= 1
    return np.asarray(errors)


def constant_filters(network: Parameters, activation: str) -> NDArray[np.bool_]:
    """Which filters of one network answer the same to every patch with pixels in [0, 1], ``(filter,)``.

    They are the filters whose kernel is zero, and under ReLU also those that never fire. Their answer is φ(bias).
    """
    kernels, biases = network.kernels[0].reshape(-1, network.kernels.shape[-1]), network.biases[0]
    constant = ~kernels.any(axis=0)
    if activation == "relu":
        constant |= never_active_filters(filter_vectors(kernels, biases, "positive_scale"))
    return np.asarray(constant)


def _blocks(images: Images, size: int) -> Iterator[slice]:
    """The images in blocks of so many, at least one."""
    size = max(1, size)
    return (slice(start, start + size) for start in range(0, len(images), size))
