"""How redundant are filters? Measures on any ``(filter, dimension)`` array of filter vectors.

A redundancy figure means nothing without its null: see :mod:`filtertwins.measures.nulls`.

Two conventions hold throughout. A *dead* filter (every entry zero) has no direction: it is counted and left
out. A value that does not exist (an only filter's nearest cosine) is *missing*: NaN, or -1 for an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import entr

Equivalence = Literal["nonzero_scale", "positive_scale", "sign"]
"""The scalings under which two filters do the same job: any but 0, any above 0, or only 1 and -1."""

Floats = NDArray[np.float64]
Numbers = NDArray[Any]

CLOSE = 1e-6  # largest difference between the weights of a pair that counts as numerically equal
BLOCK_ENTRIES = 2_000_000  # of a matrix made piece by piece: 16 MB of float64

_EQUIVALENCE_OF_ACTIVATION: dict[str, Equivalence] = {
    "linear": "nonzero_scale",
    "relu": "positive_scale",
    "tanh": "sign",
}


def equivalence_of(activation: str) -> Equivalence:
    """The scalings that an activation lets the next layer undo.

    Linear: f(a·x) = a·f(x) for every a. ReLU: for a > 0 only. tanh: for a = ±1 only; a cosine cannot see scale, so
    under ``sign`` it is a lower bar than doing the same job.

    Raises:
        ValueError: for an activation that the study has no equivalence for.
    """
    if activation not in _EQUIVALENCE_OF_ACTIVATION:
        allowed = ", ".join(_EQUIVALENCE_OF_ACTIVATION)
        raise ValueError(f"activation: {activation!r} has no known equivalence; allowed: {allowed}")
    return _EQUIVALENCE_OF_ACTIVATION[activation]


def check_equivalence(equivalence: Equivalence) -> None:
    """Refuse anything else than the two, with what is allowed.

    Raises:
        ValueError: for any other word.
    """
    if equivalence not in get_args(Equivalence):
        raise ValueError(f"equivalence: {equivalence!r}; allowed: {', '.join(get_args(Equivalence))}")


def ignores_sign(equivalence: Equivalence) -> bool:
    """Whether a filter and its negative do the same job: then the absolute cosine counts."""
    return equivalence != "positive_scale"


def filter_vectors(kernels: Numbers, biases: Numbers | None, equivalence: Equivalence) -> Floats:
    """One vector per filter: the flattened kernel, followed by the bias where the bias matters.

    Under ``nonzero_scale`` a bias merges into the next layer and is left out; under the others it decides where the
    filter is on, and belongs to its direction.

    Args:
        kernels: ``(row, column, filter)`` or more leading axes, such as ``(row, column, channel, filter)``.
        biases: ``(filter,)``, or None for a layer without biases.
        equivalence: see :data:`Equivalence`.

    Returns:
        ``(filter, dimension)``. Widening to float64 is exact, so equal filters stay equal and others differ.

    Raises:
        ValueError: if there is not one bias per filter.
    """
    kernels = np.asarray(kernels)
    check_equivalence(equivalence)
    vectors = kernels.reshape(-1, kernels.shape[-1]).T  # (filter, dimension)
    if biases is not None:
        biases = np.asarray(biases)
        if biases.shape != (len(vectors),):
            raise ValueError(f"biases: shape {biases.shape}; {len(vectors)} filters need ({len(vectors)},)")
        if equivalence != "nonzero_scale":
            vectors = np.column_stack([vectors, biases])
    return np.ascontiguousarray(vectors, dtype=np.float64)


def live_filters(vectors: Numbers) -> NDArray[np.bool_]:
    """Which filters have a direction, ``(filter,)``: those with a nonzero entry."""
    return np.asarray(np.any(checked(vectors) != 0, axis=1))


def never_active_filters(vectors: Numbers) -> NDArray[np.bool_]:
    """Which ReLU filters answer 0 to every image with pixels in [0, 1], ``(filter,)``.

    The largest answer w·x + b over such patches x is the sum of the positive weights plus b. Where it is not positive,
    the filter never fires, gets no gradient, and all such filters do the same job: none.

    Args:
        vectors: ``(filter, dimension + 1)``, the last entry the bias, as :func:`filter_vectors` makes for ReLU.
    """
    vectors = checked(vectors)
    return np.asarray(np.maximum(vectors[:, :-1], 0).sum(axis=1) + vectors[:, -1] <= 0)


def directions(vectors: Numbers) -> Floats:
    """The live filters, in order, scaled to unit length: ``(live filter, dimension)``."""
    live = checked(vectors)[live_filters(vectors)].astype(np.float64)
    live /= np.abs(live).max(axis=1, keepdims=True)  # first, so that no square under- or overflows
    return np.asarray(live / np.linalg.norm(live, axis=1, keepdims=True))


def similarity_matrix(vectors: Numbers, equivalence: Equivalence) -> Floats:
    """Similarity of every two live filters, ``(live filter, live filter)``: |cos| or the signed cosine.

    All at once, so for thousands of filters, not for tens of thousands; no other measure needs it whole.
    """
    units = directions(vectors)
    return _similarity(np.clip(units @ units.T, -1.0, 1.0), equivalence)


def similarity_blocks(units: Floats, equivalence: Equivalence) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """The similarity matrix a few rows at a time, in bounded memory.

    Args:
        units: unit vectors, ``(filter, dimension)``, or stacks of them with more leading axes.
        equivalence: see :data:`Equivalence`.

    Yields:
        The rows' indices ``(row,)`` and their similarities ``(..., row, filter)``.
    """
    filters = units.shape[-2]
    stacks = int(np.prod(units.shape[:-2]))
    rows_per_block = max(1, BLOCK_ENTRIES // max(1, stacks * filters))
    for start in range(0, filters, rows_per_block):
        rows = np.arange(start, min(start + rows_per_block, filters))
        cosines = units[..., rows, :] @ units.swapaxes(-1, -2)
        yield rows, _similarity(np.clip(cosines, -1.0, 1.0, out=cosines), equivalence)


def nearest_among(units: Floats, equivalence: Equivalence) -> tuple[NDArray[np.intp], Floats]:
    """Index and similarity of every filter's nearest other one, ``(..., filter)`` each.

    Args:
        units: unit vectors, ``(..., filter, dimension)``, with two filters or more.
        equivalence: see :data:`Equivalence`.
    """
    nearest = np.empty(units.shape[:-1], dtype=np.intp)
    cosines = np.empty(units.shape[:-1])
    for rows, similarities in similarity_blocks(units, equivalence):
        similarities[..., np.arange(len(rows)), rows] = -np.inf  # no filter is its own neighbour
        nearest[..., rows] = similarities.argmax(axis=-1)
        cosines[..., rows] = similarities.max(axis=-1)
    return nearest, cosines


def pairs_among(units: Floats, equivalence: Equivalence, thresholds: ArrayLike) -> NDArray[np.int64]:
    """How many pairs are at least as similar as each threshold, ``(..., threshold)``.

    Each block of similarities is sorted once, so the cost hardly grows with the number of thresholds.

    Args:
        units: unit vectors, ``(..., filter, dimension)``.
        equivalence: see :data:`Equivalence`.
        thresholds: ``(threshold,)``, in any order.
    """
    thresholds = np.asarray(thresholds, dtype=np.float64)
    counts = np.zeros((*units.shape[:-2], len(thresholds)), dtype=np.int64)
    for rows, similarities in similarity_blocks(units, equivalence):
        above_diagonal = np.arange(units.shape[-2]) > rows[:, np.newaxis]  # each pair once
        pairs = similarities[..., above_diagonal]  # (..., pair)
        for stack in np.ndindex(units.shape[:-2]):
            candidates = pairs[stack][pairs[stack] >= thresholds.min(initial=np.inf)]
            candidates.sort()
            counts[stack] += len(candidates) - np.searchsorted(candidates, thresholds, side="left")
    return counts


def nearest_filters(vectors: Numbers, equivalence: Equivalence) -> tuple[NDArray[np.intp], Floats]:
    """Each filter's nearest filter and its similarity n_i = max over j ≠ i, ``(filter,)`` each.

    Missing (-1 and NaN) for dead filters, and for all when fewer than two are live.
    """
    live = np.flatnonzero(live_filters(vectors))
    nearest = np.full(len(vectors), -1, dtype=np.intp)
    cosines = np.full(len(vectors), np.nan)
    check_equivalence(equivalence)
    if len(live) >= 2:
        nearest_live, cosines[live] = nearest_among(directions(vectors), equivalence)
        nearest[live] = live[nearest_live]
    return nearest, cosines


def near_duplicate_pairs(vectors: Numbers, equivalence: Equivalence, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Pairs of live filters with a similarity of τ or more, for each threshold τ: ``(threshold,)``.

    At τ = 1 rounding decides: use :func:`exact_duplicate_pairs` and :func:`close_duplicate_pairs` there.
    """
    return pairs_among(directions(vectors), equivalence, thresholds)


def opposite_phase_pairs(vectors: Numbers, threshold: float) -> int:
    """Pairs of live filters with a signed cosine of -τ or less: one sees dark where the other sees light.

    Where the sign is ignored these are near duplicates too; under ``positive_scale`` they are not.
    """
    _check_threshold(threshold)
    units = directions(vectors)
    either_sign = pairs_among(units, "nonzero_scale", [threshold])[0]
    return int(either_sign - pairs_among(units, "positive_scale", [threshold])[0])


def exact_duplicate_pairs(vectors: Numbers) -> int:
    """Pairs of live filters whose vectors are equal to the last bit, compared in the type they are stored in.

    The one exception: +0.0 and -0.0 count as equal, since no filter computes anything else with them.
    """
    live = checked(vectors)[live_filters(vectors)]
    if not len(live):
        return 0
    _, copies = np.unique(live, axis=0, return_counts=True)  # compares by value, so that -0.0 equals 0.0
    return int(np.sum(copies * (copies - 1) // 2))


def close_duplicate_pairs(vectors: Numbers, tolerance: float = CLOSE) -> int:
    """Pairs of live filters with no weight further apart than ``tolerance``: max |w_i - w_j|, unscaled."""
    live = checked(vectors)[live_filters(vectors)].astype(np.float64)
    if not len(live):
        return 0
    neighbours = cKDTree(live).query_ball_point(live, tolerance, p=np.inf, return_length=True)
    return int(np.sum(neighbours - 1)) // 2  # each filter finds itself, and each pair is found from both ends


def effective_rank(vectors: Numbers) -> float:
    """Effective rank exp H(s/Σs), s the unit vectors' singular values (Roy & Vetterli 2007, EUSIPCO).

    From 1 (one direction) to min(live filters, dimension); missing if no filter is live.
    """
    singular_values = _singular_values(vectors)
    if not len(singular_values):
        return np.nan
    return float(np.exp(entr(singular_values / singular_values.sum()).sum()))


def stable_rank(vectors: Numbers) -> float:
    """Stable rank ‖U‖_F² / s₁² of the unit vectors (Rudelson & Vershynin 2007, J. ACM 54(4)).

    Missing if no filter is live.
    """
    singular_values = _singular_values(vectors)
    return float(np.sum(singular_values**2) / singular_values[0] ** 2) if len(singular_values) else np.nan


def participation_ratio(vectors: Numbers) -> float:
    """Participation ratio (Σλ)² / Σλ², λ the eigenvalues of the unit vectors' Gram matrix.

    Missing if no filter is live.
    """
    eigenvalues = _singular_values(vectors) ** 2
    return float(eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)) if len(eigenvalues) else np.nan


@dataclass(frozen=True)
class RedundancyMeasures:
    """The measures of one run at one stage that need neither a null nor clusters; NaN where missing."""

    live_filters: int
    dead_filters: int
    exact_duplicate_pairs: int
    close_duplicate_pairs: int
    near_duplicate_pairs: int
    opposite_phase_pairs: int
    mean_nearest_cosine: float
    max_cosine: float
    effective_rank: float
    stable_rank: float
    participation_ratio: float


def measure(vectors: Numbers, equivalence: Equivalence, threshold: float) -> RedundancyMeasures:
    """All scalar measures of one set of filters.

    Args:
        vectors: ``(filter, dimension)``, such as :func:`filter_vectors` makes.
        equivalence: see :data:`Equivalence`.
        threshold: τ in (0, 1), the similarity from which on a pair is near-duplicate.

    Raises:
        ValueError: for a threshold outside (0, 1), an unknown equivalence, or vectors not finite or not 2-D.
    """
    _check_threshold(threshold)
    live = live_filters(vectors)
    _, nearest_cosines = nearest_filters(vectors, equivalence)
    nearest_cosines = nearest_cosines[~np.isnan(nearest_cosines)]
    return RedundancyMeasures(
        live_filters=int(live.sum()),
        dead_filters=int((~live).sum()),
        exact_duplicate_pairs=exact_duplicate_pairs(vectors),
        close_duplicate_pairs=close_duplicate_pairs(vectors),
        near_duplicate_pairs=int(near_duplicate_pairs(vectors, equivalence, [threshold])[0]),
        opposite_phase_pairs=opposite_phase_pairs(vectors, threshold),
        mean_nearest_cosine=float(nearest_cosines.mean()) if len(nearest_cosines) else np.nan,
        max_cosine=float(nearest_cosines.max()) if len(nearest_cosines) else np.nan,
        effective_rank=effective_rank(vectors),
        stable_rank=stable_rank(vectors),
        participation_ratio=participation_ratio(vectors),
    )


def _similarity(cosines: Floats, equivalence: Equivalence) -> Floats:
    check_equivalence(equivalence)
    return np.abs(cosines, out=cosines) if ignores_sign(equivalence) else cosines


def _singular_values(vectors: Numbers) -> Floats:
    units = directions(vectors)
    return np.asarray(np.linalg.svd(units, compute_uv=False)) if len(units) else np.empty(0)


def checked(vectors: Numbers) -> Numbers:
    """The vectors as an array, if they are a finite ``(filter, dimension)`` one; a ``ValueError`` if not."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"vectors: shape {vectors.shape}; need a finite (filter, dimension) array")
    return vectors


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: {threshold!r}; allowed: between 0 and 1")
