"""Optimal Brain Damage as in its paper: the least salient weights are deleted, and the loss is measured.

LeCun, Denker & Solla 1990 (NIPS 2) predict that deleting weights costs the sum of their saliencies h w²/2, and delete
those of the smallest saliency. They compare this with deleting those of the smallest magnitude. Three things are left
out of that prediction, and are measured beside it: the gradient, which is 0 at a minimum only; the cross terms of the
Hessian; and what is beyond the second order.
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
from filtertwins.pruning.hessian import hessian_diagonal

RANKINGS = ("obd", "magnitude")
"""The orders in which weights are deleted: by saliency or by absolute value, the smallest first."""

_STEP = 1e-2  # Derivatives along a deletion are differences over this share of it, in float64.


@dataclass(frozen=True)
class Deletion:
    """Some weights of one network set to zero, and what this costs; losses are mean cross-entropies in nats."""

    ranking: str
    share: float
    kept: Parameters  # bool, True for the weights that stay
    deleted: int
    gradient_increase: float  # the first-order term of the loss along the deletion
    predicted_increase: float  # with the exact diagonal of the Hessian
    quadratic_increase: float  # the whole second-order term, with the cross terms
    actual_increase: float
    loss: float  # before any deletion


def delete_weights(
    network: Parameters, images: Images, labels: Labels, activation: str, shares: Sequence[float]
) -> list[Deletion]:
    """Delete shares of a network's weights and biases, by each ranking.

    Args:
        network: one network, with a seed axis of length 1.
        images: (image, row, column, channel), bytes; the Hessian and the losses are means over them.
        labels: (image,).
        activation: linear, relu or tanh.
        shares: shares of all weights, from 0 to below 1; the number of weights is rounded.

    Returns:
        A deletion for each ranking and share, in order.
    """
    saliency = _flat(saliencies(network, hessian_diagonal(network, images, labels, activation)))
    orders = {"obd": saliency.argsort(kind="stable"), "magnitude": np.abs(_flat(network)).argsort(kind="stable")}
    choices = list(product(RANKINGS, shares))
    chosen = [orders[ranking][: round(share * network.count)] for ranking, share in choices]
    masks = [_mask(network, own) for own in chosen]
    steps = [_scaled(network, mask, 1 + step) for step in (-_STEP, _STEP) for mask in masks]
    networks = [network, *(masked(network, mask) for mask in masks), *steps]
    whole, *losses = _losses(network, networks, images, labels, activation)
    after, towards, away = np.split(np.array(losses), 3)  # towards the deletion, and away from it
    return [
        Deletion(
            ranking=ranking,
            share=share,
            kept=masks[i],
            deleted=len(chosen[i]),
            gradient_increase=(towards[i] - away[i]) / (2 * _STEP),
            predicted_increase=float(saliency[chosen[i]].sum()),
            quadratic_increase=(towards[i] - 2 * whole + away[i]) / (2 * _STEP**2),
            actual_increase=after[i] - whole,
            loss=whole,
        )
        for i, (ranking, share) in enumerate(choices)
    ]


def masked(network: Parameters, kept: Parameters) -> Parameters:
    """The networks with zeros for all weights that are not kept; types and shapes stay."""
    pairs = zip(vars(network).values(), vars(kept).values(), strict=True)
    return Parameters(*(np.where(keep, weights, 0) for weights, keep in pairs))


def _scaled(network: Parameters, kept: Parameters, factor: float) -> Parameters:
    """The networks in float64, with the weights that are not kept times a factor."""
    pairs = zip(vars(network).values(), vars(kept).values(), strict=True)
    return Parameters(*(np.where(keep, 1.0, factor) * weights for weights, keep in pairs))


def _flat(network: Parameters) -> Floats:
    return np.concatenate([part.ravel() for part in vars(network).values()], dtype=np.float64)


def _mask(network: Parameters, deleted: Sequence[int] | NDArray[np.intp]) -> Parameters:
    keep = np.ones(network.count, dtype=bool)
    keep[np.asarray(deleted, np.intp)] = False
    parts = list(vars(network).values())
    ends = np.cumsum([part.size for part in parts])[:-1]
    return Parameters(*(own.reshape(part.shape) for own, part in zip(np.split(keep, ends), parts, strict=True)))


def _losses(
    network: Parameters, networks: Sequence[Parameters], images: Images, labels: Labels, activation: str
) -> list[float]:
    """The mean loss of each of some networks that have the shape of one.

    They are put side by side as one network with the filters of all, so that the images are cut into
    patches only once.
    """
    filters, classes = network.kernels.shape[-1], network.head.shape[-1]
    stack = stacked([Parameters(*(part.astype(np.float64) for part in vars(own).values())) for own in networks])
    side_by_side = Parameters(
        kernels=np.concatenate(stack.kernels, axis=-1)[np.newaxis],
        biases=stack.biases.reshape(1, -1),
        head=stack.head.reshape(len(networks), -1, filters, classes).swapaxes(0, 1).reshape(1, -1, classes),
        head_bias=network.head_bias,
    )
    total = np.zeros(len(networks))
    for block, shares in filter_shares(side_by_side, images, activation):
        scores = shares.reshape(len(networks), filters, -1, classes).sum(axis=1) + stack.head_bias[:, np.newaxis]
        total += cross_entropies(scores, labels[block]).sum(axis=1)
    means: list[float] = (total / len(labels)).tolist()
    return means
