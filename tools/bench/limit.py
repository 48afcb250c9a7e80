"""The limit: what a training step would take if it were only arithmetic at the machine's peak, or only memory traffic.

    python limit.py <cores> <bytes> [<bytes> ...]

prints, as JSON, float32 operations a second in products of large matrices, and for working sets of so many bytes a core
the bytes a second that copying reads and writes; on all cores.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from filtertwins.names import CLASSES
from filtertwins.pruning.cost import network_cost
from filtertwins.settings import Architecture

MATRIX = 3072  # the rows and columns of a large matrix
COPY_S, MATRIX_S = 0.4, 2.0
ADAM_TRAFFIC = 7  # Adam reads weights, gradients and two moments, and writes weights and moments.


def step_flops(architecture: Architecture, filters: int, image_shape: tuple[int, int], *, collapsed: bool) -> int:
    """Multiplications and additions of one training step of one network, forward and backward.

    Only products count: the convolution with its gradient by the kernels (that by the images is not needed), and the
    dense layer with its gradients by the weights and by the maps. Biases, activation, softmax and optimiser do not.

    Args:
        architecture: the network; its ``filters`` are ignored.
        filters: the number of filters.
        image_shape: rows and columns.
        collapsed: whether the network has the form that training gives to linear ones. Then the products are those that
            form effective weights from kernels and dense weights, and of every image with the effective weights, each
            with its gradients.
    """
    cost = network_cost(architecture.kernel, filters, image_shape)
    if collapsed:
        of_weights = cost.convolution_macs * CLASSES  # Each dense weight is spread over a kernel.
        of_image = math.prod(image_shape) * CLASSES
        return 2 * (3 * of_weights + 2 * architecture.batch * of_image)
    return 2 * architecture.batch * (2 * cost.convolution_macs + 3 * cost.dense_macs)


def working_bytes(architecture: Architecture, filters: int, image_shape: tuple[int, int]) -> int:
    """The bytes that Adam keeps of one network: its weights, their gradients and two moments."""
    return 4 * network_cost(architecture.kernel, filters, image_shape).bytes


def limits(
    conditions: Mapping[tuple[str, int], Architecture], image_shape: tuple[int, int], machine: Mapping[str, float]
) -> pd.DataFrame:
    """The least time of a model-step on all cores: a row for each condition, and two for linear networks.

    Args:
        conditions: architectures, by name and number of filters.
        image_shape: rows and columns.
        machine: what this file's ``main`` prints.
    """
    rows = []
    for (name, filters), architecture in conditions.items():
        copying = machine[f"copying_{working_bytes(architecture, filters, image_shape)}"]
        memory_s = ADAM_TRAFFIC * network_cost(architecture.kernel, filters, image_shape).bytes / copying
        linear = architecture.activation == "linear"
        for competitor, collapsed in [("limit", linear)] + [("limit_layered", False)] * linear:
            flops = step_flops(architecture, filters, image_shape, collapsed=collapsed)
            arithmetic_s = flops / machine["operations"]
            rows.append(
                {"architecture": name, "filters": filters, "competitor": competitor, "mflop": flops / 1e6}
                | {"arithmetic_ms": 1000 * arithmetic_s, "memory_ms": 1000 * memory_s}
                | {"step_ms": 1000 * max(arithmetic_s, memory_s)}
            )
    return pd.DataFrame(rows)


def copy_rate(working_bytes: int) -> float:
    """Bytes read and written a second, on one core, on average: the cores share caches and memory."""
    source = np.ones(working_bytes // 8, np.float32)
    target = np.empty_like(source)
    times_s = _times_s(lambda: np.copyto(target, source), COPY_S)
    return 2 * source.nbytes * len(times_s) / sum(times_s)


def matrix_rate() -> float:
    """Operations a second, on all cores, by TensorFlow at its best."""
    import tensorflow as tf

    matrix = tf.random.uniform((MATRIX, MATRIX))
    return 2 * MATRIX**3 / min(_times_s(lambda: tf.matmul(matrix, matrix), MATRIX_S))


def _times_s(call: Callable[[], object], duration_s: float) -> list[float]:
    """The times of calls, one after another for so long."""
    times_s, end_s = [], time.perf_counter() + duration_s
    while not times_s or time.perf_counter() < end_s:
        start_s = time.perf_counter()
        call()
        times_s.append(time.perf_counter() - start_s)
    return times_s


def main() -> None:
    cores, *working_sets = map(int, sys.argv[1:])
    with multiprocessing.Pool(cores) as pool:
        copying = {f"copying_{size}": sum(pool.map(copy_rate, [size] * cores, 1)) for size in working_sets}
    print(json.dumps({"operations": matrix_rate()} | copying))


if __name__ == "__main__":
    main()
