"""Merging the filters of a linear network without loss into as few as its function needs.

Without an activation a network is one affine map of the image. Its kernels enter only through sums over filters of
kernel times dense weights, so filters can be replaced by few others that span the same sums. With an activation none
of this holds. :func:`merge_filters` merges such networks all the same, which shows that it fails.
"""

from __future__ import annotations

import math

import numpy as np

from filtertwins.measures.redundancy import Floats
from filtertwins.networks.forward import effect_on_pixels
from filtertwins.networks.weights import Parameters, stacked


def merge_filters(parameters: Parameters, filters: int, image_shape: tuple[int, ...]) -> Parameters:
    """The networks with their filters merged into `filters` new ones, exact for linear networks if those suffice.

    The new kernels are the leading right singular vectors of a network's kernel matrix (filter x kernel element): an
    orthonormal basis of what its kernels span, most used directions first. With as many as the kernels' rank, the
    new dense weights are the old ones rotated into that basis. With fewer, they are the least-squares solution
    of "same effect on every pixel", which is exact whenever the kernels kept can still reach every pixel
    separately: two 3x1 kernels do if, read as polynomials, they share no root (Bezout's identity, column by column).
    Biases of a linear layer merge into the output's.

    Args:
        parameters: S networks.
        filters: how many to keep, from 1 to the kernels' length.
        image_shape: rows, columns and channels of an image.

    Returns:
        S networks of `filters` filters, float64.

    Raises:
        ValueError: more filters are asked for than a kernel has elements.
    """
    elements = math.prod(parameters.kernels.shape[1:4])
    if not 1 <= filters <= elements:
        raise ValueError(f"filters = {filters}; allowed: 1 to the kernel's length, {elements}")
    return stacked(
        [_merged(parameters.of_seed(index), filters, image_shape) for index in range(len(parameters.kernels))]
    )


def _merged(network: Parameters, filters: int, image_shape: tuple[int, ...]) -> Parameters:
    kernels, biases, head, head_bias = (part[0].astype(np.float64) for part in vars(network).values())
    height, width, channels, _ = kernels.shape
    rows, columns = image_shape[0] - height + 1, image_shape[1] - width + 1
    matrix = kernels.reshape(height * width * channels, -1)  # (kernel element, filter)
    by_filter = head.reshape(rows, columns, len(biases), -1)  # (row, column, filter, class)
    basis, sizes, mixture = np.linalg.svd(matrix, full_matrices=False)
    new_kernels = basis[:, :filters].reshape(height, width, channels, -1)
    if np.linalg.matrix_rank(matrix) <= filters:
        mixed = sizes[:filters, None] * mixture[:filters]  # (new filter, filter)
        new_head = np.einsum("nf,rcfo->rcno", mixed, by_filter)
    else:
        new_head = _heads_with_effect(new_kernels, effect_on_pixels(kernels, by_filter))
    return Parameters(
        kernels=new_kernels[np.newaxis],
        biases=np.zeros((1, new_kernels.shape[-1])),
        head=new_head.reshape(1, -1, head.shape[-1]),
        head_bias=(head_bias + np.einsum("f,rcfo->o", biases, by_filter))[np.newaxis],
    )


def _heads_with_effect(kernels: Floats, effect: Floats) -> Floats:
    """The smallest dense weights (row, column, filter, class) whose effect comes nearest to the wanted one."""
    height, width, channels, filters = kernels.shape
    if width == 1 < effect.shape[1]:  # Columns don't mix, so all are solved by one small system of equations.
        pixel_rows, columns, _, classes = effect.shape
        heads = _heads_with_effect(kernels, effect.swapaxes(1, 2).reshape(pixel_rows, 1, channels, -1))
        return np.asarray(heads.reshape(-1, filters, columns, classes).transpose(0, 2, 1, 3))
    rows, columns = effect.shape[0] - height + 1, effect.shape[1] - width + 1
    unit = np.eye(rows * columns * filters).reshape(rows, columns, filters, -1)
    design = effect_on_pixels(kernels, unit).reshape(math.prod(effect.shape[:3]), -1)
    solution = np.linalg.lstsq(design, effect.reshape(len(design), -1), rcond=None)[0]
    return np.asarray(solution.reshape(rows, columns, filters, -1))
