"""Are filters of one network alike beyond their shape? A null for a network that has no strangers.

Trained filters favour some directions, such as smooth ones, and are therefore more alike than random directions. One
network alone cannot tell this learned density from what its filters do to each other. It can tell whether there are
more near pairs than *independent* filters that favour the same directions would have, if the density is **elliptical**:
then directions have the angular central Gaussian distribution (Tyler 1987, Biometrika 74(3)), x / |x| with x ~ N(0, Λ),
whatever the lengths of the filters. Cosines do not change under rotation, so the null needs Λ's eigenvalues only.

Λ is estimated by Tyler's M-estimator (Tyler 1987, Ann. Stat. 15(1)), which is the maximum-likelihood estimate from
directions. It exists if no subspace of dimension m holds m/d or more of the n filters (Kent & Tyler 1988, J. Appl.
Stat. 15(2)), so for more than d filters without copies. It is used for n > 1.3 d. Weights that are 0 in every filter,
as of a pruned input channel, do not count for d; and where filters lie in a subspace, the scatter is that within it.
With fewer filters the question is undecidable: an estimate with a structure, such as space x channel, rejects wherever
the structure does not hold.

The estimate is made from the filters that are tested, without copies. With few filters it exaggerates how unequal the
eigenvalues are, so that the null's filters are somewhat more alike than they should be, and the test is conservative.
Simulated false positives at 5 %, with 9 and 25 dimensions and 16 to 128 filters, are 0 to 3 % by the number of pairs
and 0 to 6.5 % by the maximum; the more, the more filters a dimension there are (``test_shape_calibration.py``).

**What rejects it.** Twins; and any density that is not elliptical: several modes, as when all networks learn the same
popular types of filters, or filters most of which have the same sign where signs count. One network cannot tell these
from an interaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.nulls import monte_carlo_p_value
from filtertwins.measures.redundancy import BLOCK_ENTRIES, Equivalence, Floats, similarities_among

Form = Literal["full", "undecidable"]
"""How the scatter was estimated: without structure, or not at all."""

VECTORS_PER_DIMENSION = 1.3
"""So many filters a dimension must there be, and more."""

COPIES = 0.9999
"""Of filters that are more similar than this, one alone counts for the scatter."""

RARE_PAIRS = 0.3
"""So many pairs of a set reach the similarity from which a pair counts, by default and on average."""

_CLOSEST = 20  # More pairs of one set do not reach a similarity that 0.3 reach on average.
_STEPS = 1_000
_TOLERANCE = 1e-6
_ROUNDING = 1e-6  # Filters extend along an axis by rounding alone if it is less than this share of the longest axis.


@dataclass(frozen=True)
class Shape:
    """The eigenvalues of the scatter that filters' directions have, with mean 1; none where undecidable."""

    form: Form
    eigenvalues: Floats  # (dimension of the subspace that the filters span,), ascending


@dataclass(frozen=True)
class ShapeTest:
    """Near pairs of one set of filters beside what their shape makes; NaN where undecidable."""

    form: Form
    filters: int
    dimension: int
    threshold: float  # from which a pair counts
    pairs: int
    expected_pairs: float
    pairs_p_value: float  # one-sided: as many or more by the shape alone
    maximum: float  # the similarity of the two most similar filters
    expected_maximum: float
    maximum_p_value: float


def shape_test(
    units: Floats,
    equivalence: Equivalence,
    rng: np.random.Generator,
    threshold: float | None = None,
    *,
    draws: int = 999,
    shape: Shape | None = None,
) -> ShapeTest:
    """Are more filters near twins, or the nearest two nearer, than independent filters of the same shape?

    Args:
        units: unit vectors of live filters, (filter, dimension).
        equivalence: under which scalings two filters do the same job: whether signs count.
        rng: for the draws.
        threshold: the similarity from which a pair counts; by default :func:`rare_similarity`, where a count of two
            rejects. At a threshold that the shape alone often reaches, a few twins are not found by their number.
        draws: how many sets of filters are drawn.
        shape: of these filters, where :func:`fit_shape` was called already.
    """
    filters, dimension = units.shape
    shape = shape or fit_shape(units, equivalence)
    drawn = np.full((1, 2), np.nan)
    decidable = shape.form != "undecidable"
    if threshold is None:
        threshold = rare_similarity(shape, filters, equivalence, rng, draws) if decidable else np.nan
    own = _pairs_and_maximum(_similarities(units[np.newaxis], equivalence), threshold)[0]
    if decidable:
        sets = shape_draws(shape, filters, draws, rng)
        drawn = np.concatenate([_pairs_and_maximum(_similarities(block, equivalence), threshold) for block in sets])
    pairs, maximum = (float(mean) for mean in drawn.mean(axis=0))
    return ShapeTest(
        form=shape.form,
        filters=filters,
        dimension=dimension,
        threshold=threshold,
        pairs=int(own[0]),
        expected_pairs=pairs,
        pairs_p_value=monte_carlo_p_value(float(own[0]), drawn[:, 0]),
        maximum=float(own[1]) if filters > 1 else np.nan,
        expected_maximum=maximum,
        maximum_p_value=monte_carlo_p_value(float(own[1]), drawn[:, 1]),
    )


def rare_similarity(
    shape: Shape, filters: int, equivalence: Equivalence, rng: np.random.Generator, draws: int = 999
) -> float:
    """The similarity that so few pairs reach by the shape alone that two of them reject it.

    On average 0.3 pairs of a set reach it. If pairs are rare they are nearly independent, and two or more are found in
    3.7 % of sets.

    Args:
        shape: not undecidable.
        filters: of a set, two or more.
        equivalence: under which scalings two filters do the same job.
        rng: for the draws.
        draws: how many sets of filters are drawn.
    """
    closest = []
    for block in shape_draws(shape, filters, draws, rng):
        similarity = _similarities(block, equivalence)
        closest.append(np.partition(similarity, -min(_CLOSEST, similarity.shape[1]))[:, -_CLOSEST:].flatten())
    pooled = np.sort(np.concatenate(closest))
    return float(pooled[-max(1, round(RARE_PAIRS * draws))])


def fit_shape(units: Floats, equivalence: Equivalence) -> Shape:
    """The scatter of filters' directions, without near copies: see the module for how, and when not.

    Args:
        units: unit vectors, (filter, dimension).
        equivalence: whether signs count, for what is a copy.
    """
    distinct = units[_first_of_each(units, equivalence)]
    distinct = distinct[:, distinct.any(axis=0)]  # without weights that are 0 in every filter
    if not distinct.size or len(distinct) <= VECTORS_PER_DIMENSION * distinct.shape[1]:
        return Shape("undecidable", np.zeros(0))
    _, sizes, axes = np.linalg.svd(distinct, full_matrices=False)
    if (rank := np.count_nonzero(sizes > _ROUNDING * sizes[0])) < len(axes):
        distinct = distinct @ axes[:rank].T  # The axes of the subspace; no cosine changes.
    return Shape("full", _eigenvalues(distinct))


def shape_draws(shape: Shape, filters: int, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Independent directions of a shape in its own axes, (draw, filter, dimension), some sets at a time."""
    lengths = np.sqrt(shape.eigenvalues)
    size = max(1, BLOCK_ENTRIES // (filters * max(filters, len(lengths))))
    for start in range(0, draws, size):
        drawn = rng.standard_normal((min(size, draws - start), filters, len(lengths))) * lengths
        yield drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


@lru_cache(maxsize=1)
def _pairs(filters: int) -> NDArray[np.intp]:
    """The places of all pairs in a flattened matrix of similarities; looking for them takes as long as the matrix."""
    return np.flatnonzero(np.triu(np.ones((filters, filters), dtype=bool), 1))


def _similarities(units: Floats, equivalence: Equivalence) -> Floats:
    """The similarities of the pairs of each set of filters, (set, pair), for (set, filter, dimension)."""
    among = similarities_among(units, equivalence).reshape(len(units), -1)
    return np.take(among, _pairs(units.shape[1]), axis=1)


def _pairs_and_maximum(similarity: Floats, threshold: float) -> Floats:
    """How many pairs reach a threshold, and the largest similarity, of each set: (set, 2), for (set, pair)."""
    return np.column_stack([np.count_nonzero(similarity >= threshold, axis=1), similarity.max(axis=1, initial=-np.inf)])


def _first_of_each(units: Floats, equivalence: Equivalence) -> list[int]:
    """The filters that are no near copy of an earlier one of them."""
    close = similarities_among(units, equivalence) > COPIES
    chosen: list[int] = []
    for place in range(len(units)):
        if not close[place, chosen].any():
            chosen.append(place)
    return chosen


def _eigenvalues(units: Floats) -> Floats:
    """The eigenvalues of Tyler's estimate, (dimension,) with mean 1, for directions (vector, dimension)."""
    scatter = np.eye(units.shape[1])
    for _ in range(_STEPS):
        before = scatter
        lengths = np.sum(units @ np.linalg.inv(before) * units, axis=1)
        scatter = (units / lengths[:, np.newaxis]).T @ units
        scatter *= len(scatter) / np.trace(scatter)
        if np.abs(scatter - before).max() < _TOLERANCE * np.abs(scatter).max():
            break
    return np.asarray(np.maximum(np.linalg.eigvalsh(scatter), 0))
