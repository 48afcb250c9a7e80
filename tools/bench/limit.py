"""The limit: what a training step would take if it were only arithmetic at the peak, or only memory traffic."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from timeit import Timer

import numpy as np
import pandas as pd

from filtertwins.architectures import Architecture
from filtertwins.pruning.cost import network_cost

Conditions = Mapping[tuple[str, int], Architecture]
"""By name and number of filters."""
MATRIX, PRODUCTS = 3072, 10  # rows and columns of a large matrix; how often it is multiplied with itself
ADAM_TRAFFIC = 7  # Adam reads weights, gradients and two moments, and writes weights and moments.


def step_flops(architecture: Architecture, filters: int, image_shape: tuple[int, ...], classes: int) -> int:
    """Multiplications and additions of one training step of one network, forward and backward.

    Only products count: the convolution with its gradient by the kernels (that by the images is not needed), and the
    dense layer with its gradients by the weights and by the maps. Biases, activation, softmax and optimiser do not. The
    products of a linear network are those that form effective weights from kernels and dense weights, and of every
    image with the effective weights, each with its gradients.

    Args:
        architecture: the network; its ``filters`` are ignored.
        filters: the number of filters.
        image_shape: rows, columns and channels.
        classes: how many the dataset has.
    """
    cost = network_cost(architecture.kernel, filters, image_shape, classes)
    if architecture.activation == "linear":
        of_weights = cost.convolution_macs * classes  # Each dense weight is spread over a kernel.
        of_image = math.prod(image_shape) * classes
        return 2 * (3 * of_weights + 2 * architecture.batch * of_image)
    return 2 * architecture.batch * (2 * cost.convolution_macs + 3 * cost.dense_macs)


def working_bytes(architecture: Architecture, filters: int, image_shape: tuple[int, ...], classes: int) -> int:
    """The bytes that Adam keeps of one network: its weights, their gradients and two moments."""
    return 4 * network_cost(architecture.kernel, filters, image_shape, classes).bytes


def limits(
    conditions: Conditions, image_shape: tuple[int, ...], classes: int, machine: Mapping[str, float]
) -> pd.DataFrame:
    """The least time of a model-step on all cores, a row for each condition.

    Args:
        conditions: what is trained.
        image_shape: rows, columns and channels.
        classes: how many the dataset has.
        machine: the rates of :func:`measure_machine`.
    """
    rows = []
    for (name, filters), architecture in conditions.items():
        kept = working_bytes(architecture, filters, image_shape, classes)
        memory_ms = 1000 * ADAM_TRAFFIC * kept / 4 / machine[f"copying_{kept}"]
        arithmetic_ms = 1000 * step_flops(architecture, filters, image_shape, classes) / machine["operations"]
        rows.append((name, filters, "limit", max(arithmetic_ms, memory_ms)))
    return pd.DataFrame(rows, columns=["architecture", "filters", "competitor", "step_ms"])


def measure_machine(cores: int, tensorflow: Executor, sizes: Iterable[int]) -> dict[str, float]:
    """What all cores do at their best; ``tensorflow`` is a process that may import it.

    Returns:
        ``operations``: float32 operations a second in products of large matrices. ``copying_<bytes>``: for each size
        of what a core works on, the bytes a second that copying reads and writes.
    """
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        rates = {f"copying_{size}": sum(pool.map(copy_rate, [size] * cores, 1)) for size in sizes}
    return rates | {"operations": tensorflow.submit(matrix_rate).result()}


def copy_rate(working_bytes: int) -> float:
    """Bytes read and written a second, on one core, on average: the cores share caches and memory."""
    source = np.ones(working_bytes // 8, np.float32)
    target = np.empty_like(source)
    copies, seconds = Timer(lambda: np.copyto(target, source)).autorange()
    return 2 * source.nbytes * copies / seconds


def matrix_rate() -> float:
    """Operations a second, on all cores, by TensorFlow at its best."""
    import tensorflow as tf

    matrix = tf.random.uniform((MATRIX, MATRIX))
    return 2 * MATRIX**3 / min(Timer(lambda: tf.matmul(matrix, matrix)).repeat(PRODUCTS, 1))
