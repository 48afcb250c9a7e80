"""What filters are shown: the patches of a dataset's images, and which filters answer to none of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from filtertwins.measures.redundancy import BLOCK_ENTRIES, Floats, Numbers

Bytes = NDArray[np.uint8]

_WHITE = 255  # The byte that networks see as a pixel of 1.
_FIRST_IMAGES = 20  # Nearly every filter that is ever active is so on these.
_CACHED = 500_000  # So many answers at a time stay in the processor's cache.


def patch_blocks(images: Bytes, kernel: tuple[int, int], first: int | None = None) -> Iterator[Bytes]:
    """All patches of images that a kernel is laid on, without padding, some images at a time.

    Args:
        images: (image, row, column, channel), bytes.
        kernel: its height and width.
        first: how many images are in the first block, by default as many as in the others.

    Yields:
        (kernel element, patch): rows of a patch, then columns, then channels, as a kernel's weights are flattened.

    Raises:
        ValueError: the images are no bytes, or smaller than the kernel.
    """
    height, width = kernel
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images: {images.dtype} of shape {images.shape}; allowed: bytes, four axes")
    if images.shape[1] < height or images.shape[2] < width:
        raise ValueError(f"kernel: {height}x{width}; images have {images.shape[1]}x{images.shape[2]} pixels")
    windows = sliding_window_view(images, kernel, axis=(1, 2)).transpose(4, 5, 3, 0, 1, 2)
    elements = height * width * images.shape[3]
    size = max(1, BLOCK_ENTRIES // (elements * windows.shape[4] * windows.shape[5]))
    ends = [0, min(first or size, size)]
    while ends[-1] < len(images):
        ends.append(ends[-1] + size)
    for start, end in pairwise(ends):
        yield windows[:, :, :, start:end].reshape(elements, -1)


def patch_moment(images: Bytes, kernel: tuple[int, int], *, bias: bool = False) -> Floats:
    """The patches' second moment, the mean of x xᵀ over all patches x with pixels in [0, 1].

    Sums are of integers and exact, so that they do not depend on an order or a number of threads.

    Args:
        images: (image, row, column, channel), bytes; at most 100 billion patches.
        kernel: its height and width.
        bias: whether a pixel that is always 1 is added at the end, which makes a bias one more weight.

    Returns:
        (dimension, dimension), of a kernel's flattened weights and perhaps its bias.

    Raises:
        ValueError: the images are no bytes, or smaller than the kernel.
    """
    total, patches = np.zeros((1, 1)), 0
    for block in patch_blocks(images, kernel):
        seen = np.full((len(block) + bias, block.shape[1]), _WHITE, dtype=np.float64)
        seen[: len(block)] = block
        total = total + seen @ seen.T  # Floats hold these integers without rounding.
        patches += block.shape[1]
    return np.asarray(total / (patches * _WHITE**2))


def never_active_on(kernels: Numbers, biases: Numbers, images: Bytes) -> NDArray[np.bool_]:
    """Which ReLU filters answer 0 to every patch of some images: w·x + b ≤ 0, in double precision.

    They get no gradient from these images, and all do the same job, which is none. Most filters are decided by the
    largest answer that any patch with pixels in [0, 1] could have, or by the first images.

    Args:
        kernels: (network, row, column, channel, filter).
        biases: (network, filter).
        images: (image, row, column, channel), bytes, that networks see in [0, 1].

    Returns:
        (network, filter).

    Raises:
        ValueError: biases or images do not fit the kernels.
    """
    networks, height, width, channels, filters = kernels.shape
    elements = height * width * channels
    if biases.shape != (networks, filters) or images.shape[3] != channels:
        raise ValueError(f"kernels: {kernels.shape} do not fit biases {biases.shape} and images {images.shape}")
    weights = np.moveaxis(kernels.reshape(networks, elements, filters), 1, -1).reshape(-1, elements).astype(np.float64)
    own = biases.reshape(-1).astype(np.float64)
    undecided = np.flatnonzero(np.maximum(weights, 0).sum(axis=1) + own > 0)
    active = np.zeros(len(weights), dtype=bool)
    for block in patch_blocks(images, (height, width), _FIRST_IMAGES):
        if not len(undecided):
            break
        bright = np.bitwise_or.reduce(block, axis=0) > 0
        if not bright.all():
            active |= own > 0  # The answer to a black patch is the bias, exactly.
        patches = block[:, bright].astype(np.float64)  # Answers to bytes are 255 times as large as to pixels in [0, 1].
        for some in np.array_split(patches, max(1, -(-len(undecided) * patches.shape[1] // _CACHED)), axis=1):
            answers = weights[undecided] @ some + _WHITE * own[undecided, np.newaxis]
            active[undecided] |= (answers > 0).any(axis=1)
        undecided = undecided[~active[undecided]]
    return ~active.reshape(networks, filters)
