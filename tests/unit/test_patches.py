"""Patches of images, their second moment, and filters that answer to none of them."""

from __future__ import annotations

import numpy as np
import pytest

from filtertwins.measures import patches
from filtertwins.measures.patches import never_active_on, patch_blocks, patch_moment
from filtertwins.measures.redundancy import filter_vectors, never_active_filters


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def strokes(rng, images=30, side=9, channels=1):
    """Images that are mostly black, as handwriting is."""
    shape = (images, side, side, channels)
    return (rng.integers(0, 256, shape) * (rng.random(shape) < 0.3)).astype(np.uint8)


def patches_by_loops(images, height, width):
    """(patch, kernel element)."""
    rows, columns = images.shape[1] - height + 1, images.shape[2] - width + 1
    return np.array(
        [image[i : i + height, j : j + width].ravel() for image in images for i in range(rows) for j in range(columns)]
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_lie_as_kernels_are_flattened(rng, channels, monkeypatch):
    images = strokes(rng, images=7, channels=channels)
    expected = patches_by_loops(images, 3, 2)
    np.testing.assert_array_equal(np.hstack(list(patch_blocks(images, (3, 2)))).T, expected)
    monkeypatch.setattr(patches, "BLOCK_ENTRIES", 2_000)
    blocks = list(patch_blocks(images, (3, 2), first=1))
    assert len(blocks) > 2
    assert blocks[0].shape[1] == len(expected) / 7
    np.testing.assert_array_equal(np.hstack(blocks).T, expected)
    kernels = rng.standard_normal((3, 2, channels, 4))
    vectors = filter_vectors(kernels, None, "positive_scale")
    window = images[2, 4:7, 5:7]
    place = 2 * len(expected) // 7 + 4 * 8 + 5
    np.testing.assert_allclose(vectors @ expected[place], np.tensordot(window, kernels, window.ndim))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_the_second_moment_is_exact(rng, channels, bias):
    images = strokes(rng, channels=channels)
    seen = patches_by_loops(images, 3, 3).astype(np.int64)
    if bias:
        seen = np.column_stack([seen, np.full(len(seen), 255)])
    expected = (seen.T @ seen) / (len(seen) * 255**2)
    np.testing.assert_array_equal(patch_moment(images, (3, 3), bias=bias), expected)
    np.testing.assert_array_equal(patch_moment(images[::-1], (3, 3), bias=bias), expected)


def test_a_filters_mean_square_answer_follows_from_the_moment(rng):
    images = strokes(rng)
    vector = rng.standard_normal(7)
    answers = patches_by_loops(images, 2, 3) / 255 @ vector[:-1] + vector[-1]
    assert vector @ patch_moment(images, (2, 3), bias=True) @ vector == pytest.approx(np.mean(answers**2))


@pytest.mark.parametrize("images", [np.zeros((3, 4, 4, 1)), np.zeros((3, 4, 4), "u1"), np.zeros((3, 4, 2, 1), "u1")])
def test_images_that_a_kernel_cannot_be_laid_on_are_refused(images):
    with pytest.raises(ValueError, match="images"):
        patch_moment(images, (3, 3))


@pytest.mark.parametrize(("shape", "channels"), [((3, 1), 1), ((3, 3), 1), ((2, 3), 3)])
def test_never_active_is_what_all_patches_say(rng, shape, channels):
    images = strokes(rng, channels=channels)
    sizes = (*shape, channels)
    kernels = (rng.standard_normal((4, *sizes, 60)) - 0.3).astype(np.float32)
    biases = (np.sqrt(np.prod(sizes)) * (0.5 * rng.standard_normal((4, 60)) - 0.4)).astype(np.float32)
    seen = patches_by_loops(images, *shape)
    weights = kernels.astype(np.float64).reshape(4, -1, 60)
    expected = (np.einsum("pe,nef->npf", seen / 255, weights) + biases[:, np.newaxis]).max(axis=1) <= 0
    found = never_active_on(kernels, biases, images)
    np.testing.assert_array_equal(found, expected)
    assert 40 < found.sum() < found.size - 40


def test_filters_that_wait_for_more_light_than_there_is_are_never_active(rng):
    kernels, biases = np.ones((1, 3, 3, 1, 2), np.float32), np.array([[-5.0, -5.0]])
    kernels[..., 1] = -1
    bright, dark = np.full((1, 9, 9, 1), 255, np.uint8), np.full((1, 9, 9, 1), 100, np.uint8)
    assert never_active_on(kernels, biases, np.concatenate([dark, bright])).tolist() == [[False, True]]
    assert never_active_on(kernels, biases, dark).tolist() == [[True, True]]
    vectors = filter_vectors(kernels[0], biases[0], "positive_scale")
    assert never_active_filters(vectors).tolist() == [False, True]  # Pixels of 1 would do.


def test_black_images_leave_the_bias(rng):
    kernels = rng.standard_normal((1, 3, 3, 1, 3)).astype(np.float32)
    black = np.zeros((2, 5, 5, 1), np.uint8)
    assert never_active_on(kernels, np.array([[-0.1, 0.0, 1e-30]]), black).tolist() == [[True, True, False]]
    negative = -np.abs(kernels)
    assert never_active_on(negative, np.zeros((1, 3)), strokes(rng)).all()
    assert never_active_on(np.zeros((1, 3, 3, 1, 2)), np.array([[0.0, 0.1]]), black).tolist() == [[True, False]]


def test_kernels_and_images_must_fit(rng):
    with pytest.raises(ValueError, match="do not fit"):
        never_active_on(np.zeros((2, 3, 3, 1, 4)), np.zeros((2, 5)), strokes(rng))
    with pytest.raises(ValueError, match="do not fit"):
        never_active_on(np.zeros((2, 3, 3, 1, 4)), np.zeros((2, 4)), strokes(rng, channels=3))
