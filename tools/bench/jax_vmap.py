"""JAX: the compiled step of one network, ``vmap``-ed over the seeds; on all cores."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from work import Trained, Work, pixels, serve, timed

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Adam, as in Keras
ACTIVATIONS = {"linear": lambda maps: maps, "relu": jax.nn.relu}
TEST_IMAGES = 500  # at a time


def answers(weights, images, activation):
    """Logits (image, class) of one network on (image, row, column, 1)."""
    kernel, bias, head, head_bias = weights
    maps = jax.lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return ACTIVATIONS[activation](maps + bias).reshape(len(images), -1) @ head + head_bias


def loss(weights, images, labels, activation):
    logits = jax.nn.log_softmax(answers(weights, images, activation))
    return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()


def adam(gradients, weights, means, squares, step, learning_rate):
    """Kingma and Ba 2015, in the form at the end of their section 2."""
    means = [BETA_1 * mean + (1 - BETA_1) * part for mean, part in zip(means, gradients, strict=True)]
    squares = [BETA_2 * square + (1 - BETA_2) * part**2 for square, part in zip(squares, gradients, strict=True)]
    rate = learning_rate * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    moments = zip(weights, means, squares, strict=True)
    return [weight - rate * mean / (jnp.sqrt(square) + EPSILON) for weight, mean, square in moments], means, squares


def train(work: Work) -> Trained:
    """All seeds together."""
    data, activation = work.data(), work.architecture.activation
    images, labels = jnp.array(pixels(data.train_images)), jnp.array(data.train_labels.astype(np.int32))
    order = jnp.array(work.batches(len(labels)).swapaxes(0, 1))  # (step, seed, image)
    weights = [jnp.array(np.stack(parts)) for parts in zip(*work.initial_weights(), strict=True)]
    state = weights, [0 * part for part in weights], [0 * part for part in weights]

    def step_of_one(weights, means, squares, batch, step):
        gradients = jax.grad(loss)(weights, images[batch], labels[batch], activation)
        return adam(gradients, weights, means, squares, step, work.adam_rate())

    step_of_all = jax.jit(jax.vmap(step_of_one, in_axes=(0, 0, 0, 0, None)))

    def run(first: int, stop: int) -> None:
        nonlocal state
        for step in range(first, stop):
            state = step_of_all(*state, order[step], jnp.float32(step + 1))
        jax.block_until_ready(state)

    wall_s, step_s = timed(work, run)
    of_all = jax.jit(jax.vmap(lambda weights, images: answers(weights, images, activation), in_axes=(0, None)))
    blocks = np.split(pixels(data.test_images), range(TEST_IMAGES, len(data.test_images), TEST_IMAGES))
    found = np.concatenate([of_all(state[0], block).argmax(axis=2) for block in blocks], axis=1)  # (seed, image)
    accuracies = np.mean(found == data.test_labels, axis=1)
    return Trained(wall_s, step_s, dict(zip(work.seeds, accuracies.tolist(), strict=True)))


if __name__ == "__main__":
    serve(train)
