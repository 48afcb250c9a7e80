"""What a reader has found so far: it is held against what was found before, and against what is no trained kernel."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.model import Convolution, LeftOut, Model, ModelError
from filtertwins.inspect.readers.bounded import MOST_BYTES

Axes: TypeAlias = Literal["first", "last", "middle"]
"""Where channels are in a kernel: (filter, input, *taps), (*taps, input, filter), or (filter, *taps, input)."""

KINDS = {3: "conv1d", 4: "conv2d", 5: "conv3d"}


class Findings:
    """Convolutions and what was left out, in the order in which they were found."""

    def __init__(self) -> None:
        self._convolutions: dict[str, Convolution] = {}
        self._left_out: list[LeftOut] = []
        self._first_of: dict[bytes, str] = {}  # a kernel's digest, and its first name
        self._times: Counter[str] = Counter()
        self._bytes = 0

    def leave_out(self, name: str, reason: str) -> None:
        """Note an array that is not listed as a convolution."""
        self._left_out.append(LeftOut(name, reason))

    def add(
        self, name: str, kernels: NDArray[Any], kind: str, biases: NDArray[Any] | None = None, **properties: Any
    ) -> None:
        """List a convolution, unless its kernel turns out to be none that was trained, or to be listed already.

        Args:
            name: as the file names it.
            kernels: (filter, input channel of its group, *taps), in any type.
            kind: see :class:`Convolution`.
            biases: (filter,).
            properties: other fields of :class:`Convolution`.
        """
        if reason := _no_trained_kernel(kernels, biases):
            return self.leave_out(name, reason)
        self._bytes += kernels.size * 8
        if self._bytes > MOST_BYTES:
            raise ModelError(f"its convolutions take more than {MOST_BYTES:,} bytes, more than is read at once")
        rows = np.ascontiguousarray(kernels, np.float64)
        digest = hashlib.sha256(repr((rows.shape, kind)).encode())
        digest.update(rows.data)
        if first := self._first_of.get(digest.digest()):
            same = self._convolutions[first]
            self._convolutions[first] = replace(same, shared_by=same.shared_by + properties.get("shared_by", 1))
            return self.leave_out(name, f"It is an alias of {first}: it holds the same numbers.")
        own = None if biases is None else np.ascontiguousarray(biases, np.float64)
        self._times[name] += 1
        if name in self._convolutions:
            name = f"{name} ({self._times[name]})"
        self._first_of[digest.digest()] = name
        self._convolutions[name] = Convolution(name, kind, rows, own, **properties)
        return None

    def model(self, path: str, format_name: str) -> Model:
        """All that was found."""
        return Model(path, format_name, tuple(self._convolutions.values()), tuple(self._left_out))


def one_row_a_filter(kernel: NDArray[Any], axes: Axes, kind: str, groups: int = 1) -> NDArray[Any]:
    """A framework's kernel as (filter, input channel of its group, *taps).

    Args:
        kernel: with its channels where ``axes`` says. A transposed convolution's channels are swapped: the filters are
            where others have their inputs. A depthwise one with channels last is (*taps, input, multiplier).
        axes: where channels are.
        kind: the convolution's kind.
        groups: of a transposed convolution with channels first, whose shape does not say it.
    """
    if axes == "last" and kind == "depthwise":
        moved = np.moveaxis(kernel, (-2, -1), (0, 1))
        return moved.reshape(-1, 1, *moved.shape[2:])
    if axes == "last":
        return np.moveaxis(kernel, (-2, -1) if kind == "transposed" else (-1, -2), (0, 1))
    if axes == "middle":
        return np.moveaxis(kernel, -1, 1)
    if kind == "transposed":  # (input, filter of its group, *taps)
        split = kernel.reshape(groups, -1, *kernel.shape[1:])
        return split.swapaxes(1, 2).reshape(-1, split.shape[1], *kernel.shape[2:])
    return kernel


def dilated(rates: Iterable[int]) -> tuple[str, ...]:
    """A note on a dilation, where there is one."""
    different = sorted({int(rate) for rate in rates} - {1})
    return (f"It is dilated by {' and '.join(map(str, different))}.",) if different else ()


def _no_trained_kernel(kernels: NDArray[Any], biases: NDArray[Any] | None) -> str | None:
    """Why a kernel is none that can be compared, or None."""
    if kernels.dtype.kind != "f":
        return "Its elements are integers: it is quantised, or no kernel at all."
    if not kernels.size:
        return "It has no elements."
    if not np.isfinite(kernels).all() or (biases is not None and not np.isfinite(biases).all()):
        return "Some of its weights are infinite or not numbers."
    if max(kernels.shape[1:]) == kernels[0].size and _sinusoids(kernels.reshape(len(kernels), -1)):
        return "Its rows are sinusoids in the order of their frequencies: it is a fixed basis (STFT, CQT)."
    return None


def _sinusoids(rows: NDArray[Any]) -> bool:
    """Whether rows (row, tap) are windowed sinusoids in the order of their frequencies, as no training leaves them.

    A windowed sinusoid's analytic signal turns by the same angle at every tap. The rows may be cosines and then sines.
    """
    count, taps = rows.shape
    if count < 8 or taps < 16:
        return False
    spectra = np.fft.fft(rows.astype(np.float64))
    spectra[:, (taps + 1) // 2 :] = 0
    spectra[:, 0] = 0
    signals = np.fft.ifft(spectra)
    turns = (signals[:, 1:] * signals[:, :-1].conj()).sum(1)
    sizes = np.abs(signals[:, 1:] * signals[:, :-1]).sum(1)
    powers = np.square(rows.astype(np.float64)).sum(1)
    # The rows of frequency zero and of the highest one are constant, alternating or empty, and have no such signal.
    told = sizes > 1e-3 * powers.max()
    pure = np.abs(turns[told]) > 0.9 * sizes[told]
    frequencies = np.where(told, np.angle(turns), np.nan)
    halves = [frequencies] if count % 2 else [frequencies[: count // 2], frequencies[count // 2 :]]
    ordered = [np.mean(np.diff(part[~np.isnan(part)]) > 0) for part in halves if (~np.isnan(part)).sum() > 2]
    return bool(told.sum() >= 6 and pure.mean() > 0.9 and ordered and min(ordered) > 0.9)
