"""Smaller networks: filters are removed, or a cluster of filters is replaced by one.

A pruned network really has fewer kernels and a smaller dense layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from filtertwins.errors import StudyError
from filtertwins.measures.clusters import cluster_filters_into
from filtertwins.measures.redundancy import Floats, equivalence_of, filter_vectors
from filtertwins.mistakes import did_you_mean
from filtertwins.names import COSINE_MERGE
from filtertwins.networks.forward import ACTIVATIONS, constant_filters, head_by_filter
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.criteria import METHODS

Indices = NDArray[np.intp]


def prune(network: Parameters, method: str, kept: int, activation: str, importance: Floats | None = None) -> Parameters:
    """What a method makes of a network when `kept` filters are to be left.

    Args:
        network: one network, with a seed axis of length 1.
        method: a criterion's name, or ``cosine_merge``.
        kept: how many filters to keep, from 1 to all.
        activation: linear, relu or tanh.
        importance: (filter,), by the criterion; filters of the lowest go first, and the earlier of equals. It is not
            used when merging.

    Returns:
        A network of the same type of numbers.

    Raises:
        StudyError: for a method or a number of filters that can't be.
        ValueError: where there is not one finite importance for each filter.
    """
    check_method(method)
    check_kept(kept, network.kernels.shape[-1])
    if method == COSINE_MERGE:
        return merge_by_cosine(network, kept, activation)
    return remove_filters(network, most_important(importance, kept, network.kernels.shape[-1]))


def check_method(method: str) -> None:
    """Refuse an unknown method.

    Raises:
        StudyError: with the known ones.
    """
    if method not in METHODS:
        raise StudyError(f"method {method!r}: unknown; allowed: {', '.join(METHODS)}{did_you_mean(method, METHODS)}")


def check_kept(kept: int, filters: int) -> None:
    """Refuse to keep no filter, or more than there are.

    Raises:
        StudyError: with what is allowed.
    """
    if not 1 <= kept <= filters:
        raise StudyError(f"kept = {kept}; allowed: 1 to {filters}")


def most_important(importance: ArrayLike | None, kept: int, filters: int) -> Indices:
    """The `kept` filters of highest importance, in their own order; of equal ones the later are kept."""
    values = np.asarray([] if importance is None else importance, dtype=np.float64)
    if values.shape != (filters,) or not np.isfinite(values).all():
        raise ValueError(f"importance: shape {values.shape}; {filters} filters need ({filters},), all finite")
    return np.sort(np.argsort(values, kind="stable")[filters - kept :])


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

    Raises:
        StudyError: for a number of filters that can't be.
    """
    filters = network.kernels.shape[-1]
    check_kept(kept, filters)
    constant = constant_filters(network, activation)
    live = np.flatnonzero(~constant)
    spare = np.flatnonzero(constant)[: max(0, kept - len(live))]  # These constant filters stay.
    merging = _Merging(network, activation)
    for place in np.flatnonzero(constant)[len(spare) :]:
        merging.drop_constant(int(place))
    clusters = _clusters(network, live, kept, activation) if len(live) > kept else [[place] for place in live]
    firsts = [merging.replace(np.asarray(members)) for members in clusters]
    return merging.network(np.sort([*firsts, *spare]))


def _clusters(network: Parameters, live: Indices, kept: int, activation: str) -> list[Indices]:
    equivalence = equivalence_of(activation)
    vectors = filter_vectors(network.kernels[0][..., live], network.biases[0][live], equivalence)
    labels = cluster_filters_into(vectors, equivalence, kept)
    return [live[labels == label] for label in range(kept)]


class _Merging:
    """A network in float64 while its clusters are replaced; a new filter takes the place of its first member."""

    def __init__(self, network: Parameters, activation: str) -> None:
        self._old, self._activation = network, activation
        self._with_bias = activation != "linear"
        self._vectors = filter_vectors(network.kernels[0], network.biases[0], equivalence_of(activation))
        self._biases = network.biases[0].astype(np.float64)
        self._heads = head_by_filter(network).copy()  # (filter, position, class)
        self._constant = np.zeros(self._heads.shape[-1])  # (class,), to be added to the output biases
        self._changed = np.zeros(len(self._vectors), dtype=bool)

    def drop_constant(self, place: int) -> None:
        """Let the output biases take over what a constant filter adds to the logits."""
        answer = ACTIVATIONS[self._activation](self._biases[place])
        self._constant += answer * self._heads[place].sum(axis=0)

    def replace(self, members: Indices) -> int:
        """Replace filters by one, and return whose place it takes."""
        first = int(members[0])
        if len(members) == 1:
            return first
        vectors, heads = self._vectors[members], self._heads[members]
        new, coefficients = _common_filter(vectors, np.linalg.norm(heads, axis=(1, 2)), self._activation)
        if not self._with_bias:
            self._constant += np.einsum("f,fpc->c", self._biases[members], heads)
            self._biases[first] = 0.0
        else:
            self._biases[first] = new[-1]
        self._vectors[first] = new
        self._heads[first] = np.einsum("f,fpc->pc", coefficients, heads)
        self._changed[first] = True
        return first

    def network(self, places: Indices) -> Parameters:
        """The network of the filters in these places; filters that did not change are the old ones to the bit."""
        old, changed = self._old, np.flatnonzero(self._changed)
        kernels, biases, head = (np.array(part, order="C") for part in (old.kernels, old.biases, old.head))
        elements = kernels[0, ..., 0].size
        kernels.reshape(elements, -1)[:, changed] = self._vectors[changed, :elements].T
        biases[0, changed] = self._biases[changed]
        head.reshape(-1, biases.shape[1], head.shape[-1])[:, changed] = self._heads[changed].transpose(1, 0, 2)
        head_bias = (old.head_bias + self._constant).astype(old.head_bias.dtype)
        return remove_filters(Parameters(kernels, biases, head, head_bias), places)


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
