"""The diagonal of the Hessian: the second derivative of the training loss by each weight on its own.

For one image let z be the logits, p their softmax, y the one-hot label, and S = diag(p) - p pᵀ, the second derivative
of the cross-entropy by z. By any weight u

    d²loss/du² = vᵀ S v + (p - y)ᵀ d²z/du²,   v = dz/du.

The logits are affine in a dense weight, with v the feature map's entry in one class: φ² p_c (1 - p_c). A kernel weight
meets a pixel x at each position, so that v = Σ x φ'(a) w, summed over the positions, with w the position's dense
weights (class) and a the map before the activation φ; and d²z/du² = Σ x² φ''(a) w. A bias meets x = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from filtertwins.measures.redundancy import Floats
from filtertwins.networks.forward import (
    ACTIVATIONS,
    FIRST_DERIVATIVES,
    SECOND_DERIVATIVES,
    Images,
    Labels,
    class_errors,
)
from filtertwins.networks.weights import Parameters

Singles = NDArray[np.float32]

_BLOCK_ENTRIES = 1_000_000  # The feature maps of a block have so many entries, 4 MB of float32.
_CURVED = ("tanh",)  # These activations have a second derivative other than 0.


@dataclass(frozen=True)
class _Block:
    """A few images, and what the second derivatives need of them, in float32."""

    activation: str
    head: Singles  # (position, filter, class)
    patches: Singles  # (image, kernel element and 1, position); pixels in [0, 1], and a 1 for the bias
    before: Singles  # (image, position, filter), the maps before the activation
    chances: Singles  # p (image, class)
    variances: Singles  # p (1 - p)
    errors: Singles  # p - y

    @cached_property
    def slopes(self) -> Singles:
        """φ'(a), (image, position, filter)."""
        return FIRST_DERIVATIVES[self.activation](self.before)

    def of_bends(self) -> Singles:
        """φ''(a) times w·(p - y), the loss's derivative by each entry of the maps: (image, position, filter)."""
        by_entry = self.errors @ self.head.reshape(-1, self.errors.shape[1]).T
        return np.asarray(SECOND_DERIVATIVES[self.activation](self.before) * by_entry.reshape(self.before.shape))


def hessian_diagonal(network: Parameters, images: Images, labels: Labels, activation: str) -> Parameters:
    """The exact second derivative of the mean cross-entropy by every weight.

    Sums over an image are in float32, sums over images in float64. The relative error is at most about 1e-5.

    Args:
        network: one network, with a seed axis of length 1.
        images: (image, row, column, channel), bytes; the network sees them in [0, 1].
        labels: (image,).
        activation: linear, relu (its second derivative is taken as 0 at the kink too) or tanh.

    Returns:
        A second derivative in the place of each weight, float64.
    """
    *extents, filters = network.kernels.shape[1:]
    elements = math.prod(extents)
    windows = sliding_window_view(images, extents[:2], axis=(1, 2)).transpose(0, 4, 5, 3, 1, 2)
    positions, classes = windows.shape[4] * windows.shape[5], network.head_bias.shape[1]
    weights = np.concatenate([network.kernels[0].reshape(-1, filters), network.biases]).astype(np.float32)
    head, head_bias = network.head[0].astype(np.float32), network.head_bias[0].astype(np.float64)
    of_kernels = np.zeros((elements + 1, filters))  # The last row is that of the biases.
    of_head, of_head_bias = np.zeros((classes, positions * filters)), np.zeros(classes)
    images_per_block = max(1, _BLOCK_ENTRIES // (positions * filters))
    for start in range(0, len(images), images_per_block):
        own = slice(start, start + images_per_block)
        pixels = windows[own].reshape(-1, elements, positions)
        patches = np.ones((len(pixels), elements + 1, positions), np.float32)
        np.divide(pixels, 255, out=patches[:, :-1], dtype=np.float32)
        before = patches.transpose(0, 2, 1) @ weights
        maps = ACTIVATIONS[activation](before).reshape(len(before), -1)
        errors = class_errors(maps @ head + head_bias, labels[own])
        chances = errors + np.eye(classes)[labels[own]]
        by_class = (part.astype(np.float32) for part in (chances, chances * (1 - chances), errors))
        block = _Block(activation, head.reshape(positions, filters, classes), patches, before, *by_class)
        of_head += block.variances.T @ maps**2  # φ² p (1 - p)
        of_head_bias += block.variances.sum(axis=0, dtype=np.float64)
        _add_to_kernels(block, of_kernels)
    shapes = [part.shape for part in vars(network).values()]
    sums = (of_kernels[:-1], of_kernels[-1], of_head.T, of_head_bias)
    return Parameters(*(part.reshape(shape) / len(images) for part, shape in zip(sums, shapes, strict=True)))


def _add_to_kernels(block: _Block, sums: Floats) -> None:
    """Add a block's part to the sums of kernels and biases (kernel element and 1, filter)."""
    by_class = np.ascontiguousarray(block.head.transpose(2, 0, 1))  # (class, position, filter)
    for own, patches in enumerate(block.patches):  # One image at a time fits in the processor's cache.
        by_map = by_class if block.activation == "linear" else by_class * block.slopes[own]
        by_weight = patches @ by_map  # v of each kernel weight, (class, kernel element and 1, filter)
        # vᵀ S v = Σ p_c (v_c - v̄)² with v̄ = Σ p_c v_c. As a variance it is never negative.
        by_weight -= np.tensordot(block.chances[own], by_weight, axes=1)
        by_weight *= by_weight
        sums += np.tensordot(block.chances[own], by_weight, axes=1)
    if block.activation in _CURVED:
        sums += (block.patches**2 @ block.of_bends()).sum(axis=0, dtype=np.float64)
