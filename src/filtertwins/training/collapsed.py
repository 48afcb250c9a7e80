"""Linear networks, several at once, computed through their effective weights."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from filtertwins.networks.weights import Parameters
from filtertwins.training.stacks import BRIGHTEST, cross_entropy

Weights = list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
"""Of each condition the kernels with the biases as their last tap (network, tap or bias, filter), the dense weights
(network, filter, class and position) and the output biases (network, class)."""

WIDTH = 16  # The products with the images have a multiple of so many rows or columns. It changes last bits.


class CollapsedStack:
    """Linear networks, computed through their effective weights.

    Without an activation the logits are W x + b, where W is the sum over filters f of kernel_f (*) dense_f: the dense
    weights of filter f, moved back onto the pixels by its kernel. Once W is formed, an image costs the same whatever
    the number of filters, so 128 filters cost little more than one. The algebra is exact. Only the order of the sums
    differs from that of the layered network.
    """

    images_at_once = 500  # The effective weights are formed once for these.

    def __init__(self, initial: Parameters, image_shape: tuple[int, ...]) -> None:
        networks, height, width, channels, filters = initial.kernels.shape
        self._kernel, self._image = (height, width, channels), image_shape
        self._taps, self._classes = height * width * channels, initial.head.shape[-1]
        self._positions = (image_shape[0] - height + 1, image_shape[1] - width + 1)
        # With axes (filter, class, position), the sum over filters and the gradient by W are wide matrix products.
        head = initial.head.reshape(networks, -1, filters, self._classes).transpose(0, 2, 3, 1)
        self._kernels = tf.Variable(initial.kernels.reshape(networks, self._taps, filters))
        self._biases = tf.Variable(initial.biases)
        self._head = tf.Variable(head.reshape(networks, filters, -1))
        self._head_bias = tf.Variable(initial.head_bias)
        self.variables = [self._kernels, self._biases, self._head, self._head_bias]

    @property
    def moments(self) -> int:
        """The rows of :meth:`growth_moments`: taps and bias."""
        return 1 + int(self._kernels.shape[1])

    def _weights(self) -> Weights:
        """The weights as they are now. A step reads them once, before the optimiser changes any."""
        taps = tf.concat([self._kernels, self._biases[:, None]], axis=1)
        return [(taps, self._head.read_value(), self._head_bias.read_value())]

    def _effective(self, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
        """Effective weights for pixels of 0 to 255, (network, class, pixel), and effective biases (network, class)."""
        [(taps, head, head_bias)] = weights
        on_pixels, bias = self._on_pixels(taps @ head)
        return on_pixels, bias + head_bias

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]  # XLA makes no array for each tap.
    def _on_pixels(self, products: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Move the products of each tap, (network, tap, class and position), onto the pixels that it sees, and add up.

        The last tap is the bias. The taps are moved along rows first and then along columns, so that an entry is moved
        h + w times instead of h w. With 7x7 kernels that takes a third of the time.
        """
        (height, width, channels), (rows, columns) = self._kernel, self._positions
        products = tf.reshape(products, (-1, self._taps + 1, self._classes, rows, columns))
        taps = tf.reshape(products[:, :-1], (-1, height, width, channels * self._classes, rows, columns))
        by_column = _overlaid([taps[:, i] for i in range(height)], axis=3)
        on_pixels = _overlaid([by_column[:, j] for j in range(width)], axis=3)
        by_channel = tf.reshape(on_pixels, (-1, channels, self._classes, self._image[0] * self._image[1]))
        weights = tf.reshape(tf.transpose(by_channel, (0, 2, 3, 1)), (-1, self._classes, math.prod(self._image)))
        return weights / BRIGHTEST, tf.reduce_sum(products[:, -1], axis=(2, 3))

    def _by_products(self, by_weights: tf.Tensor, by_bias: tf.Tensor) -> tf.Tensor:
        """The gradient by the products of kernels and dense weights, (network, tap or bias, class and position).

        It is the same for all filters: each tap sees its part of the gradient by the effective weights.
        """
        rows, columns = self._positions
        by_pixel = tf.reshape(by_weights / BRIGHTEST, (-1, self._classes, *self._image))
        seen = [by_pixel[:, :, i : i + rows, j : j + columns, channel] for i, j, channel in np.ndindex(self._kernel)]
        everywhere = tf.broadcast_to(by_bias[..., None, None], tf.shape(seen[0]))
        return tf.reshape(tf.stack([*seen, everywhere], axis=1), (-1, self._taps + 1, self._head.shape[-1]))

    def _gradients(self, weights: Weights, by_weights: tf.Tensor, by_bias: tf.Tensor) -> list[tf.Tensor]:
        """The gradients by the variables, for those by the effective weights and biases.

        They are written out: TensorFlow takes three times as long for the gradient of :meth:`_on_pixels`.
        """
        [(taps, head, _)] = weights
        by_products = self._by_products(by_weights, by_bias)
        by_taps = tf.matmul(by_products, head, transpose_b=True)
        return [by_taps[:, :-1], by_taps[:, -1], _by_head(taps, by_products), by_bias]

    def losses_and_gradients(
        self, pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        weights = self._weights()
        losses, *by_effective = _softmax_regression(pixels, indices, labels, *self._effective(weights))
        return losses, self._gradients(weights, *by_effective)

    def growth_moments(self, pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """G G' for each network, (network, tap or bias, tap or bias). Its largest eigenvalue bounds twins' growth.

        A filter acts only through the outer product of its kernel (with its bias) and its dense weights, and the
        logits are linear in that product. G is the gradient of the loss by it, (tap or bias, class and position).
        """
        _, *by_effective = _softmax_regression(pixels, indices, labels, *self._effective(self._weights()))
        gradient = self._by_products(*by_effective)
        return tf.matmul(gradient, gradient, transpose_b=True)

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        weights, biases = self._effective(self._weights())
        return tf.transpose(_logits(tf.cast(images, tf.float32), weights, biases), (0, 2, 1))

    def parameters(self) -> Parameters:
        networks, _, filters = self._kernels.shape
        head = self._head.numpy().reshape(networks, filters, self._classes, -1).transpose(0, 3, 1, 2)
        return Parameters(
            kernels=self._kernels.numpy().reshape(networks, *self._kernel, filters),
            biases=self._biases.numpy(),
            head=np.ascontiguousarray(head.reshape(networks, -1, self._classes)),
            head_bias=self._head_bias.numpy(),
        )


def _softmax_regression(
    pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, biases: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The losses (network,) of linear networks, and their gradients by effective weights and biases.

    Seeds are computed one after another, so that their images stay in the cache between operations. With as many
    processes as cores, a step took 11 to 25 % less time than with all seeds at once.
    """
    seeds = indices.shape[0]
    grouped = [tf.reshape(part, (seeds, -1, *part.shape[1:])) for part in (weights, biases, labels)]

    def of_seed(seed: tf.Tensor) -> list[tf.Tensor]:
        weights, biases, labels = (part[seed] for part in grouped)
        images = tf.cast(tf.gather(pixels, indices[seed]), tf.float32)
        losses, by_logits = cross_entropy(labels, _logits(images, weights, biases))
        rows = tf.reshape(by_logits / labels.shape[1], (-1, labels.shape[1]))  # (network and class, image)
        by_weights = tf.matmul(_padded(rows), images)[: rows.shape[0]]
        # The order of a sum over the first axis depends on the size of the last one, so the last one is summed over.
        return [
            tf.reduce_mean(losses, axis=1),
            tf.reshape(by_weights, weights.shape),
            tf.reshape(tf.reduce_sum(rows, axis=1), biases.shape),
        ]

    results = tf.map_fn(of_seed, tf.range(seeds), fn_output_signature=[tf.float32] * 3, parallel_iterations=1)
    losses, by_weights, by_biases = (tf.reshape(part, (-1, *part.shape[2:])) for part in results)
    return losses, by_weights, by_biases


def _logits(images: tf.Tensor, weights: tf.Tensor, biases: tf.Tensor) -> tf.Tensor:
    """The logits (network, class, image) of images (image, pixel), by weights (network, class, pixel) and biases."""
    networks, classes, pixels = weights.shape
    products = tf.matmul(images, _padded(tf.reshape(weights, (-1, pixels))), transpose_b=True)
    by_class = tf.transpose(products[:, : networks * classes])
    return tf.reshape(by_class, (networks, classes, -1)) + biases[..., None]


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _by_head(taps: tf.Tensor, by_products: tf.Tensor) -> tf.Tensor:
    """The gradient by the dense weights. XLA writes that of 10 networks of 128 filters in 2.5 ms, TensorFlow in 8.6."""
    return tf.matmul(taps, by_products, transpose_a=True)


def _padded(rows: tf.Tensor) -> tf.Tensor:
    """A matrix with rows of zeros behind it, so that it has a multiple of ``WIDTH`` rows.

    Otherwise a product's last rows are summed in another order, and a network's last bits depend on those beside it.
    """
    return tf.pad(rows, [[0, -rows.shape[0] % WIDTH], [0, 0]])


def _overlaid(parts: list[tf.Tensor], axis: int) -> tf.Tensor:
    """The sum of the parts, each shifted along an axis by its index."""
    after = len(parts) - 1
    if not after:
        return parts[0]
    unmoved = [[0, 0]] * len(parts[0].shape)
    return tf.add_n(
        [tf.pad(part, [*unmoved[:axis], [i, after - i], *unmoved[axis + 1 :]]) for i, part in enumerate(parts)]
    )
