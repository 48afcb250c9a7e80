"""A verdict a layer: are more of its filters alike than independent filters of the same shape would be?

The null is :mod:`filtertwins.measures.shape`'s, from Tyler's estimate of scatter alone. A layer with fewer than 1.3
filters a dimension is undecidable. One thing is beyond any shape, though: filters that are equal, since independent
filters of a continuous density never are.

A layer has two p-values, by the number of near pairs and by its nearest pair. Twice the smaller one is the layer's, and
Holm's correction (Holm 1979, Scand. J. Stat. 6(2)) is made over the decidable layers of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaincc, betainccinv

from filtertwins.inspect.model import Convolution
from filtertwins.inspect.sameness import NEAR, Sameness, filter_rows, merging, sameness_of
from filtertwins.measures.clusters import Labels, cluster_filters, count_clusters, redundant_share
from filtertwins.measures.multiplicity import holm
from filtertwins.measures.nulls import isotropic_cosine_cdf
from filtertwins.measures.redundancy import (
    Equivalence,
    Floats,
    directions,
    ignores_sign,
    nearest_similarities,
    similarities_among,
)
from filtertwins.measures.shape import (
    VECTORS_PER_DIMENSION,
    Shape,
    ShapeTest,
    fit_shape,
    shape_draws,
    shape_test,
)

Verdict = Literal["twins", "alike", "undecidable"]

LEVEL = 0.05
DRAWS = 199
FEWEST_PAIRS, MOST_PAIRS = 10, 1_000
"""So many nearest pairs of a layer are listed at least, where there are as many, and at most."""

_DEAD = 1e-6  # A filter with so small a share of the largest norm does nothing that single precision could tell.
_EQUAL = 1 - 1e-6  # The similarity from which two filters differ by no more than rounding.
_SHARES = 20  # So many draws tell the redundant share that a null makes.
_RARE_BY_CHANCE = 0.242  # So many pairs of random directions are near on average.
_ALMOST = 1 - 1e-12  # a chance of one, whose logarithm can be taken
_RARE = 1e-3  # With fewer near pairs expected than this, no draw is needed to say that a null's share is 0.


@dataclass(frozen=True)
class Pair:
    """Two filters of a layer, by their indices from 0."""

    first: int
    second: int
    cosine: float  # signed
    norm_ratio: float  # of the second kernel to the first
    merge: str  # "yes", or what is in the way


@dataclass(frozen=True)
class Layer:
    """What is found in one convolution; NaN where missing."""

    file: str
    convolution: Convolution = field(repr=False)
    same: Sameness
    test: ShapeTest
    shape: Shape = field(repr=False)
    isotropic_p_value: float  # of the same two tests against random directions, corrected alike
    near_pairs: int  # of NEAR and more
    mean_nearest: float
    share: float  # redundant, see measures.clusters
    null_share: float  # by the shape, or by random directions where that is undecidable
    pairs: tuple[Pair, ...]  # the nearest first
    clusters: Labels = field(repr=False)  # (filter,), -1 for dead ones
    dead: tuple[int, ...]
    draws: int
    p_value: float = np.nan  # of both tests, corrected for the number of layers
    verdict: Verdict = "undecidable"
    reason: str = ""  # why it is undecidable, or decided without a test

    @property
    def name(self) -> str:
        """The convolution's name."""
        return self.convolution.name

    @property
    def filters(self) -> int:
        """How many filters there are, dead ones included."""
        return len(self.clusters)

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which filters are not dead, (filter,)."""
        return self.clusters >= 0

    @property
    def clustered(self) -> list[list[int]]:
        """The clusters of two filters and more, the largest first."""
        members = [np.flatnonzero(self.clusters == label).tolist() for label in range(count_clusters(self.clusters))]
        return sorted((own for own in members if len(own) > 1), key=lambda own: (-len(own), own))


def judge_layers(
    file: str,
    convolutions: Sequence[Convolution],
    *,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Layer]:
    """The layers of one network, judged together.

    Draws depend on the seed and the layer's size alone, so that the same weights give the same numbers whatever the
    file. A layer that may be beyond its shape gets as many draws as Holm's correction needs.

    Args:
        file: the network's name.
        convolutions: of the network, with finite weights.
        seed: for all draws.
        draws: how many sets of filters a null has, at least.
        progress: is told of each layer before it is looked at.
    """
    layers = []
    for place, convolution in enumerate(convolutions, start=1):
        progress(f"{file}: {convolution.name} ({place} of {len(convolutions)})")
        layers.append(_measured(file, convolution, seed, draws))
    decidable = [layer.shape.form == "full" for layer in layers]
    needed = max(draws, round(2 / LEVEL * sum(decidable)))
    for place, layer in enumerate(layers):
        if decidable[place] and needed > draws and _p_value(layer.test) <= LEVEL:
            progress(f"{file}: {layer.name} again, with {needed} draws")
            units = directions(filter_rows(layer.convolution)[layer.live])
            rng = np.random.default_rng([seed, layer.filters, layer.test.dimension, 1])
            kind, near = layer.same.equivalence, layer.test.threshold
            test = shape_test(units, kind, rng, near, draws=needed, shape=layer.shape)
            layers[place] = replace(layer, test=test, draws=needed)
    own = holm([_p_value(layer.test) for layer in layers])
    isotropic = holm([layer.isotropic_p_value for layer in layers])
    return [
        _judged(replace(layer, p_value=float(own[place]), isotropic_p_value=float(isotropic[place])))
        for place, layer in enumerate(layers)
    ]


def _measured(file: str, convolution: Convolution, seed: int, draws: int) -> Layer:
    """All but the verdict of one layer, its p-values not yet corrected."""
    same = sameness_of(convolution.activation)
    vectors = filter_rows(convolution)
    live = _live(vectors)
    units = directions(vectors[live])
    similarity = similarities_among(units, same.equivalence)
    first, second = np.triu_indices(len(units), 1)
    among = similarity[first, second]  # (pair,)
    shape = fit_shape(units, same.equivalence)
    rng = np.random.default_rng([seed, *vectors.shape])
    clusters = np.full(len(vectors), -1, dtype=np.int64)
    clusters[live] = cluster_filters(vectors[live], similarity, NEAR)
    near_pairs = int(np.count_nonzero(among >= NEAR))
    nearest = np.argsort(-among, kind="stable")[: min(max(near_pairs, FEWEST_PAIRS), MOST_PAIRS)]
    return Layer(
        file=file,
        convolution=convolution,
        same=same,
        test=shape_test(units, same.equivalence, rng, draws=draws, shape=shape),
        shape=shape,
        isotropic_p_value=isotropic_p_value(among, vectors.shape[1], same.equivalence),
        near_pairs=near_pairs,
        mean_nearest=float(nearest_similarities(similarity).mean()) if len(units) else np.nan,
        share=redundant_share(similarity, NEAR),
        null_share=_share_by_chance(shape, len(units), vectors.shape[1], same.equivalence, rng),
        pairs=tuple(_pair(convolution, vectors, live[first[at]], live[second[at]]) for at in nearest),
        clusters=clusters,
        dead=tuple(np.setdiff1d(np.arange(len(vectors)), live).tolist()),
        draws=draws,
    )


def _judged(layer: Layer) -> Layer:
    """A layer with its verdict."""
    live = layer.test.filters
    if layer.test.form == "full":
        return replace(layer, verdict="twins" if layer.p_value <= LEVEL else "alike")
    if layer.test.maximum >= _EQUAL and layer.isotropic_p_value <= LEVEL:
        return replace(layer, verdict="twins", reason="Some filters are equal, which no shape explains.")
    if live < 2:
        return replace(layer, reason="Fewer than two of its filters are live.")
    copies = "" if live <= VECTORS_PER_DIMENSION * layer.test.dimension else ", of which some are near copies,"
    return replace(layer, reason=f"{live} live filters{copies} are too few in {layer.test.dimension} dimensions.")


def isotropic_p_value(among: Floats, dimension: int, equivalence: Equivalence) -> float:
    """The p-value against random directions of two tests at once: the number of near pairs, and the nearest pair.

    It is the chance that one of the two tests has so small a p-value as the smaller one is. The cosines of random
    directions are independent in pairs, so that a binomial count has the right mean and variance. Near is what so few
    pairs reach that two or more of a set do in 2.5 %: then at 5 % both tests have a say, and the level is met.

    Args:
        among: the similarity of each pair of filters, (pair,); missing without a pair.
        dimension: of the filters; in one dimension all are alike.
        equivalence: whether signs count.
    """
    pairs = len(among)
    if not pairs or dimension == 1:
        return np.nan if not pairs else 1.0
    sides = 1 if ignores_sign(equivalence) else 2
    half = (dimension - 1) / 2
    rare = _RARE_BY_CHANCE / pairs
    threshold = np.sqrt(betainccinv(0.5, half, rare * sides))
    tail = min(betaincc(0.5, half, max(float(among.max()), 0.0) ** 2) / sides, _ALMOST)
    near = np.count_nonzero(among >= threshold)
    smaller = min(bdtrc(near - 1, pairs, rare), -np.expm1(pairs * np.log1p(-tail)), _ALMOST)
    while bdtrc(near - 1, pairs, rare) > smaller:
        near += 1
    # The nearest pair passes its test if any pair is this near, and otherwise so many pairs must be near, but not so.
    very_near = -np.expm1(np.log1p(-smaller) / pairs)
    by_number_alone = bdtrc(near - 1, pairs, max(0.0, (rare - very_near) / (1 - very_near)))
    return float(smaller + (1 - smaller) * by_number_alone)


def _share_by_chance(
    shape: Shape, filters: int, dimension: int, equivalence: Equivalence, rng: np.random.Generator
) -> float:
    """The mean redundant share of independent filters of a shape, or of random directions where it is undecidable."""
    if filters < 2:
        return np.nan
    if shape.form == "undecidable":
        if filters**2 * (1 - isotropic_cosine_cdf(NEAR, dimension, equivalence)) < _RARE:
            return 0.0
        shape = Shape("full", np.ones(dimension))
    sets = (
        each for block in shape_draws(shape, filters, _SHARES, rng) for each in similarities_among(block, equivalence)
    )
    # The diagonal reaches every threshold. Without another entry that does, no cluster has two filters.
    shares = [redundant_share(each, NEAR) if np.count_nonzero(each >= NEAR) > filters else 0.0 for each in sets]
    return float(np.mean(shares))


def _live(vectors: Floats) -> NDArray[np.intp]:
    """The indices of the filters that do something, (live filter,)."""
    norms = np.linalg.norm(vectors, axis=1)
    return np.flatnonzero(norms > _DEAD * norms.max(initial=0))


def _pair(convolution: Convolution, vectors: Floats, first: int, second: int) -> Pair:
    """What there is to say of two live filters."""
    a, b = directions(vectors[[first, second]])
    ratio = float(np.linalg.norm(vectors[second]) / np.linalg.norm(vectors[first]))
    cosine = float(np.clip(a @ b, -1, 1))
    return Pair(int(first), int(second), cosine, ratio, merging(convolution, vectors, int(first), int(second)))


def _p_value(test: ShapeTest) -> float:
    """Of both tests, not yet corrected for the number of layers."""
    return 2 * min(test.pairs_p_value, test.maximum_p_value)
