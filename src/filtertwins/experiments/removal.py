"""Removal (H12): what each filter is worth, and how near its nearest filter is.

A filter's share of the logits is its feature map times its dense weights. The logits without the filter are the whole
ones less that share, so that one pass over the images removes every filter, each on its own.

A filter can go in two ways. When it is *removed* with its dense weights, it is missed even if another filter detects
the same thing. When it is *merged* into its nearest filter, which takes over its dense weights, only what the two
detect differently is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.measures.patches import never_active_on
from filtertwins.measures.redundancy import (
    Floats,
    equivalence_of,
    filter_vectors,
    nearest_filters,
)
from filtertwins.names import Row
from filtertwins.networks.forward import Precision, cross_entropies, feature_maps, filter_shares, head_by_filter
from filtertwins.networks.rows import named_networks
from filtertwins.networks.weights import Chunk, Parameters


@dataclass(frozen=True)
class StandIns:
    """What stands in for each filter that is merged: factor times the map of its nearest filter, plus offset."""

    nearest: NDArray[np.intp]  # (filter,), -1 where there is none
    factor: Floats  # (filter,), 0 where there is none
    offset: Floats  # (filter,), 0 unless the activation is linear


@dataclass(frozen=True)
class RemovalCosts:
    """How well a network does, and what removing each filter costs. Losses are mean cross-entropies in nats."""

    loss: float
    loss_increase: Floats  # (filter,)
    loss_increase_merged: Floats  # (filter,), NaN for a filter without a nearest one
    accuracy: float
    accuracy_decrease: Floats  # (filter,)
    accuracy_decrease_merged: Floats  # (filter,), NaN for a filter without a nearest one


def stand_ins(network: Parameters, activation: str) -> StandIns:
    """Each filter's nearest filter, and the factor with which it stands in best.

    Srinivas & Babu 2015 (BMVC; arXiv:1507.06149) merge a neuron into its most similar one by adding its outgoing
    weights to the other's. Here they are first multiplied by a factor that the activation lets them undo:

    - linear: any factor, the one whose kernel is nearest. The biases then differ by a constant, which the output biases
      take over exactly.
    - ReLU: the factor of 0 or more whose kernel and bias are nearest. For filters at more than a right angle it is 0,
      and merging is removing.
    - tanh: 1 or -1. Lengths are not matched, so that even parallel filters merge with a loss.

    Args:
        network: one network, with a seed axis of length 1.
        activation: linear, relu or tanh.
    """
    equivalence = equivalence_of(activation)
    vectors = filter_vectors(network.kernels[0], network.biases[0], equivalence)
    nearest, _ = nearest_filters(vectors, equivalence)
    paired, others = nearest >= 0, vectors[nearest]
    products, squares = (np.einsum("fd,fd->f", left, others) for left in (vectors, others))
    factor = np.divide(products, squares, out=np.zeros(len(vectors)), where=paired)
    offset = np.zeros(len(vectors))
    if equivalence == "nonzero_scale":
        biases = network.biases[0].astype(np.float64)
        offset = np.where(paired, biases - factor * biases[nearest], 0.0)
    elif equivalence == "positive_scale":
        factor = np.maximum(factor, 0.0)
    else:
        factor = np.where(paired, np.copysign(1.0, factor), 0.0)
    return StandIns(nearest, factor, offset)


def removal_costs(
    network: Parameters,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    activation: str,
    precision: Precision = np.float64,
) -> RemovalCosts:
    """What it costs to remove each filter, and to merge each filter, while all others stay as they are.

    Args:
        network: one network, with a seed axis of length 1.
        images: (image, row, column, channel), bytes; the network sees them in [0, 1].
        labels: (image,).
        activation: linear, relu or tanh.
        precision: float64 or float32, in which the shares of filters with an activation are computed.
    """
    replacing = stand_ins(network, activation)
    head_bias = network.head_bias[0].astype(np.float64)
    losses, hits = [], []
    for block, shares, instead in _shares(network, images, activation, precision, replacing):
        whole = shares.sum(axis=0) + head_bias
        scores = np.concatenate([whole[np.newaxis], whole - shares, whole + (instead - shares)])
        losses.append(cross_entropies(scores, labels[block]))
        hits.append(scores.argmax(axis=-1) == labels[block])
    loss = np.concatenate(losses, axis=1)  # (whole, without each filter, with each merged; image)
    correct = np.count_nonzero(np.concatenate(hits, axis=1), axis=1)
    increase = (loss[1:] - loss[0]).mean(axis=1)  # So a share of 0 costs exactly 0.
    decrease = (correct[0] - correct[1:]) / len(labels)
    (removed, merged), (less_right, less_right_merged) = np.split(increase, 2), np.split(decrease, 2)
    alone = replacing.nearest < 0
    return RemovalCosts(
        loss=float(loss[0].mean()),
        loss_increase=removed,
        loss_increase_merged=np.where(alone, np.nan, merged),
        accuracy=float(correct[0] / len(labels)),
        accuracy_decrease=less_right,
        accuracy_decrease_merged=np.where(alone, np.nan, less_right_merged),
    )


def removal_rows(chunk: Chunk, dataset: Dataset, threshold: float) -> list[Row]:
    """``removal.csv``: one row a filter of each network.

    A filter without direction and an only filter have no ``nearest_cosine`` and no costs of merging, and are no near
    duplicates. ``never_active`` is about ReLU alone: no patch of the training images activates the filter.

    Shares of filters with an activation are computed in float32, in half the time. In the MNIST study this changed no
    loss by more than 2e-7 nats, and no accuracy at all.

    Args:
        chunk: trained runs.
        dataset: the losses are of its validation images.
        threshold: τ, the least nearest cosine of a near duplicate.
    """
    activation = chunk.condition["model"]["activation"]
    equivalence = equivalence_of(activation)
    images, labels = dataset.validation_images, dataset.validation_labels
    rows: list[Row] = []
    silent = np.zeros(chunk.parameters.biases.shape, bool)  # (network, filter)
    if activation == "relu":
        silent = never_active_on(chunk.parameters.kernels, chunk.parameters.biases, dataset.train_images)
    for (run, network), never_active in zip(named_networks(chunk), silent, strict=True):
        vectors = filter_vectors(network.kernels[0], network.biases[0], equivalence)
        nearest_cosine = nearest_filters(vectors, equivalence)[1]
        costs = removal_costs(network, images, labels, activation, np.float32)
        near = nearest_cosine >= threshold
        measured = {"nearest_cosine": nearest_cosine, "near_duplicate": near, "never_active": never_active}
        columns = {name: np.broadcast_to(own, len(near)).tolist() for name, own in (measured | vars(costs)).items()}
        rows += [
            run
            | {"activation": activation, "filter": place}
            | {name: values[place] for name, values in columns.items()}
            | {"images": len(images)}
            for place in range(len(near))
        ]
    return rows


def _shares(
    network: Parameters, images: NDArray[np.uint8], activation: str, precision: Precision, replacing: StandIns
) -> Iterator[tuple[slice, Floats, Floats]]:
    """Which images, each filter's share of their logits, and that of its stand-in (filter, image, class), by blocks."""
    nearest = replacing.nearest
    if activation == "linear":  # Shares of linear networks need no feature maps.
        kernels = replacing.factor * network.kernels[..., nearest]
        put_in = replace(
            network, kernels=kernels, biases=replacing.factor * network.biases[..., nearest] + replacing.offset
        )
        own_shares, stand_in_shares = (filter_shares(one, images, activation) for one in (network, put_in))
        for (block, shares), (_, instead) in zip(own_shares, stand_in_shares, strict=True):
            yield block, shares, instead
        return
    head = head_by_filter(network).astype(precision)  # (filter, position, class)
    factor = replacing.factor[:, np.newaxis, np.newaxis]
    # One product multiplies each map by its own dense weights and by those of the filters that it may stand in for.
    users = [np.flatnonzero(nearest == place) for place in range(len(head))]
    joined = [np.concatenate([head[place], *head[own]], axis=1) for place, own in enumerate(users)]
    for block, maps in feature_maps(network, images, activation, precision):
        shares, instead = (np.zeros((*maps.shape[:2], head.shape[2])) for _ in range(2))
        for place, own in enumerate(users):
            products = (maps[place] @ joined[place]).reshape(maps.shape[1], 1 + len(own), -1)
            shares[place], instead[own] = products[:, 0], products[:, 1:].swapaxes(0, 1)
        yield block, shares, factor * instead
