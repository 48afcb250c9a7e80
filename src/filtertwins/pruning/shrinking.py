"""Smaller networks: filters are removed, or a cluster of filters is replaced by one.

A pruned network really has fewer kernels and a smaller dense layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from filtertwins.errors import StudyError
from filtertwins.measures.clusters import cluster_filters_into
from filtertwins.measures.redundancy import Floats, equivalence_of, filter_vectors
from filtertwins.networks.forward import ACTIVATIONS, constant_filters, head_by_filter
from filtertwins.networks.weights import Parameters


def prune(network: Parameters, kept: int, activation: str, importance: Floats | None = None) -> Parameters:
    """A network of `kept` filters: those of the highest importance, or those that similar filters merge into.

    Args:
        network: one network, with a seed axis of length 1.
        kept: how many filters to keep, from 1 to all.
        activation: linear, relu or tanh.
        importance: (filter,); filters of the lowest go first, and the earlier of equals. Without it filters merge.

    Returns:
        A network of the same type of numbers.

    Raises:
        StudyError: for a number of filters that can't be.
        ValueError: where there is not one finite importance for each filter.
    """
    filters = network.kernels.shape[-1]
    if not 1 <= kept <= filters:
        raise StudyError(f"kept = {kept}; allowed: 1 to {filters}")
    if importance is None:
        return merge_by_cosine(network, kept, activation)
    if importance.shape != (filters,) or not np.isfinite(importance).all():
        raise ValueError(f"importance: shape {importance.shape}; {filters} filters need ({filters},), all finite")
    return remove_filters(network, np.sort(np.argsort(importance, kind="stable")[filters - kept :]))


def remove_filters(network: Parameters, kept_filters: ArrayLike) -> Parameters:
    """The networks with these filters only; the kernels, biases and dense weights of the others are left out.

    Args:
        network: S networks.
        kept_filters: (kept filter,), the indices of the filters, in the order of the new network.
    """
    kept = np.asarray(kept_filters, dtype=np.intp)
    seeds, _, classes = network.head.shape
    by_filter = network.head.reshape(seeds, -1, network.kernels.shape[-1], classes)  # (seed, position, filter, class)
    return Parameters(
        kernels=network.kernels.take(kept, axis=-1),
        biases=network.biases.take(kept, axis=-1),
        head=by_filter.take(kept, axis=2).reshape(seeds, -1, classes),
        head_bias=network.head_bias.copy(),
    )


def merge_by_cosine(network: Parameters, kept: int, activation: str) -> Parameters:
    """The network with its filters in `kept` clusters of similar ones, each cluster replaced by a single filter.

    Clusters are made by average linkage of the activation's similarity. Each member of a cluster is taken for a
    multiple of the new filter, as far as the activation lets the dense layer undo a scaling: the new dense weights are
    the sum of the members', each times its coefficient. Srinivas & Babu 2015 (BMVC; arXiv:1507.06149) merge pairs in
    this way with coefficient 1.

    - linear: the new kernel's direction is the leading singular vector of the members' kernels, each weighted by the
      length of its dense weights. The coefficients are the projections on it. What biases add is a constant, which the
      output biases take over exactly.
    - ReLU: the same with the bias as one more entry of the kernel, and without negative coefficients.
    - tanh: the coefficients are 1 and -1, and the new filter is the mean of the members times their coefficients.

    For linear and ReLU the new kernel's length is the root mean square of its members', so that it learns as fast as
    they would. A filter alone in its cluster stays as it is, to the bit. Filters that answer the same to every patch
    are removed before any is merged, and the output biases take over what they add exactly; they stay only where too
    few others are left.

    Args:
        network: one network, with a seed axis of length 1.
        kept: how many filters to keep, from 1 to all.
        activation: linear, relu or tanh.

    Returns:
        A network of the same type of numbers. Clusters are in the order of their first filters.
    """
    equivalence, elements = equivalence_of(activation), network.kernels[0, ..., 0].size
    # Float64 holds the old weights exactly, so that a filter that does not change is the old one to the bit.
    vectors = filter_vectors(network.kernels[0], network.biases[0], equivalence).copy()
    biases, head = network.biases[0].astype(np.float64), head_by_filter(network).copy()
    constant = constant_filters(network, activation)
    live = np.flatnonzero(~constant)
    stay, go = np.split(np.flatnonzero(constant), [max(0, kept - len(live))])
    labels = cluster_filters_into(vectors[live], equivalence, kept) if len(live) > kept else np.arange(len(live))
    taken_over = ACTIVATIONS[activation](biases[go]) @ head[go].sum(axis=1)  # (class,), by the output biases
    firsts = []  # The new filter of a cluster takes the place of its first one.
    for label in np.unique(labels):
        members = live[labels == label]
        first = members[0]
        firsts.append(first)
        if len(members) > 1:
            lengths = np.linalg.norm(head[members], axis=(1, 2))
            vectors[first], coefficients = _common_filter(vectors[members], lengths, activation)
            if activation == "linear":
                taken_over += np.einsum("f,fpc->c", biases[members], head[members])
                biases[first] = 0.0
            else:
                biases[first] = vectors[first, -1]
            head[first] = np.einsum("f,fpc->pc", coefficients, head[members])
    places = np.sort([*firsts, *stay])
    parts = (
        vectors[places, :elements].T.reshape(*network.kernels.shape[:-1], -1),
        biases[np.newaxis, places],
        head[places].swapaxes(0, 1).reshape(1, -1, head.shape[-1]),
        network.head_bias + taken_over,
    )
    olds = vars(network).values()
    return Parameters(*(new.astype(old.dtype, order="C") for new, old in zip(parts, olds, strict=True)))


def _common_filter(vectors: Floats, weights: Floats, activation: str) -> tuple[Floats, Floats]:
    """One vector for several, (dimension,), and the multiples of it that stand for each of them, (filter,).

    Args:
        vectors: (filter, dimension).
        weights: (filter,), the lengths of their dense weights, by which they matter.
        activation: linear, relu or tanh.
    """
    direction = np.linalg.svd(weights[:, np.newaxis] * vectors, full_matrices=False)[2][0]
    projections = vectors @ direction
    if weights @ projections < 0:  # The sign of a singular vector is arbitrary.
        direction, projections = -direction, -projections
    if activation == "tanh":
        signs = np.where(projections < 0, -1.0, 1.0)
        return np.asarray(signs @ vectors / len(vectors)), signs
    if activation == "relu":
        projections = np.maximum(projections, 0.0)
    length = np.sqrt(np.mean(np.sum(vectors**2, axis=1)))
    return direction * length, projections / length
