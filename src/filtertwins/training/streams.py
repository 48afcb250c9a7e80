"""What a seed fixes (initial weights, batches, dropout), and how many steps a run trains.

Every stream of random numbers comes from a counter-based generator (Philox; Salmon et al. 2011) whose key is the seed
and the purpose of the numbers. So a run's numbers depend on nothing else: neither on other seeds nor on chunks or
threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What a stream of random numbers is for. The values are part of every result: never renumber them."""

    KERNEL = 1
    HEAD = 2
    BATCHES = 3
    PERTURBATION = 4
    LABELS = 5
    DROPOUT = 6
    FINE_TUNING = 7


def generator(seed: int, purpose: Purpose, block: int = 0) -> np.random.Generator:
    """The random generator of one purpose; `block` selects one of 2**64 disjoint parts of its stream."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, block]))


def initializer_seed(seed: int, purpose: Purpose, block: int = 0) -> int:
    """The integer seed for a Keras initialiser."""
    return int(generator(seed, purpose, block).integers(2**31))


def epoch_order(seed: int, epoch: int, images: int, order: Purpose = Purpose.BATCHES) -> NDArray[np.int32]:
    """The order of the training images in one epoch, drawn from the stream `order`.

    Returns:
        (images,) a permutation of 0 .. images - 1.
    """
    return generator(seed, order, epoch).permutation(images).astype(np.int32)


def batches(seed: int, images: int, batch: int, order: Purpose = Purpose.BATCHES) -> Iterator[NDArray[np.int32]]:
    """The image indices of every batch, without end. Each epoch is shuffled anew, and an incomplete batch is dropped.

    Yields:
        (batch,) indices into the training images, of which there must be as many as a batch has.
    """
    epoch = 0
    while True:
        shuffled = epoch_order(seed, epoch, images, order)
        yield from shuffled[: images // batch * batch].reshape(-1, batch)
        epoch += 1


def training_labels(labels: NDArray[np.uint8], seeds: Sequence[int], *, shuffle: bool) -> NDArray[np.uint8]:
    """The labels that each network is trained on: the true ones, or a permutation that its seed fixes.

    Returns:
        (network, image).
    """
    if not shuffle:
        return np.tile(labels, (len(seeds), 1))
    return np.stack([generator(seed, Purpose.LABELS).permutation(labels) for seed in seeds])


def total_steps(steps: int | None, epochs: int | None, images: int, batch: int) -> int:
    """The number of optimiser steps of one run. An epoch drops an incomplete last batch."""
    if steps is not None:
        return steps
    if epochs is None:
        raise ValueError("give either steps or epochs")
    return epochs * (images // batch)


def snapshot_steps(steps: int, count: int) -> tuple[int, ...]:
    """Step 0 and at most `count` log-spaced steps, which include the last one.

    >>> snapshot_steps(100, 3)
    (0, 1, 10, 100)
    """
    return (0, *sorted({round(steps ** (i / (count - 1))) for i in range(count)}))
