"""A Keras user's own training, to hold the stacks against."""

from __future__ import annotations

import itertools

import keras
import numpy as np

from filtertwins.training.streams import Purpose, batches


def pixels(images):
    """Images of bytes as Keras takes them."""
    return images.astype(np.float32) / 255


def fit(model, dataset, setting, seed, steps, order=Purpose.BATCHES):
    """Train a plain model on the seed's own batches."""
    options = {"adam": {}, "adamw": {"weight_decay": setting.weight_decay}, "sgd": {"momentum": setting.momentum}}
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    optimizer = kinds[setting.optimizer](setting.learning_rate, **options[setting.optimizer])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
    for indices in itertools.islice(batches(seed, len(dataset.train_labels), setting.batch, order), int(steps)):
        model.train_on_batch(pixels(dataset.train_images[indices]), dataset.train_labels[indices])
    return model
