"""Optimal Brain Damage as in its paper: the least salient weights are deleted, and the loss is measured.

LeCun, Denker & Solla 1990 (NIPS 2) predict that deleting weights costs the sum of their saliencies h w²/2, and delete
those of the smallest saliency. They compare this with deleting those of the smallest magnitude.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.redundancy import Floats
from filtertwins.networks.forward import Images, Labels, cross_entropies, filter_shares
from filtertwins.networks.weights import Parameters
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

    Raises:
        ValueError: for a share that is not in [0, 1).
    """
    for share in shares:
        if not 0 <= share < 1:
            raise ValueError(f"share = {share}; allowed: 0 to below 1")
    exact, by_recursion = (
        _flat(saliencies(network, diagonal(network, images, labels, activation)))
        for diagonal in (hessian_diagonal, hessian_diagonal_1990)
    )
    orders = {"obd": exact.argsort(kind="stable"), "magnitude": np.abs(_flat(network)).argsort(kind="stable")}
    choices = [
        (ranking, share, orders[ranking][: round(share * network.count)]) for ranking in RANKINGS for share in shares
    ]
    masks = [_mask(network, chosen) for _, _, chosen in choices]
    losses = _losses(network, [_mask(network, np.empty(0, np.intp)), *masks], images, labels, activation)
    return [
        Deletion(
            ranking=ranking,
            share=share,
            kept=kept,
            deleted=len(chosen),
            predicted_increase=float(exact[chosen].sum()),
            predicted_increase_1990=float(by_recursion[chosen].sum()),
            actual_increase=float(loss - losses[0]),
            loss=float(losses[0]),
        )
        for (ranking, share, chosen), kept, loss in zip(choices, masks, losses[1:], strict=True)
    ]


def masked(network: Parameters, kept: Parameters) -> Parameters:
    """The networks with zeros for all weights that are not kept; types and shapes stay."""
    pairs = zip(vars(network).values(), vars(kept).values(), strict=True)
    return Parameters(*(np.where(keep, weights, weights.dtype.type(0)) for weights, keep in pairs))


def _flat(network: Parameters) -> Floats:
    return np.concatenate([part.ravel() for part in vars(network).values()], dtype=np.float64)


def _mask(network: Parameters, deleted: NDArray[np.intp]) -> Parameters:
    keep = np.ones(network.count, dtype=bool)
    keep[deleted] = False
    parts = list(vars(network).values())
    ends = np.cumsum([part.size for part in parts])[:-1]
    return Parameters(*(own.reshape(part.shape) for own, part in zip(np.split(keep, ends), parts, strict=True)))


def _losses(
    network: Parameters, masks: Sequence[Parameters], images: Images, labels: Labels, activation: str
) -> Floats:
    """The mean loss of the network under each mask, (mask,).

    The masked networks are put side by side as one network with the filters of all, so that the images are cut into
    patches only once.
    """
    filters, classes = network.kernels.shape[-1], network.head.shape[-1]
    networks = [masked(network, kept) for kept in masks]
    heads = [one.head.reshape(1, -1, filters, classes) for one in networks]  # (1, position, filter, class)
    side_by_side = Parameters(
        kernels=np.concatenate([one.kernels for one in networks], axis=-1),
        biases=np.concatenate([one.biases for one in networks], axis=-1),
        head=np.concatenate(heads, axis=2).reshape(1, -1, classes),
        head_bias=network.head_bias,
    )
    head_biases = np.stack([one.head_bias for one in networks])  # (mask, 1, class)
    total = np.zeros(len(masks))
    for block, shares in filter_shares(side_by_side, images, activation):
        scores = shares.reshape(len(masks), filters, -1, classes).sum(axis=1) + head_biases
        total += cross_entropies(scores, labels[block]).sum(axis=1)
    return total / len(labels)
