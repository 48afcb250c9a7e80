"""What the readers find in a model file: its convolutions, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filtertwins.errors import StudyError


class ModelError(StudyError, ValueError):
    """A model file that can't or won't be read: one line with the file, what is wrong with it, and the way out."""


@dataclass(frozen=True)
class Convolution:
    """One convolution of a model file.

    ``kind`` is one of "conv1d", "conv2d", "conv3d", "depthwise", "grouped", "separable" (its depthwise part and its
    pointwise part are two of these) and "transposed". Where a batch normalisation was folded in, kernels and biases
    are the folded ones: a negative gamma flips the sign of its filter.
    """

    name: str  # as the file names it, unique within the file
    kind: str
    kernels: NDArray[np.float64]  # (filter, input channel of its group, *taps), whatever the framework's axes are
    biases: NDArray[np.float64] | None = None  # (filter,)
    groups: int = 1
    activation: str | None = None  # "linear", "relu", ...; None: unknown
    folded: str | None = None  # the name of the batch normalisation that was folded in
    shared_by: int = 1  # how many nodes use this very kernel
    residual: bool = False  # its output is added to something else, so that a twin can't be merged alone
    output: bool = False  # its output is the network's, so that every channel is wanted
    notes: tuple[str, ...] = ()  # plain sentences


@dataclass(frozen=True)
class LeftOut:
    """An array of a model file that is not listed as a convolution, and why: a plain sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class Model:
    """What a model file holds."""

    path: str
    format: str  # "Keras 3", "Keras 3 weights", "Keras 2", "SavedModel", "ONNX", "safetensors", "PyTorch" or "NumPy"
    convolutions: tuple[Convolution, ...]
    left_out: tuple[LeftOut, ...]
