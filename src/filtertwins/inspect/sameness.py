"""When do two filters do the same job? By the activation that follows; and whether one can be merged into the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from filtertwins.inspect.model import Convolution
from filtertwins.measures.redundancy import Equivalence, Floats, undone_scalings

NEAR = 0.95
"""The similarity from which two filters are near twins, and at which clusters are cut."""

SAME = 0.01
"""Kernels, norms and biases count as equal if no more than this share of a filter is left over."""


@dataclass(frozen=True)
class Sameness:
    """What an activation lets the next layer undo.

    Attributes:
        equivalence: how directions of kernels are compared. Where a scale cannot be undone, a cosine is a lower bar
            than doing the same job.
        any_size: whether the next layer can undo a filter's size.
        bias: whether a bias decides what a filter does, instead of merging into the next layer.
        words: how kernels are compared, and what that means.
    """

    equivalence: Equivalence
    any_size: bool
    bias: bool
    words: str


_LINEAR = Sameness("nonzero_scale", True, False, "|cos|: any multiple does the same job")
_RELU = Sameness("positive_scale", True, True, "cos: any positive multiple does the same job")
_ODD = Sameness("sign", False, True, "|cos|: a filter and its negative do the same job")
_OTHER = Sameness("positive_scale", False, True, "cos: only the same kernel does the same job")
_UNKNOWN = Sameness("positive_scale", False, True, "cos: the activation is unknown")

_BY_UNDONE = {None: _OTHER} | {same.equivalence: same for same in (_LINEAR, _RELU, _ODD)}


def sameness_of(activation: str | None) -> Sameness:
    """What an activation lets the next layer undo; of an activation that is not listed, nothing.

    >>> sameness_of("Leaky_ReLU").any_size
    True
    """
    if activation is None:
        return _UNKNOWN
    return _BY_UNDONE[undone_scalings(activation)]


def filter_rows(convolution: Convolution) -> Floats:
    """The kernels of a layer, flattened with the channel last: (filter, dimension)."""
    kernels = np.moveaxis(convolution.kernels, 1, -1)
    return np.ascontiguousarray(kernels.reshape(len(kernels), -1), dtype=np.float64)


def merging(convolution: Convolution, vectors: Floats, first: int, second: int) -> str:
    """Whether the second filter can be merged into the first with no change of what the network computes.

    Args:
        convolution: the layer.
        vectors: its kernels, (filter, dimension), none of the two zero.
        first: a filter's index.
        second: another one's.

    Returns:
        "yes", or a sentence that says what is in the way.
    """
    same = sameness_of(convolution.activation)
    a, b = vectors[first], vectors[second]
    per_group = max(1, len(vectors) // convolution.groups)
    norms = np.linalg.norm(a), np.linalg.norm(b)
    scale = float(np.sign(a @ b) * norms[1] / norms[0])
    left_over = np.linalg.norm(b / norms[1] - np.sign(scale) * a / norms[0])
    biases = (0.0, 0.0) if convolution.biases is None else convolution.biases[[first, second]]
    if first // per_group != second // per_group:
        return "no: they read different channels"
    if convolution.output:
        return "no: they are outputs of the network"
    if convolution.residual:
        return "not alone: the layer's output is added to another's"
    if left_over**2 > 2 * (1 - NEAR):  # The distance of two unit vectors of this cosine.
        return "no: their kernels differ"
    if left_over > SAME:
        return f"at a loss: {left_over:.0%} of the kernel differs"
    if scale < 0 and same.equivalence == "positive_scale":
        return "no: their signs differ"
    if not same.any_size and abs(abs(scale) - 1) > SAME:
        what = "is unknown" if convolution.activation is None else "keeps no scale"
        return f"no: their norms differ, and the activation {what}"
    if same.bias and abs(biases[1] - scale * biases[0]) > SAME * float(norms[1]):
        return "no: their biases differ"
    return "yes"
