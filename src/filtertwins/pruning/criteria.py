"""Criteria: how much each filter of a trained network matters, one number a filter, higher for those to keep.

A criterion is a function with a line above it that names its paper; :data:`CRITERIA` has them all. Each is about one
convolutional layer, so what some papers add for comparing layers is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from filtertwins.errors import StudyError
from filtertwins.measures.redundancy import Floats, equivalence_of, filter_vectors, ignores_sign, similarity_matrix
from filtertwins.names import COSINE_MERGE
from filtertwins.networks.forward import Images, Labels, constant_filters, cross_entropies, filter_shares
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.hessian import hessian_diagonal
from filtertwins.settings import did_you_mean


@dataclass(frozen=True)
class TrainedNetwork:
    """What criteria may look at: one network and training images; and what several of them need, computed once."""

    network: Parameters  # with a seed axis of length 1
    activation: str
    images: Images  # (image, row, column), bytes; the network sees them in [0, 1]
    labels: Labels  # (image,)
    seed: int

    @cached_property
    def shares(self) -> Floats:
        """Each filter's share of the logits, (filter, image, class)."""
        blocks = [shares for _, shares in filter_shares(self.network, self.images, self.activation)]
        return np.concatenate(blocks, axis=1)

    @cached_property
    def logits(self) -> Floats:
        """(image, class)."""
        return np.asarray(self.shares.sum(axis=0) + self.network.head_bias[0])

    @property
    def filters(self) -> int:
        """How many filters it has."""
        return int(self.network.kernels.shape[-1])

    @property
    def vectors(self) -> Floats:
        """One vector per filter, (filter, dimension), with its bias where the activation makes it matter."""
        equivalence = equivalence_of(self.activation)
        return filter_vectors(self.network.kernels[0], self.network.biases[0], equivalence)


@dataclass(frozen=True)
class Paper:
    """Where a criterion comes from."""

    authors: str
    year: int
    title: str
    venue: str
    arxiv: str = ""

    def __str__(self) -> str:
        where = f"{self.venue}; arXiv:{self.arxiv}" if self.arxiv else self.venue
        return f"{self.authors} {self.year} ({where})"


@dataclass(frozen=True)
class Criterion:
    """A criterion of :data:`CRITERIA`."""

    name: str
    paper: Paper | None  # None for chance
    importance: Callable[[TrainedNetwork], Floats]  # (filter,)


CRITERIA: dict[str, Criterion] = {}
"""By name, in the order of this module."""


def criterion(
    paper: Paper | None,
) -> Callable[[Callable[[TrainedNetwork], Floats]], Callable[[TrainedNetwork], Floats]]:
    """Enter a function into :data:`CRITERIA` under its own name."""

    def enter(function: Callable[[TrainedNetwork], Floats]) -> Callable[[TrainedNetwork], Floats]:
        CRITERIA[function.__name__] = Criterion(function.__name__, paper, function)
        return function

    return enter


@criterion(paper=None)
def random(trained: TrainedNetwork) -> Floats:
    """Chance, fixed by the seed: what every other criterion has to beat."""
    return np.random.default_rng([trained.seed, *trained.network.kernels.shape]).random(trained.filters)


@criterion(Paper("Li et al.", 2017, "Pruning filters for efficient ConvNets", "ICLR", "1608.08710"))
def l1(trained: TrainedNetwork) -> Floats:
    """The sum of the kernel's absolute weights."""
    kernels = trained.network.kernels[0].astype(np.float64)
    return np.asarray(np.abs(kernels).sum(axis=(0, 1)))


@criterion(
    Paper("He et al.", 2019, "Filter pruning via geometric median for deep CNNs acceleration", "CVPR", "1811.00250")
)
def fpgm(trained: TrainedNetwork) -> Floats:
    """The sum of the distances to all other filters: smallest near the filters' geometric median.

    Aware of sign, which the paper is not: where the next layer can undo one, the nearer of the other filter and its
    negative counts. Under ReLU and tanh biases belong to the filters.
    """
    vectors = trained.vectors
    others = [vectors, -vectors] if ignores_sign(equivalence_of(trained.activation)) else [vectors]
    distances = [np.linalg.norm(vectors[:, np.newaxis] - other, axis=-1) for other in others]
    return np.asarray(np.min(distances, axis=0).sum(axis=1))


@criterion(
    Paper(
        "RoyChowdhury et al.",
        2017,
        "Reducing duplicate filters in deep neural networks",
        "NIPS workshop on deep learning: bridging theory and practice",
    )
)
def nearest_cosine(trained: TrainedNetwork) -> Floats:
    """1 - similarity to the nearest filter that is left, when filters go one by one.

    Of the most similar pair the filter of the smaller kernel goes, and the other stays: of twins only one is
    superfluous. What is left is never more similar than before, so that importances rise in the order of going; ties
    are told apart by the least that floats can differ. A filter that answers the same to everything goes first, with
    importance 0. The paper's idea is that duplicates go; this order, and similarity by activation, are the study's.
    """
    equivalence = equivalence_of(trained.activation)
    importance = np.zeros(trained.filters)
    lengths = np.linalg.norm(trained.network.kernels[0].astype(np.float64), axis=(0, 1))
    left = np.flatnonzero(~constant_filters(trained.network, trained.activation))
    similarity = similarity_matrix(trained.vectors[left], equivalence)
    np.fill_diagonal(similarity, -np.inf)
    last = 0.0
    while len(left):
        first, second = divmod(int(similarity.argmax()), len(left))
        goes = first if lengths[left[first]] <= lengths[left[second]] else second
        nearest = similarity[first, second] if len(left) > 1 else 0.0  # the last one is like no other
        last = max(1.0 - nearest, np.nextafter(last, np.inf))
        importance[left[goes]] = last
        left = np.delete(left, goes)
        similarity = np.delete(np.delete(similarity, goes, axis=0), goes, axis=1)
    return importance


@criterion(Paper("LeCun, Denker & Solla", 1990, "Optimal brain damage", "NIPS 2"))
def obd(trained: TrainedNetwork) -> Floats:
    """The saliency h w²/2, summed over the filter's weights: kernel, bias and dense weights.

    h is the exact diagonal of the Hessian, where the paper drops the cross terms between the positions that share a
    weight. The sum over a filter's weights, which go together, drops those between weights, as the paper does.
    """
    curvature = hessian_diagonal(trained.network, trained.images, trained.labels, trained.activation)
    return filter_sums(saliencies(trained.network, curvature))


@criterion(
    Paper(
        "Molchanov et al.",
        2017,
        "Pruning convolutional neural networks for resource efficient inference",
        "ICLR",
        "1611.06440",
    )
)
def taylor(trained: TrainedNetwork) -> Floats:
    """Mean over images of |mean over the map's entries of activation times the loss's gradient by it|.

    The gradient by an entry of the map is its dense weights times p - y, so that the sum over the entries is the
    filter's share of the logits times p - y.
    """
    errors = softmax(trained.logits, axis=1)
    errors[np.arange(len(errors)), trained.labels] -= 1
    positions = trained.network.head.shape[1] // trained.filters
    return np.asarray(np.abs(np.einsum("fic,ic->fi", trained.shares, errors)).mean(axis=1) / positions)


@criterion(CRITERIA["taylor"].paper)
def oracle(trained: TrainedNetwork) -> Floats:
    """What the mean training loss rises by, in nats, without this filter alone; below 0 where it falls."""
    loss = cross_entropies(trained.logits, trained.labels)
    # Filter by filter, to save memory; differences first: a share of 0 costs exactly 0.
    without = (cross_entropies(trained.logits - share, trained.labels) for share in trained.shares)
    return np.array([(other - loss).mean() for other in without])


METHODS: tuple[str, ...] = (*CRITERIA, COSINE_MERGE)
"""All ways to prune: by a criterion, or by merging."""


def importances(trained: TrainedNetwork, names: Iterable[str]) -> dict[str, Floats]:
    """The importance of each filter, ``(filter,)``, by several criteria.

    Raises:
        StudyError: for a name that is not a criterion's.
    """
    names = list(names)
    for name in names:
        if name not in CRITERIA:
            raise StudyError(
                f"criterion {name!r}: unknown; allowed: {', '.join(CRITERIA)}{did_you_mean(name, CRITERIA)}"
            )
    return {name: CRITERIA[name].importance(trained) for name in names}


def saliencies(network: Parameters, curvature: Parameters) -> Parameters:
    """Optimal Brain Damage's h w²/2 of every weight, in nats: what deleting it alone should cost at a minimum.

    Args:
        network: the weights w.
        curvature: the diagonal h of the Hessian, of the same shapes.
    """
    pairs = zip(vars(network).values(), vars(curvature).values(), strict=True)
    return Parameters(*(h * weights.astype(np.float64) ** 2 / 2 for weights, h in pairs))


def filter_sums(values: Parameters) -> Floats:
    """Values of weights added up over each filter's own, kernel, bias and dense weights; ``(filter,)``."""
    filters = values.kernels.shape[-1]
    dense = values.head[0].reshape(-1, filters, values.head.shape[-1])
    return np.asarray(values.kernels[0].sum(axis=(0, 1)) + values.biases[0] + dense.sum(axis=(0, 2)))
