"""Penalties on kernels: Keras's own regularisers, for all networks of a stack."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from filtertwins.architectures import Architecture


def penalty_gradient(architecture: Architecture) -> Callable[[tf.Variable], tf.Tensor] | None:
    """The gradient of the penalties on kernels, as a function of these; None for an architecture without one.

    Each network has its own penalty, on its kernels as a matrix (tap, filter). Every stack trains the kernels
    themselves, also where it computes with effective weights, so that this gradient is added to that of the loss.

    Returns:
        a function from the kernels of all networks, (network, tap or row and column, filter), to gradients like them.
    """
    if architecture.kernel_regularizer is None:
        return None
    named = architecture.kernel_regularizer.model_dump().items()
    regularizers = [getattr(keras.regularizers, name)(**options) for name, options in named]

    def of_network(matrix: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(matrix)
            penalty = tf.add_n([regularizer(matrix) for regularizer in regularizers])
        return tape.gradient(penalty, matrix)

    def of_all(kernels: tf.Variable) -> tf.Tensor:
        networks, *_, filters = kernels.shape
        matrices = tf.reshape(kernels, (networks, -1, filters))
        return tf.reshape(tf.map_fn(of_network, matrices), kernels.shape)

    return of_all
