"""How redundant are filters? Measures on any ``(filter, dimension)`` array of filter vectors.

A measure of redundancy means nothing without its null: see :mod:`filtertwins.measures.nulls`.

Two conventions hold throughout. A *dead* filter (every entry zero) has no direction: it is counted and left out. A
value that does not exist, such as the nearest cosine of an only filter, is *missing*: NaN, or -1 for an index.

A network's similarities are formed once, by :func:`similarity_matrix`; all measures of closeness start from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Equivalence = Literal["nonzero_scale", "positive_scale", "sign"]
"""The scalings under which two filters do the same job: any but 0, any above 0, or only 1 and -1."""

Floats = NDArray[np.float64]
Numbers = NDArray[Any]

TWIN = 1e-6  # Two filters count as twins if their similarity is less than this below 1.
BLOCK_ENTRIES = 2_000_000  # A matrix that is made piece by piece has so many entries a piece, 16 MB of float64.

_UNDONE: dict[str, Equivalence] = {  # by activations, in small letters and without underscores
    **dict.fromkeys(("linear", "identity", "none"), "nonzero_scale"),
    **dict.fromkeys(("relu", "leakyrelu"), "positive_scale"),
    **dict.fromkeys(("tanh", "hardtanh", "softsign", "tanhshrink", "hardshrink", "softshrink"), "sign"),
    **dict.fromkeys(("sin", "sign", "arctan", "erf"), "sign"),
}


def undone_scalings(activation: str) -> Equivalence | None:
    """The scalings that an activation lets the next layer undo; None if it is not known to let it undo any.

    Linear: f(a·x) = a·f(x) for every a. ReLU and leaky ReLU: for a > 0 only. tanh and other odd functions: for a = ±1
    only; a cosine cannot see scale, so under ``sign`` it is a lower bar than doing the same job.
    """
    return _UNDONE.get(activation.lower().replace("_", ""))


def equivalence_of(activation: str) -> Equivalence:
    """How filters are compared before an activation; see :func:`undone_scalings`.

    After an activation that undoes nothing only the same kernel does the same job, and the signed cosine is a lower bar
    too.
    """
    return undone_scalings(activation) or "positive_scale"


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
    the filter never fires and gets no gradient. All such filters do the same job, which is none.

    Args:
        vectors: ``(filter, dimension + 1)``, the last entry the bias, as :func:`filter_vectors` makes for ReLU.
    """
    vectors = checked(vectors)
    return np.asarray(np.maximum(vectors[:, :-1], 0).sum(axis=1) + vectors[:, -1] <= 0)


def directions(vectors: Numbers) -> Floats:
    """The live filters, in order, scaled to unit length: ``(live filter, dimension)``."""
    live = checked(vectors)[live_filters(vectors)].astype(np.float64)
    live /= np.abs(live).max(axis=1, keepdims=True)  # Without this the squares below may under- or overflow.
    return np.asarray(live / np.linalg.norm(live, axis=1, keepdims=True))


def similarity_matrix(vectors: Numbers, equivalence: Equivalence) -> Floats:
    """The similarity of every two live filters, ``(live filter, live filter)``: |cos| or the signed cosine."""
    return similarities_among(directions(vectors), equivalence)


def similarities_among(units: Floats, equivalence: Equivalence) -> Floats:
    """The similarity of every two unit vectors ``(..., filter, dimension)``: ``(..., filter, filter)``."""
    # The copy makes NumPy multiply as it does any two matrices. Its routine for a matrix and its own transpose rounds
    # differently, and an interval over seeds can amplify a change of the last bit to 1e-5.
    return similarities_across(units.copy(), units, equivalence)


def similarities_across(first: Floats, second: Floats, equivalence: Equivalence) -> Floats:
    """The similarity of each unit vector of one set to each of another: ``(..., filter, other filter)``."""
    if equivalence not in get_args(Equivalence):
        raise ValueError(f"equivalence: {equivalence!r}; allowed: {', '.join(get_args(Equivalence))}")
    cosines = np.clip(first @ second.swapaxes(-1, -2), -1.0, 1.0)
    return np.abs(cosines) if ignores_sign(equivalence) else cosines


def nearest_similarities(similarity: Floats) -> Floats:
    """Each filter's similarity to its nearest other one, n_i = max over j ≠ i: ``(..., filter)``.

    Args:
        similarity: ``(..., filter, filter)``; all is missing for a single filter.
    """
    filters = similarity.shape[-1]
    if filters < 2:
        return np.full(similarity.shape[:-1], np.nan)
    return np.asarray(np.where(np.eye(filters, dtype=bool), -np.inf, similarity).max(axis=-1))


def count_pairs(similarity: Floats, thresholds: ArrayLike) -> NDArray[np.int64]:
    """How many pairs are at least as similar as each threshold: ``(..., threshold)``.

    At a threshold of 1 rounding decides: use :func:`exact_duplicate_pairs` and :func:`twin_pairs` there.

    Args:
        similarity: ``(..., filter, filter)``.
        thresholds: ``(threshold,)``, in any order.
    """
    first, second = np.triu_indices(similarity.shape[-1], 1)
    pairs = similarity[..., first, second]  # (..., pair)
    return np.stack([np.count_nonzero(pairs >= tau, axis=-1) for tau in np.asarray(thresholds)], axis=-1)


def nearest_filters(vectors: Numbers, equivalence: Equivalence) -> tuple[NDArray[np.intp], Floats]:
    """Each filter's nearest filter and its similarity, ``(filter,)`` each.

    Both are missing (-1 and NaN) for dead filters, and for all filters when fewer than two are live.
    """
    live = np.flatnonzero(live_filters(vectors))
    nearest = np.full(len(vectors), -1, dtype=np.intp)
    cosines = np.full(len(vectors), np.nan)
    if len(live) > 1:
        similarity = similarity_matrix(vectors, equivalence)
        np.fill_diagonal(similarity, -np.inf)
        nearest[live], cosines[live] = live[similarity.argmax(axis=1)], similarity.max(axis=1)
    return nearest, cosines


def exact_duplicate_pairs(vectors: Numbers) -> int:
    """Pairs of live filters whose vectors are equal to the last bit, compared in the type they are stored in.

    The one exception: +0.0 and -0.0 count as equal, since no filter computes anything else with them.
    """
    live = checked(vectors)[live_filters(vectors)]
    _, copies = np.unique(live, axis=0, return_counts=True)  # NumPy compares by value, so that -0.0 equals 0.0.
    return int(np.sum(copies * (copies - 1) // 2))


def twin_pairs(vectors: Numbers, equivalence: Equivalence) -> int:
    """Pairs of live filters that do the same job up to rounding: 1 - similarity is below 1e-6 (:data:`TWIN`)."""
    return int(count_pairs(similarity_matrix(vectors, equivalence), [1 - TWIN])[0])


@dataclass(frozen=True)
class RedundancyMeasures:
    """The measures of one run at one stage that need neither a null nor clusters; NaN where missing."""

    live_filters: int
    dead_filters: int
    exact_duplicate_pairs: int
    near_duplicate_pairs: int
    mean_nearest_cosine: float


def measure(vectors: Numbers, similarity: Floats, threshold: float) -> RedundancyMeasures:
    """All scalar measures of one set of filters.

    Args:
        vectors: ``(filter, dimension)``, such as :func:`filter_vectors` makes.
        similarity: of the live ones, from :func:`similarity_matrix`.
        threshold: τ in (0, 1), the similarity from which on a pair is near-duplicate.

    Raises:
        ValueError: for a threshold outside (0, 1), or vectors that are not finite or not 2-D.
    """
    check_threshold(threshold)
    live = int(live_filters(vectors).sum())
    return RedundancyMeasures(
        live_filters=live,
        dead_filters=len(vectors) - live,
        exact_duplicate_pairs=exact_duplicate_pairs(vectors),
        near_duplicate_pairs=int(count_pairs(similarity, [threshold])[0]),
        mean_nearest_cosine=float(nearest_similarities(similarity).mean()) if live > 1 else np.nan,
    )


def checked(vectors: Numbers) -> Numbers:
    """The vectors as an array, if they are a finite ``(filter, dimension)`` one; a ``ValueError`` if not."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"vectors: shape {vectors.shape}; need a finite (filter, dimension) array")
    return vectors


def check_threshold(threshold: float) -> None:
    """Refuse a similarity that is not between 0 and 1, with a ``ValueError``."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: {threshold!r}; allowed: between 0 and 1")
