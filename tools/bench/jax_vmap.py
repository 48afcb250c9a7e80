"""JAX: the compiled step of one network, ``vmap``-ed over the seeds; on all cores."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from work import Trained, Work, pixels, timed

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Adam, as in Keras
ACTIVATIONS = {"linear": lambda maps: maps, "relu": jax.nn.relu}
TEST_IMAGES = 500  # at a time


def answers(weights, images, activation):
    """Logits (image, class) of one network on (image, row, column, channel)."""
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


def train(work: Work, weights: list[list[np.ndarray]], order: np.ndarray) -> Trained:
    """All seeds together, from initial weights in Keras's layout, on batches (seed, step, image)."""
    data, activation = work.data(), work.architecture.activation
    images, labels = jnp.array(pixels(data.train_images)), jnp.array(data.train_labels.astype(np.int32))
    order = jnp.array(order.swapaxes(0, 1))  # (step, seed, image)
    stack = [jnp.array(np.stack(parts)) for parts in zip(*weights, strict=True)]
    state = stack, [0 * part for part in stack], [0 * part for part in stack]

    def step_of_one(weights, means, squares, batch, step):
        gradients = jax.grad(loss)(weights, images[batch], labels[batch], activation)
        return adam(gradients, weights, means, squares, step, work.architecture.learning_rate)

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
