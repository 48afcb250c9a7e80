"""What a network is: convolution, activation, flatten, dense softmax layer; and which stack computes it."""

from __future__ import annotations

import keras
import numpy as np

from filtertwins.architectures import Architecture
from filtertwins.networks.weights import Parameters
from filtertwins.training.collapsed import CollapsedStack
from filtertwins.training.convolutional import ConvolutionalStack
from filtertwins.training.plain import KerasStack
from filtertwins.training.stacks import OneLayerStack
from filtertwins.training.streams import Purpose, initializer_seed


def plain_model(
    architecture: Architecture, filters: int, seed: int, image_shape: tuple[int, ...], classes: int
) -> keras.Model:
    """The network as a Keras user would write it, with the initial weights of `seed`.

    Returns:
        a model from (image, row, column, channel) in [0, 1] to logits (image, class).
    """
    glorot, kernel_initializer = "glorot_uniform", architecture.initializer
    return keras.Sequential(
        [
            keras.layers.Input(image_shape),
            keras.layers.Conv2D(
                filters,
                architecture.kernel,
                padding="valid",
                activation=architecture.activation,
                kernel_initializer=_initializer(kernel_initializer, seed, Purpose.KERNEL),
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, kernel_initializer=_initializer(glorot, seed, Purpose.HEAD)),
        ]
    )


def _initializer(name: str, seed: int, purpose: Purpose) -> keras.Initializer:
    kind = type(keras.initializers.get(name))
    return kind(seed=initializer_seed(seed, purpose))


def initial_parameters(
    architecture: Architecture, filters: int, seeds: list[int], image_shape: tuple[int, ...], classes: int
) -> Parameters:
    """The initial weights of each seed: those of its ``plain_model``. Biases start at 0."""
    rows, columns = (size - kernel + 1 for size, kernel in zip(image_shape[:2], architecture.kernel, strict=True))
    inputs = rows * columns * filters
    kernels = [
        _initializer(architecture.initializer, seed, Purpose.KERNEL)((*architecture.kernel, image_shape[2], filters))
        for seed in seeds
    ]
    heads = [_initializer("glorot_uniform", seed, Purpose.HEAD)((inputs, classes)) for seed in seeds]
    return Parameters(
        kernels=np.stack([kernel.numpy() for kernel in kernels]),
        biases=np.zeros((len(seeds), filters), np.float32),
        head=np.stack([head.numpy() for head in heads]),
        head_bias=np.zeros((len(seeds), classes), np.float32),
    )


def build_stack(
    architecture: Architecture, initial: Parameters, seeds: list[int], image_shape: tuple[int, ...]
) -> OneLayerStack:
    """The stack that computes this architecture fastest, with weights `initial`; `seeds` are those of its networks."""
    if architecture.implementation == "keras":
        filters, classes = initial.biases.shape[1], initial.head_bias.shape[1]
        return KerasStack(plain_model(architecture, filters, seeds[0], image_shape, classes), initial)
    if architecture.activation == "linear" and not architecture.dropout:
        return CollapsedStack(initial, image_shape)
    return ConvolutionalStack(initial, image_shape, architecture.activation, architecture.dropout, seeds)
