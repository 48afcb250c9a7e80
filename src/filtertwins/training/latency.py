"""How long a network takes to answer, as TensorFlow runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

CALL_S = 0.02  # A round calls each network for about this long, but at least FEWEST_CALLS times.
FEWEST_CALLS = 3
MOST_CALLS = 200


def measure_latency(models: Sequence[keras.Model], images: NDArray[np.uint8], rounds: int) -> NDArray[np.float64]:
    """The median time of a call, for each network and round. Networks take turns, so that a slow spell affects all.

    Args:
        models: the networks. Each is compiled for batches like `images` before the clock starts.
        images: one batch, (image, row, column, channel), bytes.
        rounds: how often each network takes its turn.

    Returns:
        (network, round), seconds.
    """
    batch = tf.constant(images / 255.0, tf.float32)
    calls = [_compiled(model, batch) for model in models]
    counts = [int(np.clip(CALL_S / _call_s(call), FEWEST_CALLS, MOST_CALLS)) for call in calls]
    latency_s = np.empty((len(models), rounds))
    for turn in range(rounds):
        for index, (call, count) in enumerate(zip(calls, counts, strict=True)):
            latency_s[index, turn] = np.median([_call_s(call) for _ in range(count)])
    return latency_s


def _compiled(model: keras.Model, batch: tf.Tensor) -> Callable[[], tf.Tensor]:
    function = tf.function(lambda images: model(images, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(batch.shape, batch.dtype))
    for _ in range(FEWEST_CALLS):  # The first calls prepare memory.
        concrete(batch)
    return lambda: concrete(batch)


def _call_s(call: Callable[[], tf.Tensor]) -> float:
    start_s = time.perf_counter()
    call().numpy()  # This waits for the answer.
    return time.perf_counter() - start_s
