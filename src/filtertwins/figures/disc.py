"""Kernels of three weights as places on a disc, for the figure and the page. It is light to import."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_AXES_OF_THREE = np.array([[-1, 0, 1], [1, -2, 1], [1, 1, 1]]) / np.sqrt([[2], [6], [3]])
"""Directions of three weights that a kernel is drawn by: edge, line, and blur, which is the middle of the disc."""


def places_on_disc(kernels: npt.NDArray[np.float64], *, ignores_sign: bool) -> tuple[npt.NDArray[np.float64], float]:
    """Where kernels of three weights lie on an equal-area map of the sphere of directions (Lambert's projection).

    Args:
        kernels: ``(filter, 3)``.
        ignores_sign: a kernel and its negative are one direction, so that half of the sphere is mapped.

    Returns:
        The places, ``(filter, 2)``, NaN for a kernel that is zero; and the radius of the map. A circle of radius
        2 sin(θ/4) around a place has the area of the directions within the angle θ/2 of it.
    """
    points = kernels @ _AXES_OF_THREE.T
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    points = np.divide(points, norms, out=np.full_like(points, np.nan), where=norms > 0)
    if ignores_sign:
        points *= np.where(points[:, 2:] < 0, -1, 1)
    stretch = np.sqrt(2 / (1 + points[:, 2:]).clip(1e-12))
    return stretch * points[:, :2], math.sqrt(2) if ignores_sign else 2.0
