"""Criteria: one number for each filter of a trained network, the higher the more the filter matters.

A criterion is a function that says which paper it comes from; :data:`CRITERIA` holds them all. A network
has one convolutional layer here, so what some papers add to compare layers with each other is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, overload

import numpy as np

from filtertwins.errors import StudyError
from filtertwins.extensions import Registry, require_parameters
from filtertwins.measures.redundancy import Floats, equivalence_of, filter_vectors, ignores_sign, similarity_matrix
from filtertwins.names import COSINE_MERGE, RANDOM_DRAWS, SELECTED, UNPRUNED
from filtertwins.networks.forward import Images, Labels, class_errors, constant_filters, cross_entropies, filter_shares
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.hessian import hessian_diagonal


@dataclass(frozen=True)
class TrainedNetwork:
    """What criteria may look at, one network and training images; what several of them need is computed once."""

    network: Parameters  # with a seed axis of length 1
    activation: str
    images: Images  # (image, row, column, channel), bytes; the network sees them in [0, 1]
    labels: Labels  # (image,)
    seed: int

    @cached_property
    def shares(self) -> Floats:
        """Each filter's share of the logits, (filter, image, class)."""
        blocks = [shares for _, shares in filter_shares(self.network, self.images, self.activation)]
        return np.concatenate(blocks, axis=1)

    @cached_property
    def logits(self) -> Floats:
        """What the network answers, (image, class)."""
        return np.asarray(self.shares.sum(axis=0) + self.network.head_bias[0])

    @property
    def filters(self) -> int:
        """The number of filters."""
        return int(self.network.kernels.shape[-1])

    @property
    def vectors(self) -> Floats:
        """One vector per filter, (filter, dimension), with its bias where the activation makes it matter."""
        equivalence = equivalence_of(self.activation)
        return filter_vectors(self.network.kernels[0], self.network.biases[0], equivalence)


Criterion: TypeAlias = Callable[[TrainedNetwork], Floats]
"""It gives the importance of each filter, (filter,)."""

CRITERIA: Registry[Criterion] = Registry("criterion", taken=(COSINE_MERGE, SELECTED, UNPRUNED))
"""All criteria by name, in the order of this module; then those of files beside the config."""

ACTIVATIONS: dict[str, tuple[str, ...]] = {}
"""The activations that a criterion is for, of those that say so. The others are for all."""


@overload
def criterion(function: Criterion, /) -> Criterion: ...
@overload
def criterion(*, activations: str | Sequence[str]) -> Callable[[Criterion], Criterion]: ...
def criterion(
    function: Criterion | None = None, /, *, activations: str | Sequence[str] = ()
) -> Criterion | Callable[[Criterion], Criterion]:
    """Enter a function into :data:`CRITERIA` under its own name.

    Args:
        function: the criterion. Without it, as in ``@criterion(activations="relu")``, this is a decorator.
        activations: those of the networks that it is for; none means all.
    """

    def register(function: Criterion) -> Criterion:
        require_parameters("criterion", function, 1)
        CRITERIA.enter(function, function)
        if activations:
            ACTIVATIONS[function.__name__] = (activations,) if isinstance(activations, str) else tuple(activations)
        return function

    return register(function) if function else register


@criterion
def random(trained: TrainedNetwork) -> Floats:
    """Random numbers, fixed by the seed. Every other criterion has to beat them."""
    return np.asarray(random_importances(trained.network, trained.seed)[0])


def random_importances(network: Parameters, seed: int) -> Floats:
    """The draws of the criterion ``random``, (draw, filter).

    A network is pruned by each of them, and their mean is what other criteria have to beat: a single draw may be lucky.
    """
    *shape, _, filters = network.kernels.shape  # The channels are left out, as when all images were grey.
    return np.random.default_rng([seed, *shape, filters]).random((RANDOM_DRAWS, filters))


@criterion
def l1(trained: TrainedNetwork) -> Floats:
    """The sum of the kernel's absolute weights.

    Li et al. 2017 (ICLR; arXiv:1608.08710).
    """
    kernels = trained.network.kernels[0].astype(np.float64)
    return np.asarray(np.abs(kernels).sum(axis=(0, 1, 2)))


@criterion
def fpgm(trained: TrainedNetwork) -> Floats:
    """The sum of the distances to all other filters, which is smallest near the filters' geometric median.

    He et al. 2019 (CVPR; arXiv:1811.00250).
    Unlike the paper's it knows about signs: where the next layer can undo a sign, the distance is that to the nearer of
    the other filter and its negative. Under ReLU and tanh a filter's bias is one more entry of its vector.
    """
    vectors = trained.vectors
    others = [vectors, -vectors] if ignores_sign(equivalence_of(trained.activation)) else [vectors]
    distances = [np.linalg.norm(vectors[:, np.newaxis] - other, axis=-1) for other in others]
    return np.asarray(np.min(distances, axis=0).sum(axis=1))


@criterion
def nearest_cosine(trained: TrainedNetwork) -> Floats:
    """1 - similarity to the nearest filter that is left, when filters are removed one by one.

    RoyChowdhury et al. 2017 (NIPS workshop on deep learning: bridging theory and practice).
    At each turn the most similar pair loses the filter with the smaller kernel. The other one stays, since only one of
    two twins is superfluous. The filters left are never more similar than before, so importances rise in the order of
    removal; equal ones are told apart by the smallest step of a float. A filter that answers the same to everything
    goes first, with importance 0. That duplicates go is the paper's idea; the order and the similarity are ours.
    """
    equivalence = equivalence_of(trained.activation)
    importance = np.zeros(trained.filters)
    lengths = np.linalg.norm(trained.network.kernels[0].reshape(-1, trained.filters).astype(np.float64), axis=0)
    left = np.flatnonzero(~constant_filters(trained.network, trained.activation))
    similarity = similarity_matrix(trained.vectors[left], equivalence)
    np.fill_diagonal(similarity, -np.inf)
    last = 0.0
    while len(left):
        first, second = divmod(int(similarity.argmax()), len(left))
        goes = first if lengths[left[first]] <= lengths[left[second]] else second
        nearest = similarity[first, second] if len(left) > 1 else 0.0  # The last filter is like no other.
        last = max(1.0 - nearest, np.nextafter(last, np.inf))
        importance[left[goes]] = last
        left = np.delete(left, goes)
        similarity = np.delete(np.delete(similarity, goes, axis=0), goes, axis=1)
    return importance


@criterion
def obd(trained: TrainedNetwork) -> Floats:
    """The saliency h w²/2, summed over the filter's kernel, bias and dense weights.

    LeCun, Denker & Solla 1990 (NIPS 2).
    Here h is the exact diagonal of the Hessian; the paper neglects the cross terms between positions that share a
    weight. A filter's weights are deleted together, and the sum neglects the cross terms between them, as the paper's.
    """
    curvature = hessian_diagonal(trained.network, trained.images, trained.labels, trained.activation)
    return filter_sums(saliencies(trained.network, curvature))


@criterion
def taylor(trained: TrainedNetwork) -> Floats:
    """The mean over images of |mean over the map's entries of activation times the loss's gradient by it|.

    Molchanov et al. 2017 (ICLR; arXiv:1611.06440).
    The gradient by an entry of the map is its dense weights times p - y. So the sum over the entries is the filter's
    share of the logits times p - y.
    """
    errors = class_errors(trained.logits, trained.labels)
    positions = trained.network.head.shape[1] // trained.filters
    return np.asarray(np.abs(np.einsum("fic,ic->fi", trained.shares, errors)).mean(axis=1) / positions)


@criterion
def oracle(trained: TrainedNetwork) -> Floats:
    """By how many nats the mean training loss rises when this filter alone is removed; below 0 where it falls.

    Molchanov et al. 2017 (ICLR; arXiv:1611.06440).
    """
    loss = cross_entropies(trained.logits, trained.labels)
    # Filters are taken one by one to save memory. Losses are subtracted before they are averaged, image by image, so
    # that a filter whose share is 0 costs exactly 0.
    without = (cross_entropies(trained.logits - share, trained.labels) for share in trained.shares)
    return np.array([(other - loss).mean() for other in without])


def methods() -> dict[str, tuple[str, ...]]:
    """All ways to prune, criteria and the merging of similar filters, and which activations each is for; () is all."""
    return {name: ACTIVATIONS.get(name, ()) for name in (*CRITERIA, COSINE_MERGE)}


def importances(trained: TrainedNetwork, names: Iterable[str]) -> dict[str, Floats]:
    """The importance of each filter, ``(filter,)``, by several criteria.

    Raises:
        StudyError: a criterion gives anything but a finite number for each filter.
    """
    found = {name: np.asarray(CRITERIA[name](trained)) for name in names}
    for name, values in found.items():
        if values.shape != (trained.filters,) or not np.isfinite(values).all():
            raise StudyError(f"the criterion {name} must give a finite number for each of {trained.filters} filters")
    return found


def saliencies(network: Parameters, curvature: Parameters) -> Parameters:
    """Optimal Brain Damage's h w²/2 for every weight: the nats that deleting it alone should cost at a minimum.

    Args:
        network: the weights w.
        curvature: the diagonal h of the Hessian, of the same shapes.
    """
    pairs = zip(vars(network).values(), vars(curvature).values(), strict=True)
    return Parameters(*(h * weights.astype(np.float64) ** 2 / 2 for weights, h in pairs))


def filter_sums(values: Parameters) -> Floats:
    """The sum of values over the weights of each filter, which are its kernel, bias and dense weights: (filter,)."""
    filters = values.kernels.shape[-1]
    dense = values.head[0].reshape(-1, filters, values.head.shape[-1])
    return np.asarray(values.kernels[0].sum(axis=(0, 1, 2)) + values.biases[0] + dense.sum(axis=(0, 2)))
