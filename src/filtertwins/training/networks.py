"""What a network computes: convolution, activation, flatten, dense softmax layer; and its loss gradient.

There are two ways to compute the same thing for a stack of networks. ``CollapsedStack`` is for linear networks,
``ConvolutionalStack`` for all others. Both hold their weights as variables with a leading seed axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from filtertwins.settings import Architecture
from filtertwins.training.streams import Purpose, initializer_seed
from filtertwins.weights import Parameters

CLASSES = 10
BLOCK_IMAGES = 64  # fewer is no faster at few filters and slower at many
PATCH_PIXELS = 9  # kernels up to this size are convolved by patches
ROW_BLOCK_FILTERS = 64  # from so many filters on, rows as blocks are faster than images


def plain_model(architecture: Architecture, filters: int, seed: int, image_shape: tuple[int, int]) -> keras.Model:
    """The network as a Keras user would write it, with the initial weights that `seed` fixes.

    Returns:
        a model from (image, row, column, 1) in [0, 1] to logits (image, 10).
    """
    glorot, kernel_initializer = "glorot_uniform", architecture.initializer
    return keras.Sequential(
        [
            keras.layers.Input((*image_shape, 1)),
            keras.layers.Conv2D(
                filters,
                architecture.kernel,
                padding="valid",
                activation=architecture.activation,
                kernel_initializer=_initializer(kernel_initializer, seed, Purpose.KERNEL),
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, kernel_initializer=_initializer(glorot, seed, Purpose.HEAD)),
        ]
    )


def _initializer(name: str, seed: int, purpose: Purpose) -> keras.Initializer:
    kind = type(keras.initializers.get(name))
    return kind(seed=initializer_seed(seed, purpose))


def initial_parameters(
    architecture: Architecture, filters: int, seeds: list[int], image_shape: tuple[int, int]
) -> Parameters:
    """The initial weights of each seed, equal to those of its ``plain_model``. Biases start at 0."""
    rows, columns = (size - kernel + 1 for size, kernel in zip(image_shape, architecture.kernel, strict=True))
    inputs = rows * columns * filters
    kernels = [
        _initializer(architecture.initializer, seed, Purpose.KERNEL)((*architecture.kernel, 1, filters))
        for seed in seeds
    ]
    heads = [_initializer("glorot_uniform", seed, Purpose.HEAD)((inputs, CLASSES)) for seed in seeds]
    return Parameters(
        kernels=np.stack([kernel.numpy()[:, :, 0, :] for kernel in kernels]),
        biases=np.zeros((len(seeds), filters), np.float32),
        head=np.stack([head.numpy() for head in heads]),
        head_bias=np.zeros((len(seeds), CLASSES), np.float32),
    )


class Stack(Protocol):
    """S networks of one architecture, computed together."""

    variables: list[tf.Variable]
    compiled: bool  # by XLA

    def losses_and_gradients(
        self, images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Each network on a batch of its own.

        Args:
            images: (seed, image, pixel), float32 in [0, 1].
            labels: (seed, image), int32.
            step: the step's number, which with the seed fixes what is dropped.

        Returns:
            the mean cross-entropy of each network, (seed,), and the gradients in the order of ``variables``.
        """

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """All networks on the same images, (image, pixel): logits (seed, image, class)."""

    def parameters(self) -> Parameters:
        """The current weights, copied out."""


def build_stack(
    architecture: Architecture, initial: Parameters, seeds: list[int], image_shape: tuple[int, int]
) -> Stack:
    """The stack that computes this architecture fastest, holding the weights `initial` of networks of these seeds."""
    if architecture.activation == "linear" and not architecture.dropout:
        return CollapsedStack(initial, image_shape)
    return ConvolutionalStack(initial, image_shape, architecture.activation, architecture.dropout, seeds)


class CollapsedStack:
    """Linear networks, computed through their effective weights.

    Without an activation the logits are x W + b with W = sum over filters f of kernel_f (*) dense_f, the dense weights
    of filter f correlated back onto the pixels by its kernel. Forming W first costs O(filters) on the weights alone
    instead of on every image of the batch, so 128 filters cost little more than one. Exact algebra; only the
    order of the sums differs from the layered network's.
    """

    compiled = True

    def __init__(self, initial: Parameters, image_shape: tuple[int, int]) -> None:
        seeds, height, width, filters = initial.kernels.shape
        self._kernel, self._image = (height, width), image_shape
        self._positions = (image_shape[0] - height + 1, image_shape[1] - width + 1)
        # Filter-major, so that the sum over filters is one matrix product: 1.7 times faster at 128 filters.
        head = initial.head.reshape(seeds, -1, filters, CLASSES).transpose(0, 2, 1, 3)
        self._kernels = tf.Variable(initial.kernels.reshape(seeds, height * width, filters))
        self._biases = tf.Variable(initial.biases)
        self._head = tf.Variable(head.reshape(seeds, filters, -1))
        self._head_bias = tf.Variable(initial.head_bias)
        self.variables = [self._kernels, self._biases, self._head, self._head_bias]

    def _effective(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Effective weights (seed, pixel, class) and biases (seed, class)."""
        (height, width), (rows, columns) = self._kernel, self._positions
        seeds, _, filters = self._kernels.shape
        products = tf.reshape(
            tf.matmul(self._kernels, self._head), (seeds, height * width, rows, columns, CLASSES)
        )  # (seed, kernel element, row, column, class)
        on_pixels = [
            tf.pad(products[:, i * width + j], [[0, 0], [i, height - 1 - i], [j, width - 1 - j], [0, 0]])
            for i in range(height)
            for j in range(width)
        ]
        head = tf.reshape(self._head, (seeds, filters, rows * columns, CLASSES))
        bias = tf.squeeze(self._biases[:, None, :] @ tf.reduce_sum(head, axis=2), axis=1)
        pixels = self._image[0] * self._image[1]
        return tf.reshape(tf.add_n(on_pixels), (seeds, pixels, CLASSES)), bias + self._head_bias

    def losses_and_gradients(
        self, images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            weights, bias = self._effective()
            losses = tf.reduce_mean(_cross_entropy(labels, images @ weights + bias[:, None, :]), axis=1)
            total = tf.reduce_sum(losses)
        return losses, tape.gradient(total, self.variables)

    def growth_moments(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """G G' for each network, (seed, kernel element and bias, same), whose largest eigenvalue bounds twins' growth.

        The loss depends on a filter through the outer product of its kernel (with its bias) and its dense weights
        alone, linearly up to the logits. G is the loss's gradient by that product, (kernel element, position and
        class), the same for all filters: the effective weights' gradient, as each kernel element sees it.
        """
        with tf.GradientTape() as tape:
            effective = self._effective()
            tape.watch(effective)
            weights, bias = effective
            losses = tf.reduce_mean(_cross_entropy(labels, images @ weights + bias[:, None, :]), axis=1)
            total = tf.reduce_sum(losses)
        by_weights, by_bias = tape.gradient(total, effective)
        (height, width), (rows, columns) = self._kernel, self._positions
        seeds = by_bias.shape[0]
        by_pixel = tf.reshape(by_weights, (seeds, *self._image, CLASSES))
        seen = [by_pixel[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
        everywhere = tf.broadcast_to(by_bias[:, None, None, :], seen[0].shape)
        gradient = tf.reshape(tf.stack([*seen, everywhere], axis=1), (seeds, height * width + 1, -1))
        return tf.matmul(gradient, gradient, transpose_b=True)

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        weights, bias = self._effective()
        return images @ weights + bias[:, None, :]

    def parameters(self) -> Parameters:
        (height, width), (rows, columns) = self._kernel, self._positions
        seeds, _, filters = self._kernels.shape
        head = self._head.numpy().reshape(seeds, filters, rows * columns, CLASSES).transpose(0, 2, 1, 3)
        return Parameters(
            kernels=self._kernels.numpy().reshape(seeds, height, width, filters),
            biases=self._biases.numpy(),
            head=np.ascontiguousarray(head.reshape(seeds, -1, CLASSES)),
            head_bias=self._head_bias.numpy(),
        )


class ConvolutionalStack:
    """Networks with an activation, computed one after another.

    The feature maps of a whole batch are far larger than a processor's cache, so they are made and used in blocks:
    blocks of images where convolving is dear, blocks of map rows where it is cheap enough to do twice. XLA is left out:
    its products with the narrow dense layer are several times slower on CPUs.
    """

    compiled = False

    def __init__(
        self,
        initial: Parameters,
        image_shape: tuple[int, int],
        activation: str,
        dropout: float = 0.0,
        seeds: Sequence[int] = (),
    ) -> None:
        _, height, width, filters = initial.kernels.shape
        self._image, self._activation = image_shape, keras.activations.get(activation)
        self._maps = (image_shape[0] - height + 1, image_shape[1] - width + 1)
        small_kernel = height * width <= PATCH_PIXELS
        self._convolve = _convolve_by_patches if small_kernel else _convolve
        self._by_rows = small_kernel and filters >= ROW_BLOCK_FILTERS and not dropout
        self._dropout, self._dropout_keys = dropout, [initializer_seed(seed, Purpose.DROPOUT) for seed in seeds]
        self._kernels = tf.Variable(initial.kernels)
        self._biases = tf.Variable(initial.biases)
        self._head = tf.Variable(initial.head)
        self._head_bias = tf.Variable(initial.head_bias)
        self.variables = [self._kernels, self._biases, self._head, self._head_bias]

    def _answers(
        self,
        images: tf.Tensor,
        kernels: tf.Tensor,
        biases: tf.Tensor,
        head: tf.Tensor,
        dropout_key: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """What one network's filters contribute to the logits: (image, row, column) to (image, class)."""
        maps = self._activation(self._convolve(images, kernels, biases))
        maps = tf.reshape(maps, (-1, head.shape[0]))
        if dropout_key is not None:  # inverted: the entries that stay make up for the others
            drawn = tf.random.stateless_uniform(tf.shape(maps), dropout_key, alg="philox")
            maps = tf.where(drawn < self._dropout, 0.0, maps / (1 - self._dropout))
        return maps @ head

    def losses_and_gradients(
        self, images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        seeds, batch, _ = images.shape
        images = tf.reshape(images, (seeds, batch, *self._image))

        def of_network(network: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            weights = [variable[network] for variable in self.variables]
            if self._by_rows:
                return self._in_blocks_of_rows(images[network], labels[network], weights)
            return self._in_blocks_of_images(images[network], labels[network], weights, network, step)

        # A loop in the graph: with a copy of the graph for each network, building it took 0.3 s a network.
        kinds = (tf.float32, [tf.float32] * len(self.variables))
        losses, gradients = tf.map_fn(of_network, tf.range(seeds), fn_output_signature=kinds, parallel_iterations=1)
        return losses, gradients

    def _in_blocks_of_images(
        self, images: tf.Tensor, labels: tf.Tensor, weights: list[tf.Tensor], network: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Loss and gradients of one network; those of blocks of images add up."""
        loss, gradients = tf.zeros(()), [tf.zeros_like(weight) for weight in weights]
        batch = images.shape[0]
        block = largest_divisor(batch, BLOCK_IMAGES)
        for start in tf.range(0, batch, block):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                kernels, biases, head, head_bias = weights
                key = (
                    tf.stack([tf.gather(self._dropout_keys, network), step * batch + start]) if self._dropout else None
                )
                logits = self._answers(images[start : start + block], kernels, biases, head, key) + head_bias
                part = tf.reduce_sum(_cross_entropy(labels[start : start + block], logits)) / batch
            loss += part
            gradients = [a + b for a, b in zip(gradients, tape.gradient(part, weights), strict=True)]
        return loss, gradients

    def _in_blocks_of_rows(
        self, images: tf.Tensor, labels: tf.Tensor, weights: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The same, each row of the feature maps for the whole batch at once.

        The logits are a sum over rows. Once all rows are added up, the loss's gradient g by the logits is known, and
        the gradient of a row's weights is that of <g, the row's answers>. Rows are computed twice and never stored, and
        each dense weight belongs to one row, so no sum over blocks passes through memory: at 3x1 with 128 filters and
        four processes side by side, seven tenths of the time of blocks of images.
        """
        kernels, biases, head, head_bias = weights
        (rows, _), height = self._maps, kernels.shape[0]
        heads = tf.reshape(head, (rows, -1, CLASSES))
        logits = tf.zeros((images.shape[0], CLASSES)) + head_bias
        for row in tf.range(rows):
            logits += self._answers(images[:, row : row + height], kernels, biases, heads[row])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.reduce_mean(_cross_entropy(labels, logits))
        by_logits = tape.gradient(loss, logits)

        by_kernels, by_biases = tf.zeros_like(kernels), tf.zeros_like(biases)
        by_heads = tf.TensorArray(tf.float32, rows, element_shape=heads.shape[1:])
        for row in tf.range(rows):
            with tf.GradientTape() as tape:
                own = [kernels, biases, heads[row]]
                tape.watch(own)
                change = tf.reduce_sum(by_logits * self._answers(images[:, row : row + height], *own))
            by_own = tape.gradient(change, own)
            by_kernels, by_biases = by_kernels + by_own[0], by_biases + by_own[1]
            by_heads = by_heads.write(row, by_own[2])
        by_head = tf.reshape(by_heads.stack(), head.shape)
        return loss, [by_kernels, by_biases, by_head, tf.reduce_sum(by_logits, axis=0)]

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.reshape(images, (-1, *self._image))

        def of_network(network: tf.Tensor) -> tf.Tensor:
            *weights, head_bias = (variable[network] for variable in self.variables)
            return self._answers(images, *weights) + head_bias

        return tf.map_fn(of_network, tf.range(self._kernels.shape[0]), fn_output_signature=tf.float32)

    def parameters(self) -> Parameters:
        return Parameters(*(variable.numpy() for variable in self.variables))


def _convolve(images: tf.Tensor, kernels: tf.Tensor, biases: tf.Tensor) -> tf.Tensor:
    """Images (image, row, column) by kernels (row, column, filter): maps (image, row, column, filter)."""
    return tf.nn.conv2d(images[..., None], kernels[:, :, None, :], 1, "VALID") + biases


def _convolve_by_patches(images: tf.Tensor, kernels: tf.Tensor, biases: tf.Tensor) -> tf.Tensor:
    """The same by one matrix product on patches, with the bias as the weight of a constant pixel: (position, filter).

    Against TensorFlow's convolution a step at 3x1 takes half the time with 1 filter, four fifths with 16; at 5x5 it
    would take 1.1 to 1.4 times as long.
    """
    height, width, filters = kernels.shape
    columns = images.shape[2] - width + 1
    rows = tf.shape(images)[1] - height + 1
    shifted = [images[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    patches = tf.reshape(tf.stack([*shifted, tf.ones_like(shifted[0])]), (height * width + 1, -1))
    weights = tf.concat([tf.reshape(kernels, (-1, filters)), biases[None]], axis=0)
    return tf.matmul(patches, weights, transpose_a=True)


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`."""
    return next(divisor for divisor in range(min(number, limit), 0, -1) if number % divisor == 0)


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
