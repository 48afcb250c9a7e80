"""Where training starts: at random or trained weights, which may be scaled or have two filters planted as twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from filtertwins.architectures import Start
from filtertwins.networks.weights import Parameters
from filtertwins.training.streams import Purpose, generator


def start_from(drawn: Parameters, start: Start, seed: int) -> Parameters:
    """One network's weights at the start.

    Twins are the first filter split in two: both get all its weights, before and after the activation, divided by √2.
    In a linear or ReLU network they do together what the first filter did alone. Gradient descent moves each as it
    would have moved the first one, divided by √2, so that the network behaves, but for rounding, like the one without
    the second filter. That one is the network with a silent second filter, whose gradients are zero, so that it stays
    silent.

    Args:
        drawn: the random initial weights of one network (a seed axis of length 1), or trained ones.
        start: what to do with them.
        seed: the network's seed, which fixes the direction in which the kernels of near twins are moved apart.

    Raises:
        ValueError: there is no second filter.
    """
    kernels, biases, head = (start.scale * x for x in (drawn.kernels, drawn.biases, drawn.head))
    filters = kernels.shape[-1]
    if start.second_filter != "own":
        if filters < 2:
            raise ValueError(f"filters = {filters}; second_filter: {start.second_filter} needs 2 or more")
        outgoing = head.reshape(1, -1, filters, head.shape[-1])  # a view: (network, position, filter, class)
        first, second = start.pair
        if start.second_filter == "silent":
            kernels[..., second], biases[..., second], outgoing[:, :, second] = 0, 0, 0
        else:
            kernels[..., second], biases[..., second] = kernels[..., first], biases[..., first]
        if start.second_filter == "twin":
            outgoing[:, :, second] = outgoing[:, :, first]
            for weights in (kernels, biases, outgoing.swapaxes(-1, -2)):
                weights[..., [first, second]] /= np.sqrt(weights.dtype.type(2))
        if start.epsilon:
            direction = generator(seed, Purpose.PERTURBATION).standard_normal(kernels.shape[:-1])
            apart = (start.epsilon / np.linalg.norm(direction) * direction).astype(kernels.dtype)
            kernels[..., first] += apart
            kernels[..., second] -= apart
        biases[..., first] += start.bias_gap
        biases[..., second] -= start.bias_gap
    return replace(drawn, kernels=kernels, biases=biases, head=head, head_bias=start.scale * drawn.head_bias)


def outgoing_separation(
    parameters: Parameters, pairs: Sequence[tuple[int, int]] = ((0, 1),)
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Distance between the dense weights of two filters, (network,): 0 only if they are equal.

    It is missing where there is a single filter.

    Args:
        parameters: S networks.
        pairs: the two filters' places in each network, or one pair for all.
    """
    seeds, filters = parameters.biases.shape
    if filters < 2:
        return np.full(seeds, np.nan)
    outgoing = parameters.head.reshape(seeds, -1, filters, parameters.head.shape[-1])
    places = np.broadcast_to(pairs, (seeds, 2)).T
    first, second = (outgoing[np.arange(seeds), :, place] for place in places)  # (network, position, class)
    difference = first.astype(np.float64) - second
    return np.asarray(np.linalg.norm(difference.reshape(seeds, -1), axis=1))
