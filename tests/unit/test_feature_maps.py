"""Similarity of what filters do on images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from filtertwins import feature_maps
from filtertwins.feature_maps import feature_vectors, functional_similarity, linear_cka, patch_second_moment
from filtertwins.redundancy import filter_vectors, live_filters, similarity_matrix


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def _patches(images, height, width):
    count, rows, columns = images.shape
    return np.array(
        [
            images[i, r : r + height, c : c + width].ravel()
            for i in range(count)
            for r in range(rows - height + 1)
            for c in range(columns - width + 1)
        ],
        dtype=np.float64,
    )


@pytest.mark.parametrize("kernel_shape", [(3, 1), (1, 3), (2, 3), (6, 5)])
def test_the_patch_second_moment_is_the_mean_over_all_patches(rng, monkeypatch, kernel_shape):
    images = rng.integers(0, 256, (5, 6, 5), dtype=np.uint8)
    monkeypatch.setattr(feature_maps, "BLOCK_ENTRIES", 200)  # several blocks
    patches = _patches(images, *kernel_shape) / 255
    expected = patches.T @ patches / len(patches)
    moment = patch_second_moment(images, kernel_shape, pixel_scale=1 / 255)
    np.testing.assert_allclose(moment, expected, rtol=1e-12)
    ones = np.column_stack([patches, np.ones(len(patches))])
    moment = patch_second_moment(images, kernel_shape, pixel_scale=1 / 255, constant=True)
    np.testing.assert_allclose(moment, ones.T @ ones / len(ones), rtol=1e-12)


def test_a_kernel_larger_than_the_images_has_no_patches(rng):
    with pytest.raises(ValueError, match=r"\(7, 1\)"):
        patch_second_moment(rng.random((2, 6, 6)), (7, 1))


def test_functional_similarity_is_the_cosine_of_the_feature_maps(rng):
    images = rng.random((4, 9, 8))
    kernels, biases = rng.standard_normal((3, 2, 6)), rng.standard_normal(6)
    vectors = filter_vectors(kernels, biases, "positive_scale")
    maps = _patches(images, 3, 2) @ vectors[:, :-1].T + biases  # (patch, filter)
    moment = patch_second_moment(images, (3, 2), constant=True)
    similarity = functional_similarity(vectors, moment, "positive_scale")
    np.testing.assert_allclose(similarity, cosine_similarity(maps.T), atol=1e-10)


def test_filters_that_differ_only_where_images_are_blank_do_the_same():
    moment = np.diag([1.0, 0.0, 0.0, 1.0])  # the two pixels in the middle are always blank
    vectors = np.array([[1.0, 0.0, 0.0, 2.0], [1.0, 7.0, -3.0, 2.0]])
    assert functional_similarity(vectors, moment, "nonzero_scale")[0, 1] == pytest.approx(1, abs=1e-12)
    assert similarity_matrix(vectors, "nonzero_scale")[0, 1] < 0.5


def test_a_filter_that_answers_nothing_is_functionally_dead(rng):
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    moment = rotation @ np.diag([3.0, 1.0, 0.5, 0.0]) @ rotation.T  # images never show rotation[:, 3]
    vectors = np.stack([rotation[:, 0], 5 * rotation[:, 3], rotation[:, 1]])
    assert live_filters(feature_vectors(vectors, moment)).tolist() == [True, False, True]
    np.testing.assert_allclose(functional_similarity(vectors, moment, "nonzero_scale"), np.eye(2), atol=1e-12)


def test_linear_cka_ignores_rotation_scale_and_offset_and_sees_what_is_unrelated(rng):
    X = rng.standard_normal((200, 5))
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert linear_cka(X, 3 * X @ rotation + 2) == pytest.approx(1, abs=1e-12)
    assert linear_cka(X[:, :2], X[:, :2] * [1, 2]) < 0.99  # no rotation
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert linear_cka(signs[:, :1], signs[:, 1:]) == pytest.approx(0, abs=1e-15)
    assert linear_cka(signs[:, :1], signs) == pytest.approx(1 / np.sqrt(2))
    assert np.isnan(linear_cka(X, np.full((200, 2), 0.1)))
    with pytest.raises(ValueError, match="100 samples; first has 200"):
        linear_cka(X, X[:100])
