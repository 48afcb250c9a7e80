"""What filters do on real images: the similarity of their feature maps before the activation."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from filtertwins.redundancy import BLOCK_ENTRIES, Equivalence, Floats, Numbers, checked, similarity_matrix


def patch_second_moment(
    images: Numbers, kernel_shape: tuple[int, int], *, pixel_scale: float = 1.0, constant: bool = False
) -> Floats:
    """Second moment E[x xᵀ] of all patches x that a valid convolution sees, flattened as kernels are.

    Args:
        images: ``(image, row, column)``, of any number type.
        kernel_shape: rows and columns of a patch.
        pixel_scale: multiplies each pixel: 1/255 for bytes that the network sees in [0, 1].
        constant: append the feature 1 to each patch, for vectors with an appended bias.

    Returns:
        ``(dimension, dimension)``, dimension = rows * columns, + 1 with ``constant``.

    Raises:
        ValueError: if there is no image, or a kernel is larger than the images.
    """
    images = np.asarray(images)
    if images.ndim != 3 or not images.size or any(np.less(images.shape[1:], kernel_shape)):
        raise ValueError(f"images: no {kernel_shape} patch in shape {images.shape} (image, row, column)")
    dimension = kernel_shape[0] * kernel_shape[1]
    moment = np.zeros((dimension + 1, dimension + 1))
    # (image, row, column, kernel row, kernel column)
    windows = sliding_window_view(images, kernel_shape, axis=(1, 2))
    images_per_block = max(1, BLOCK_ENTRIES // windows[0].size)
    for start in range(0, len(images), images_per_block):
        patches = windows[start : start + images_per_block].reshape(-1, dimension).astype(np.float64)
        moment[:-1, :-1] += patches.T @ patches
        moment[-1, :-1] += patches.sum(axis=0)
    moment[:-1, -1] = moment[-1, :-1]
    moment /= windows.size / dimension
    moment[-1, -1] = 1.0
    features = np.append(np.full(dimension, pixel_scale), 1.0)
    moment *= np.outer(features, features)
    return moment if constant else moment[:-1, :-1]


def feature_vectors(vectors: Numbers, second_moment: Floats) -> Floats:
    """Vectors Σ^½ w_i, whose products w_iᵀ Σ w_j are those of the feature maps before the activation.

    Every measure here applies to them, and is then about what filters *do* on these images, not about
    weights. A filter that answers nothing on every patch is dead.

    Args:
        vectors: ``(filter, dimension)``.
        second_moment: Σ, ``(dimension, dimension)``, of :func:`patch_second_moment`.

    Returns:
        ``(filter, dimension)``.
    """
    vectors = checked(vectors).astype(np.float64)
    eigenvalues, eigenvectors = np.linalg.eigh(second_moment)
    noise = len(eigenvalues) * np.finfo(np.float64).eps
    eigenvalues[eigenvalues <= noise * eigenvalues[-1]] = 0.0
    mapped = (vectors @ eigenvectors) * np.sqrt(eigenvalues)
    largest = np.linalg.norm(vectors, axis=1) * np.sqrt(eigenvalues[-1])  # bounds the norms of `mapped`
    mapped[np.linalg.norm(mapped, axis=1) <= noise * largest] = 0.0
    return np.asarray(mapped)


def functional_similarity(vectors: Numbers, second_moment: Floats, equivalence: Equivalence) -> Floats:
    """Cosine of feature maps, w_iᵀ Σ w_j / √(w_iᵀ Σ w_i · w_jᵀ Σ w_j), under the equivalence.

    Returns:
        ``(live filter, live filter)``, live being those of :func:`feature_vectors`.
    """
    return similarity_matrix(feature_vectors(vectors, second_moment), equivalence)


def linear_cka(first: Numbers, second: Numbers) -> float:
    """Linear centred kernel alignment ‖YᵀX‖_F² / (‖XᵀX‖_F ‖YᵀY‖_F) (Kornblith et al. 2019, ICML).

    Args:
        first: X, ``(sample, feature)``.
        second: Y, ``(sample, feature)``, of the same samples.

    Returns:
        0 (nothing linear in common) to 1 (equal up to rotation and scale); missing if either is constant.
    """
    X = np.asarray(first, dtype=np.float64)
    Y = np.asarray(second, dtype=np.float64)
    if len(X) != len(Y):
        raise ValueError(f"second: {len(Y)} samples; first has {len(X)}")
    if not np.ptp(X, axis=0).any() or not np.ptp(Y, axis=0).any():
        return np.nan
    X = X - X.mean(axis=0)
    Y = Y - Y.mean(axis=0)
    return float(np.sum((Y.T @ X) ** 2) / (np.linalg.norm(X.T @ X) * np.linalg.norm(Y.T @ Y)))
