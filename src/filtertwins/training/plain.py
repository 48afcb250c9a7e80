"""Networks as Keras itself computes them, to hold what other stacks do against it."""

from __future__ import annotations

import keras
import tensorflow as tf

from filtertwins.networks.weights import Parameters
from filtertwins.training.stacks import as_images


class KerasStack:
    """Networks that one plain Keras model computes in turn, each with its own weights.

    Operations and gradients are those that a Keras user gets, and so are the last bits of results: a convolution may
    sum in another order for one filter than for another. That makes it the yardstick of what stays equal.
    """

    images_at_once = 500

    def __init__(self, model: keras.Model, initial: Parameters) -> None:
        self._model = model
        self.variables = [tf.Variable(array) for array in vars(initial).values()]  # in the model's order

    def _answers(self, pixels: tf.Tensor, weights: list[tf.Tensor]) -> tf.Tensor:
        """The logits (image, class) of one network for images (image, pixel), uint8."""
        images = as_images(pixels, self._model.input_shape[1:])
        logits, _ = self._model.stateless_call(weights, [], images)
        return logits

    def losses_and_gradients(
        self, pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        networks, seeds = labels.shape[0], indices.shape[0]

        def of_network(network: tf.Tensor) -> list[tf.Tensor]:
            images = tf.gather(pixels, indices[network // (networks // seeds)])
            weights = [tf.convert_to_tensor(variable[network]) for variable in self.variables]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                logits = self._answers(images, weights)
                losses = keras.losses.sparse_categorical_crossentropy(labels[network], logits, from_logits=True)
                loss = tf.reduce_mean(losses)
            return [loss, *tape.gradient(loss, weights)]

        kinds = [tf.float32] * (1 + len(self.variables))
        losses, *gradients = tf.map_fn(of_network, tf.range(networks), fn_output_signature=kinds, parallel_iterations=1)
        return losses, gradients

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        def of_network(network: tf.Tensor) -> tf.Tensor:
            return self._answers(images, [variable[network] for variable in self.variables])

        networks = tf.range(self.variables[0].shape[0])
        return tf.map_fn(of_network, networks, fn_output_signature=tf.float32, parallel_iterations=1)

    def parameters(self) -> Parameters:
        return Parameters(*(variable.numpy() for variable in self.variables))
