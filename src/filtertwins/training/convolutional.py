"""Networks with an activation, or with dropout: several at once, with their gradient written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from filtertwins.networks.weights import Parameters
from filtertwins.training.stacks import BRIGHTEST, cross_entropy
from filtertwins.training.streams import Purpose, initializer_seed

# Tuning constants. Never tune them per machine: they change the last bits of results.
TOGETHER_FILTERS = 64  # Networks of one seed are computed together up to this many filters in all.
FEW_TAPS, FEW_FILTERS = 15, 7  # Up to so many taps or filters in all, maps are not cut into slices, and not kept.
SLICE_POSITIONS = 14  # A slice of the maps has at most so many positions.
BAND_ENTRIES = 2**17  # The maps of a band, which are computed at once, have around this many entries (0.5 MB).
BLOCK_IMAGES = 128  # A batch is computed in blocks of at most so many images,
KEPT_BLOCK_IMAGES = 64  # or of so many, where the maps of a whole block are kept.

ACTIVATIONS: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]] = {
    "linear": (tf.identity, lambda gradient, maps: gradient),
    "relu": (tf.nn.relu, lambda gradient, maps: tf.raw_ops.ReluGrad(gradients=gradient, features=maps)),
    "tanh": (tf.tanh, lambda gradient, maps: tf.raw_ops.TanhGrad(y=maps, dy=gradient)),
}
"""Each activation, and the gradient by its input, of the gradient by its output and that output."""


class ConvolutionalStack:
    """Networks with an activation, or with dropout.

    Seeds are computed one after another, and the networks of one seed, which see the same images, together. Images are
    the last axis of every array, so that maps need no transposition before the dense layer.

    The positions of the maps are cut into bands, which are computed one after another so that patches, maps and
    gradients stay in the cache: first each band's part of the logits, then each band's part of the gradients. With P a
    band's patches (tap; position, image), K the kernels (filter; tap), H the band's dense weights (class; entry) and f
    the activation, the maps are M = f(K P) and their part of the logits H M. With D the gradient by the logits, the
    gradients are D M' by H, and G P' by K, where G = f'(M) H'D.

    G P' sums over all positions and images. The library is slow at products of such shapes, but for two cases. If the
    first factor has at most FEW_TAPS rows, one product is best: with 16 filters of 3x1 it runs at 60 GFLOP/s of 110,
    and the other way round at 9. Otherwise each slice of a band, of some positions, has a product of its own, of
    factors that are in the cache when they are turned: with 32 filters of 5x5 that runs at 85 instead of 21 GFLOP/s.

    With few taps, M is computed a second time on the way back: to store it takes longer, 16 instead of 14 ms a step
    with 100 filters of 3x1. With many taps it is kept, which saves 0.8 of 7.7 ms with 32 filters of 5x5, and a block
    has fewer images.
    """

    images_at_once = BLOCK_IMAGES

    def __init__(
        self,
        initial: Parameters,
        image_shape: tuple[int, ...],
        activation: str,
        dropout: float = 0.0,
        seeds: Sequence[int] = (),
    ) -> None:
        networks, height, width, _, filters = initial.kernels.shape
        self._classes = initial.head.shape[-1]
        self._activate, self._by_maps = ACTIVATIONS[activation]
        self._dropout = min(round(dropout * 2**16), 2**16 - 1)  # of 65536 entries, on average
        self._scale = 1 / (1 - self._dropout / 2**16)  # Inverted dropout: entries that stay are scaled up; else 1.
        self._dropout_keys = [initializer_seed(seed, Purpose.DROPOUT) for seed in dict.fromkeys(seeds)]
        self._together = largest_divisor(networks // len(self._dropout_keys), TOGETHER_FILTERS // filters)
        in_all = self._together * filters
        seen = _seen_pixels(image_shape, (height, width))
        taps, positions = seen.shape
        self._sliced = taps > FEW_TAPS and in_all > FEW_FILTERS
        self._block_images = KEPT_BLOCK_IMAGES if self._sliced else BLOCK_IMAGES
        of_a_slice = largest_divisor(positions, SLICE_POSITIONS) if self._sliced else 1
        target = positions * self._block_images * in_all / BAND_ENTRIES
        self._bands = nearest_divisor(positions // of_a_slice, target)
        slices = positions // of_a_slice // self._bands if self._sliced else 1
        self._seen = seen.reshape(taps, self._bands, slices, -1).transpose(1, 2, 0, 3)  # (band, slice, tap, position)
        self._head_order = self._dense_order(filters)
        head = initial.head.reshape(-1, self._head_order.size)[:, self._head_order]
        self.variables = [tf.Variable(part) for part in (initial.kernels, initial.biases, head, initial.head_bias)]

    def _dense_order(self, filters: int) -> NDArray[np.intp]:
        """Where each dense weight of a group of networks is in Keras's order.

        A network that is computed alone has one product for each band, (band, class, entry), where an entry is a slice,
        filter and position. Networks together have one for each slice: (band, slice, network, class, entry), where an
        entry is a filter and position.
        """
        bands, slices, _, positions = self._seen.shape
        keras_axes = (self._together, bands, slices, positions, filters, self._classes)
        order: NDArray[np.intp] = np.arange(math.prod(keras_axes)).reshape(keras_axes)
        if self._together == 1:
            order = order[0].transpose(0, 4, 1, 3, 2).reshape(bands, self._classes, -1)
        else:
            order = order.transpose(1, 2, 0, 5, 4, 3).reshape(bands, slices, self._together, self._classes, -1)
        return order

    def losses_and_gradients(
        self, pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        seeds, batch = indices.shape
        together, groups = self._together, labels.shape[0] // self._together
        block = largest_divisor(batch, self._block_images)
        blocks = batch // block
        indices = tf.reshape(indices, (seeds, blocks, block))
        labels = tf.transpose(tf.reshape(labels, (groups, together, blocks, block)), (0, 2, 1, 3))
        variables = self._grouped()

        def of_group(group: tf.Tensor) -> list[tf.Tensor]:
            seed = group // (groups // seeds)
            weights = [variable[group] for variable in variables]

            def of_block(index: tf.Tensor) -> list[tf.Tensor]:
                """The part of the losses and gradients that one block of images contributes."""
                dropped = None
                if self._dropout:
                    key = tf.stack([tf.gather(self._dropout_keys, seed), (step * blocks + index) * self._bands])
                    dropped = [self._dropped(key + [0, band], block) for band in range(self._bands)]  # noqa: RUF005
                images = self._images(tf.gather(pixels, indices[seed, index]))
                return self._parts(images, labels[group, index], weights, dropped, batch)

            def add(index: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
                return index + 1, *(a + b for a, b in zip(sums, of_block(index), strict=True))

            sums = of_block(tf.constant(0))
            if blocks > 1:
                sums = tf.while_loop(lambda index, *_: index < blocks, add, [1, *sums], parallel_iterations=1)[1:]
            return list(sums)

        # This loop is part of the graph. Building a copy of the graph for each group would take 0.3 s a group.
        kinds = [tf.float32] * (1 + len(variables))
        losses, *gradients = tf.map_fn(of_group, tf.range(groups), fn_output_signature=kinds, parallel_iterations=1)
        return tf.reshape(losses, (-1,)), [
            tf.reshape(gradient, variable.shape) for gradient, variable in zip(gradients, self.variables, strict=True)
        ]

    def _parts(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        weights: list[tf.Tensor],
        dropped: list[tf.Tensor] | None,
        batch: int,
    ) -> list[tf.Tensor]:
        """What some images contribute to the mean losses (network,) over a batch and to their gradients."""
        kernels, _, head, _ = weights
        networks, *_, filters = kernels.shape
        taps = _taps(weights)
        logits, kept_patches, kept_maps = self._logits(images, weights, dropped)
        losses, by_logits = cross_entropy(labels, logits)
        by_logits /= batch  # (network, class, image)
        by_answers = (by_logits[0] if self._together == 1 else by_logits) * self._scale
        by_head: list[tf.Tensor] = []
        by_taps: list[tf.Tensor] = []
        for band in reversed(range(self._bands)):
            with tf.control_dependencies([by_answers, *by_taps[-1:], *by_head[-1:]]):
                patches = kept_patches[band] if band in kept_patches else self._patches(band, images)
                maps = kept_maps[band] if band in kept_maps else self._maps(patches, taps)
                by_inputs = tf.matmul(head[band], by_answers, transpose_a=True)
                if dropped:
                    by_inputs = tf.where(dropped[band], 0.0, by_inputs)
                by_maps = self._by_maps(tf.reshape(by_inputs, tf.shape(maps)), maps)
            # The activation's gradient reads the maps in order, which brings them into the cache. The product with them
            # does not, and takes up to three times as long if it comes first.
            with tf.control_dependencies([by_maps]):
                inputs = self._dense_inputs(maps, dropped and dropped[band])
                by_head.append(tf.matmul(by_answers, inputs, transpose_b=True))
                by_taps.append(self._by_taps(patches, by_maps))
        by_kernels = tf.reshape(tf.add_n(by_taps), (-1, networks, filters))
        return [
            tf.reduce_sum(losses, axis=1) / batch,
            tf.reshape(tf.transpose(by_kernels[:-1], (1, 0, 2)), kernels.shape) / BRIGHTEST,
            by_kernels[-1],
            tf.stack(by_head[::-1]),
            tf.reduce_sum(by_logits, axis=2),
        ]

    def _logits(
        self, images: tf.Tensor, weights: list[tf.Tensor], dropped: list[tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, dict[int, tf.Tensor], dict[int, tf.Tensor]]:
        """Logits (network, class, image) of some networks for some images; and patches and maps to keep, by band."""
        _, _, head, head_bias = weights
        taps, last = _taps(weights), self._bands - 1
        answers: list[tf.Tensor] = []
        kept_patches, kept_maps = {}, {}
        for band in range(self._bands):
            with tf.control_dependencies(answers[-1:]):
                patches = self._patches(band, images)
                maps = self._maps(patches, taps)
                answers.append(tf.matmul(head[band], self._dense_inputs(maps, dropped and dropped[band])))
            if band == last:  # The way back begins here.
                kept_patches[band] = patches
            if band == last or self._sliced:
                kept_maps[band] = maps
        total = tf.reshape(tf.add_n(answers), (-1, self._together, self._classes, tf.shape(images)[1]))
        total = tf.reduce_sum(total, axis=0) * self._scale
        return total + head_bias[..., None], kept_patches, kept_maps

    def _patches(self, band: int, images: tf.Tensor) -> tf.Tensor:
        """A band's patches (slice; tap; position, image). Those that are not cut into slices have no axis for them."""
        _, slices, taps, positions = self._seen.shape
        patches = tf.gather_nd(images, self._seen[band][..., None])
        shape = (slices, taps) if self._sliced else (taps,)
        return tf.reshape(patches, (*shape, positions * tf.shape(images)[1]))

    def _maps(self, patches: tf.Tensor, taps: tf.Tensor) -> tf.Tensor:
        """The maps (slice; network, filter; position, image) of patches."""
        return self._activate(tf.matmul(taps, patches))

    def _by_taps(self, patches: tf.Tensor, by_maps: tf.Tensor) -> tf.Tensor:
        """The gradient by the taps, (tap; network, filter), for a gradient by a band's maps before the activation."""
        if self._sliced:
            return tf.reduce_sum(tf.matmul(patches, by_maps, transpose_b=True), axis=0)
        if patches.shape[0] > by_maps.shape[0]:
            return tf.transpose(tf.matmul(by_maps, patches, transpose_b=True))
        return tf.matmul(patches, by_maps, transpose_b=True)

    def _dense_inputs(self, maps: tf.Tensor, dropped: tf.Tensor | None) -> tf.Tensor:
        """A band's maps as its dense products take them: (entry, image), or (slice, network, entry, image)."""
        *leading, _, entries = self._head_order.shape[1:]
        inputs = tf.reshape(maps, (*leading, entries, -1))
        return inputs if dropped is None else tf.where(dropped, 0.0, inputs)

    def _dropped(self, key: tf.Tensor, images: int) -> tf.Tensor:
        """Which dense inputs of a band are dropped. The networks of a group share that.

        The draws of 16 bits are parts of integers of 64, which takes half the time of drawing floats. The dropout rate
        is thereby rounded to the nearest 65536th.
        """
        *leading, _, entries = self._head_order.shape[1:]
        shape = (*leading[:1], *[1] * len(leading[1:]), entries, -(-images // 4))
        drawn = tf.random.stateless_uniform(shape, key, minval=None, maxval=None, dtype=tf.uint64, alg="philox")
        drawn = tf.reshape(tf.bitcast(drawn, tf.uint16), (*shape[:-1], -1))
        return drawn[..., :images] < self._dropout

    def _images(self, images: tf.Tensor) -> tf.Tensor:
        """Images (image, pixel), uint8, as (pixel, image), with a last pixel of 1, whose weight is the bias."""
        pixels = tf.cast(tf.transpose(images), tf.float32)
        return tf.concat([pixels, tf.ones((1, tf.shape(images)[0]))], axis=0)

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        images = self._images(images)
        variables = self._grouped()

        def of_group(group: tf.Tensor) -> tf.Tensor:
            return self._logits(images, [variable[group] for variable in variables])[0]

        answers = tf.map_fn(of_group, tf.range(variables[0].shape[0]), fn_output_signature=tf.float32)
        return tf.transpose(tf.reshape(answers, (self.variables[0].shape[0], self._classes, -1)), (0, 2, 1))

    def _grouped(self) -> list[tf.Tensor]:
        """The variables with a leading group axis. The networks of a group are computed together."""
        kernels, biases, head, head_bias = self.variables
        by_group = [tf.reshape(part, (-1, self._together, *part.shape[1:])) for part in (kernels, biases, head_bias)]
        return [*by_group[:2], head, by_group[2]]

    def parameters(self) -> Parameters:
        kernels, biases, ordered, head_bias = (variable.numpy() for variable in self.variables)
        head = np.empty((len(ordered), self._head_order.size), np.float32)
        head[:, self._head_order] = ordered
        return Parameters(kernels, biases, head.reshape(len(kernels), -1, self._classes), head_bias)


def _seen_pixels(image_shape: tuple[int, ...], kernel: tuple[int, int]) -> NDArray[np.int32]:
    """The pixel that each tap sees at each position, (tap, position). The last tap sees the constant pixel.

    Each channel of a pixel counts as a pixel.
    """
    pixels = np.arange(math.prod(image_shape), dtype=np.int32).reshape(image_shape)
    windows = sliding_window_view(pixels, kernel, axis=(0, 1))  # (row, column, channel, tap's row, tap's column)
    seen = windows.transpose(0, 1, 3, 4, 2).reshape(-1, math.prod(kernel) * image_shape[2]).T
    return np.concatenate([seen, np.full_like(seen[:1], pixels.size)])


def _taps(weights: list[tf.Tensor]) -> tf.Tensor:
    """Kernels for pixels of 0 to 255, and biases: (network and filter, tap)."""
    kernels, biases, *_ = weights
    networks, *elements, filters = kernels.shape
    taps = tf.reshape(tf.transpose(kernels, (0, 4, 1, 2, 3)), (networks * filters, math.prod(elements))) / BRIGHTEST
    return tf.concat([taps, tf.reshape(biases, (-1, 1))], axis=1)


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` that is at most `limit`, or 1."""
    return next(divisor for divisor in range(max(1, min(number, limit)), 0, -1) if number % divisor == 0)


def nearest_divisor(number: int, target: float) -> int:
    """The divisor of `number` that differs from `target` by the smallest factor."""
    divisors = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    return min(divisors, key=lambda divisor: abs(math.log(divisor / target)))
