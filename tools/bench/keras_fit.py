"""Keras as a user would write it: ``model.fit``, one model after another, on all cores.

No metric is computed on the way, and images are scaled before the clock starts. Both are in favour of Keras.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from work import Trained, Work, pixels, timed

from filtertwins.training import plain_model  # before keras: it sets the backend
from filtertwins.training.streams import batches

import keras  # isort: skip
import tensorflow as tf  # isort: skip


def initial_weights(work: Work) -> list[list[np.ndarray]]:
    """Where each seed's network begins: kernel, bias, dense weights and bias, in Keras's layout."""
    data = work.data()
    shape, classes = data.image_shape, data.classes
    return [plain_model(work.architecture, work.filters, seed, shape, classes).get_weights() for seed in work.seeds]


def batch_order(work: Work) -> np.ndarray:
    """The training images of each step: (seed, step, image)."""
    images = len(work.data().train_labels)
    streams = [batches(seed, images, work.architecture.batch) for seed in work.seeds]
    return np.array([list(islice(stream, work.architecture.steps)) for stream in streams])


def arrays(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """What ``fit`` gets: the images of all batches, one after another."""
    return {"x": images[order.ravel()], "y": labels[order.ravel()], "batch_size": order.shape[1]}


def tf_data(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """What ``fit`` gets: a pipeline that gathers each batch ahead of its step."""
    x, y = tf.constant(images), tf.constant(labels)
    steps = tf.data.Dataset.from_tensor_slices(order)
    steps = steps.map(lambda batch: (tf.gather(x, batch), tf.gather(y, batch)), tf.data.AUTOTUNE)
    return {"x": steps.prefetch(tf.data.AUTOTUNE)}


FEEDS = {"arrays": arrays, "tf_data": tf_data}


def train(work: Work, feed: str, threads: int = 0) -> Trained:
    """One model, from its compilation to its last step, on so many threads (0: one for each core)."""
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    (seed,), data = work.seeds, work.data()
    images, labels = pixels(data.train_images), data.train_labels.astype(np.int32)
    order = batch_order(work)[0]  # (step, image)
    parts = {0: order[: work.warm], work.warm: order[work.warm :]}  # by their first step
    feeds = {first: FEEDS[feed](images, labels, part) for first, part in parts.items()}
    keras.utils.clear_session()
    model = plain_model(work.architecture, work.filters, seed, data.image_shape, data.classes)

    def run(first: int, _stop: int) -> None:
        if first == 0:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.Adam(work.architecture.learning_rate), loss)
        model.fit(**feeds[first], shuffle=False, verbose=0)

    wall_s, step_s = timed(work, run)
    answers = model.predict(pixels(data.test_images), batch_size=500, verbose=0).argmax(axis=1)
    return Trained(wall_s, step_s, {seed: float(np.mean(answers == data.test_labels))})
