"""Likeness of what filters answer, against their answers; and likeness of kernels, against kernels."""

from __future__ import annotations

import numpy as np
import pytest

from filtertwins.measures.clusters import redundant_share
from filtertwins.measures.functional import response_vectors
from filtertwins.measures.nulls import draw_weights, redrawn
from filtertwins.measures.patches import patch_blocks, patch_moment
from filtertwins.measures.redundancy import directions, filter_vectors, live_filters, similarity_matrix
from filtertwins.measures.strangers import compare_with_strangers, neighbourhoods


@pytest.fixture
def rng():
    return np.random.default_rng(6)


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


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_sizes_whose_squares_do_not_fit_keep_their_directions(rng, images, size):
    vectors, moment = rng.standard_normal((4, 9)), patch_moment(images, (3, 3))
    expected = similarity_matrix(response_vectors(vectors, moment), "positive_scale")
    found = similarity_matrix(response_vectors(vectors * size, moment), "positive_scale")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_strangers_can_be_compared_by_their_answers(rng, images):
    moment = patch_moment(images, (3, 3))
    networks = [directions(response_vectors(rng.standard_normal((32, 9)), moment)) for _ in range(6)]
    found = compare_with_strangers(neighbourhoods(networks, "positive_scale"))
    assert found.threshold > 0.9  # Smooth images make independent kernels alike, but strangers as much.
    assert found.ratio_low < 1 < found.ratio_high


def test_a_moment_must_fit(rng, images):
    with pytest.raises(ValueError, match=r"need \(10, 10\)"):
        response_vectors(rng.standard_normal((4, 10)), patch_moment(images, (3, 3)))


def test_a_common_bias_makes_no_kernels_alike(rng):
    """Re-drawn kernels have no biases: what stands beside them has none either."""
    kernels = draw_weights((20, 3, 1, 32), "glorot_uniform", rng)
    with_bias, alone = [], []
    for own in kernels:
        for biases, shares in ((np.full(32, 5.0), with_bias), (None, alone)):
            vectors = filter_vectors(own, biases, "positive_scale")
            shares.append(redundant_share(similarity_matrix(vectors, "positive_scale"), 0.95))

    def shares(similarities):
        return np.array([redundant_share(own, 0.95) for own in similarities])

    null = redrawn(shares, 32, 3, "positive_scale", "glorot_uniform", 100, rng)
    assert np.mean(with_bias) > np.quantile(null, 0.999)
    assert np.mean(alone) == pytest.approx(null.mean(), abs=3 * null.std() / np.sqrt(20))
