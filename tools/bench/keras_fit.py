"""Keras as a user would write it: ``model.fit``, one model after another, on all cores.

    python keras_fit.py arrays      the images as arrays, already in the order of the batches
    python keras_fit.py tf_data     a tf.data pipeline that gathers them

No metric is computed on the way, and the images are scaled before the clock starts: both are in favour of Keras.
"""

from __future__ import annotations

import sys

import numpy as np
from work import Trained, Work, pixels, serve, timed

from filtertwins.training import plain_model  # before keras: sets its backend

import keras  # isort: skip
import tensorflow as tf  # isort: skip


def arrays(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict:
    """What ``fit`` gets: the images of all batches, one after another."""
    shown = order.ravel()
    return {"x": images[shown], "y": labels[shown], "batch_size": order.shape[1], "shuffle": False}


def tf_data(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict:
    """What ``fit`` gets: a pipeline that gathers each batch ahead of its step."""
    pixels, targets = tf.constant(images), tf.constant(labels)
    pipeline = tf.data.Dataset.from_tensor_slices(order)
    pipeline = pipeline.map(lambda batch: (tf.gather(pixels, batch), tf.gather(targets, batch)), tf.data.AUTOTUNE)
    return {"x": pipeline.prefetch(tf.data.AUTOTUNE)}


FEEDS = {"arrays": arrays, "tf_data": tf_data}


def train(work: Work, feed: str) -> Trained:
    """One model, from its compilation to its last step."""
    (seed,) = work.seeds
    data = work.data()
    images, labels = pixels(data.train_images), data.train_labels.astype(np.int32)
    order = work.batches(len(labels))[0]  # (step, image)
    first, rest = (FEEDS[feed](images, labels, some) for some in np.split(order, [work.warm]))
    model = plain_model(work.architecture, work.filters, seed, data.train_images.shape[1:])

    def compile_and_warm() -> None:
        model.compile(_optimizer(work), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(**first, verbose=0)

    wall_s, step_s = timed(compile_and_warm, lambda: model.fit(**rest, verbose=0), work.steps - work.warm)
    answers = model.predict(pixels(data.test_images), batch_size=500, verbose=0).argmax(axis=1)
    return Trained(wall_s, step_s, {seed: float(np.mean(answers == data.test_labels))})


def _optimizer(work: Work) -> keras.Optimizer:
    if work.architecture.optimizer != "adam":
        raise ValueError(f"optimizer = {work.architecture.optimizer}; the benchmark's conditions are trained by adam")
    return keras.optimizers.Adam(work.architecture.learning_rate)


if __name__ == "__main__":
    serve(lambda work: train(work, sys.argv[1]))
