"""Optimal Brain Damage as in its paper: the least salient weights are deleted, and the loss is measured.

LeCun, Denker & Solla 1990 (NIPS 2) predict that deleting weights costs the sum of their saliencies h w²/2, and delete
those of the smallest saliency. They compare this with deleting those of the smallest magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.redundancy import Floats
from filtertwins.networks.forward import Images, Labels, cross_entropies, filter_shares
from filtertwins.networks.weights import Parameters, stacked
from filtertwins.pruning.criteria import saliencies
from filtertwins.pruning.hessian import hessian_diagonal, hessian_diagonal_1990

RANKINGS = ("obd", "magnitude")
"""The orders in which weights are deleted: by saliency or by absolute value, the smallest first."""


@dataclass(frozen=True)
class Deletion:
    """Some weights of one network set to zero, and what this costs; losses are mean cross-entropies in nats."""

    ranking: str
    share: float
    kept: Parameters  # bool, True for the weights that stay
    deleted: int
    predicted_increase: float  # with the exact diagonal of the Hessian
    predicted_increase_1990: float  # with the paper's recursion
    actual_increase: float
    loss: float  # before any deletion


def delete_weights(
    network: Parameters, images: Images, labels: Labels, activation: str, shares: Sequence[float]
) -> list[Deletion]:
    """Delete shares of a network's weights and biases, by each ranking.

    Args:
        network: one network, with a seed axis of length 1.
        images: (image, row, column), bytes; the Hessian and the losses are means over them.
        labels: (image,).
        activation: linear, relu or tanh.
        shares: shares of all weights, from 0 to below 1; the number of weights is rounded.

    Returns:
        A deletion for each ranking and share, in order.
    """
    exact, by_recursion = (
        _flat(saliencies(network, diagonal(network, images, labels, activation)))
        for diagonal in (hessian_diagonal, hessian_diagonal_1990)
    )
    orders = {"obd": exact.argsort(kind="stable"), "magnitude": np.abs(_flat(network)).argsort(kind="stable")}
    choices = list(product(RANKINGS, shares))
    chosen = [orders[ranking][: round(share * network.count)] for ranking, share in choices]
    masks = [_mask(network, own) for own in chosen]
    whole, *losses = _losses(network, [_mask(network, []), *masks], images, labels, activation)
    return [
        Deletion(
            ranking=ranking,
            share=share,
            kept=kept,
            deleted=len(own),
            predicted_increase=float(exact[own].sum()),
            predicted_increase_1990=float(by_recursion[own].sum()),
            actual_increase=loss - whole,
            loss=whole,
        )
        for (ranking, share), own, kept, loss in zip(choices, chosen, masks, losses, strict=True)
    ]


def masked(network: Parameters, kept: Parameters) -> Parameters:
    """The networks with zeros for all weights that are not kept; types and shapes stay."""
    pairs = zip(vars(network).values(), vars(kept).values(), strict=True)
    return Parameters(*(np.where(keep, weights, 0) for weights, keep in pairs))


def _flat(network: Parameters) -> Floats:
    return np.concatenate([part.ravel() for part in vars(network).values()], dtype=np.float64)


def _mask(network: Parameters, deleted: Sequence[int] | NDArray[np.intp]) -> Parameters:
    keep = np.ones(network.count, dtype=bool)
    keep[np.asarray(deleted, np.intp)] = False
    parts = list(vars(network).values())
    ends = np.cumsum([part.size for part in parts])[:-1]
    return Parameters(*(own.reshape(part.shape) for own, part in zip(np.split(keep, ends), parts, strict=True)))


def _losses(
    network: Parameters, masks: Sequence[Parameters], images: Images, labels: Labels, activation: str
) -> list[float]:
    """The mean loss of the network under each mask.

    The masked networks are put side by side as one network with the filters of all, so that the images are cut into
    patches only once.
    """
    filters, classes = network.kernels.shape[-1], network.head.shape[-1]
    stack = stacked([masked(network, kept) for kept in masks])
    side_by_side = Parameters(
        kernels=np.concatenate(stack.kernels, axis=-1)[np.newaxis],
        biases=stack.biases.reshape(1, -1),
        head=stack.head.reshape(len(masks), -1, filters, classes).swapaxes(0, 1).reshape(1, -1, classes),
        head_bias=network.head_bias,
    )
    total = np.zeros(len(masks))
    for block, shares in filter_shares(side_by_side, images, activation):
        scores = shares.reshape(len(masks), filters, -1, classes).sum(axis=1) + stack.head_bias[:, np.newaxis]
        total += cross_entropies(scores, labels[block]).sum(axis=1)
    means: list[float] = (total / len(labels)).tolist()
    return means
