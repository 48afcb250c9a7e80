"""Keras as a user would write it: ``model.fit``, one model after another, on all cores.

    python keras_fit.py arrays                     waits for work; the images as arrays, in the order of the batches
    python keras_fit.py tf_data                    the same; a tf.data pipeline gathers each batch ahead of its step
    python keras_fit.py <feed> --once '<work>'     the naive pipeline's process: one model, and its end

No metric is computed on the way, and images are scaled before the clock starts. Both are in favour of Keras.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from work import Trained, Work, pixels, serve, timed

from filtertwins.training import plain_model  # before keras: it sets the backend

import keras  # isort: skip
import tensorflow as tf  # isort: skip


def arrays(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """What ``fit`` gets: the images of all batches, one after another."""
    return {"x": images[order.ravel()], "y": labels[order.ravel()], "batch_size": order.shape[1], "shuffle": False}


def tf_data(images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> dict[str, Any]:
    """What ``fit`` gets: a pipeline."""
    x, y = tf.constant(images), tf.constant(labels)
    batches = tf.data.Dataset.from_tensor_slices(order)
    batches = batches.map(lambda batch: (tf.gather(x, batch), tf.gather(y, batch)), tf.data.AUTOTUNE)
    return {"x": batches.prefetch(tf.data.AUTOTUNE), "shuffle": False}


FEEDS = {"arrays": arrays, "tf_data": tf_data}


def train(work: Work, feed: str) -> Trained:
    """One model, from its compilation to its last step."""
    (seed,) = work.seeds
    data = work.data()
    images, labels = pixels(data.train_images), data.train_labels.astype(np.int32)
    order = work.batches(len(labels))[0]  # (step, image)
    parts = {
        first: FEEDS[feed](images, labels, order[first:stop])
        for first, stop in ((0, work.warm), (work.warm, work.steps))
    }
    keras.utils.clear_session()
    model = plain_model(work.architecture, work.filters, seed, data.train_images.shape[1:])

    def run(first: int, stop: int) -> None:
        if first == 0:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.Adam(work.adam_rate()), loss)
        model.fit(**parts[first], verbose=0)
        print(f"step {stop}/{work.steps}", flush=True)

    wall_s, step_s = timed(work, run)
    answers = model.predict(pixels(data.test_images), batch_size=500, verbose=0).argmax(axis=1)
    return Trained(wall_s, step_s, {seed: float(np.mean(answers == data.test_labels))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("feed", choices=FEEDS)
    parser.add_argument("--once", type=json.loads)
    parser.add_argument("--one-thread", action="store_true")
    arguments = parser.parse_args()
    if arguments.one_thread:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if arguments.once:
        print(json.dumps(train(Work(**arguments.once), arguments.feed).accuracies))
    else:
        serve(lambda work: train(work, arguments.feed))


if __name__ == "__main__":
    main()
