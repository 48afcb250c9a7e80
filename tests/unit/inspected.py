"""Networks with and without twins, for the tests of inspect."""

from __future__ import annotations

import numpy as np

from filtertwins.inspect.model import Convolution, Model


def convolution(kernels, biases=None, *, name="conv", kind="conv2d", activation="relu", **properties):
    """A convolution of kernels (filter, channel, *taps)."""
    return Convolution(name, kind, np.asarray(kernels), biases, activation=activation, **properties)


def network(*layers, path="model"):
    """A model of these convolutions."""
    return Model(path, "arrays", layers, ())


def random_kernels(rng, filters=48, channels=1, side=3):
    """Kernels as an initialiser draws them, uniform (filter, channel, row, column)."""
    return rng.uniform(-1, 1, (filters, channels, side, side))


def with_twins(kernels, rng, *, scales=(1.0,), noise=0.0, pairs=3):
    """The same kernels, where the last filters are multiples of the first ones: 0 and 47, 1 and 46, 2 and 45."""
    twinned = kernels.copy()
    for place in range(pairs):
        twinned[-1 - place] = scales[place % len(scales)] * kernels[place]
        twinned[-1 - place] += noise * rng.standard_normal(kernels[0].shape)
    return twinned
