"""Are filters alike in what they do? Their answers to a dataset's patches instead of their weights.

The answers of two filters to patches x have the mean product w_iᵀ Σ w_j, where Σ is the patches' second moment
(:func:`~filtertwins.measures.patches.patch_moment`). Their cosine, w_iᵀ Σ w_j / √(w_iᵀ Σ w_i · w_jᵀ Σ w_j), is the
cosine of Σ^½ w_i and Σ^½ w_j. So every measure of filter vectors is one of answers once the vectors are transformed.
Different kernels may see the same, since neighbouring pixels are alike; and kernels that look alike may not.

The answers are those before the activation, and black patches count: with biases, a dataset that is mostly black makes
filters alike whose biases have one sign.
"""

from __future__ import annotations

import numpy as np

from filtertwins.measures.redundancy import Floats, Numbers, checked

_NOTHING = 1e-12  # Of what a filter could answer, in mean squares: what rounding leaves of no answer.


def response_vectors(vectors: Numbers, moment: Floats) -> Floats:
    """Vectors whose inner products are the mean products of filters' answers: Σ^½ w, ``(filter, dimension)``.

    A filter that answers 0 to every patch becomes zero, and counts as dead.

    Args:
        vectors: ``(filter, dimension)``, as :func:`~filtertwins.measures.redundancy.filter_vectors` makes them.
        moment: ``(dimension, dimension)``, with a pixel for the bias if the vectors have biases.

    Raises:
        ValueError: the moment does not fit the vectors.
    """
    weights = checked(vectors).astype(np.float64)
    dimension = weights.shape[1]
    if moment.shape != (dimension, dimension):
        raise ValueError(f"moment: shape {moment.shape}; vectors need ({dimension}, {dimension})")
    sizes = np.abs(weights).max(axis=1, initial=0, keepdims=True)
    weights = weights / np.where(sizes > 0, sizes, 1)  # Without this the squares below may under- or overflow.
    values, axes = np.linalg.eigh(moment)
    answers = weights @ (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    largest = np.square(weights).sum(axis=1) * max(values[-1], 0)
    answers[np.square(answers).sum(axis=1) <= _NOTHING * largest] = 0
    return np.asarray(answers * sizes)
