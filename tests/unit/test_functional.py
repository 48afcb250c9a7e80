"""Likeness of what filters answer, against their answers."""

from __future__ import annotations

import numpy as np
import pytest

from filtertwins.measures.functional import response_vectors
from filtertwins.measures.patches import patch_blocks, patch_moment
from filtertwins.measures.redundancy import filter_vectors, live_filters, similarity_matrix


@pytest.fixture
def images(rng):
    """Smooth images, partly black."""
    waves = np.cumsum(rng.standard_normal((20, 12, 12, 1)), axis=2)
    return np.clip(60 * waves, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("equivalence", ["nonzero_scale", "positive_scale"])
def test_similarity_is_the_cosine_of_the_answers(rng, images, equivalence):
    kernels, biases = rng.standard_normal((3, 3, 8)), rng.standard_normal(8)
    vectors = filter_vectors(kernels, biases, equivalence)
    with_bias = vectors.shape[1] == 10  # Under the other equivalence a bias does not count.
    seen = np.hstack(list(patch_blocks(images, (3, 3)))) / 255
    answers = kernels.reshape(9, 8).T @ seen + with_bias * biases[:, np.newaxis]  # (filter, patch)
    lengths = np.linalg.norm(answers, axis=1)
    expected = answers @ answers.T / np.outer(lengths, lengths)
    if equivalence == "nonzero_scale":
        expected = np.abs(expected)
    found = similarity_matrix(response_vectors(vectors, patch_moment(images, (3, 3), bias=with_bias)), equivalence)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_kernels_that_see_the_same_are_alike_and_those_that_see_nothing_are_dead(rng, images):
    striped = images.copy()
    striped[:, :, 1::2] = striped[:, :, ::2]  # Each two columns are equal.
    kernels = np.zeros((1, 4, 5))
    kernels[0, 0, 0] = kernels[0, 1, 1] = 1.0
    kernels[0, :, 2] = (1, 0, 1, 0)
    kernels[0, :, 3] = (1, 0, 0, 1)
    moment = patch_moment(striped[:, :, :4], (1, 4))  # One patch a row, of two pairs of equal pixels.
    vectors = filter_vectors(kernels, None, "positive_scale")
    answers = response_vectors(vectors, moment)
    similarity = similarity_matrix(answers, "positive_scale")
    assert similarity[0, 1] == pytest.approx(1)
    assert similarity[2, 3] == pytest.approx(1)
    assert live_filters(answers).tolist() == [True, True, True, True, False]
    difference = filter_vectors(np.array([[[1.0], [-1.0], [0.0], [0.0]]]), None, "positive_scale")
    assert live_filters(response_vectors(difference, moment)).tolist() == [False]  # It sees the same twice.
