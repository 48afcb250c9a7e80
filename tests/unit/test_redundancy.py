"""The measures, on filters whose redundancy is known, and under changes that must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from filtertwins.measures.redundancy import (
    count_pairs,
    directions,
    equivalence_of,
    exact_duplicate_pairs,
    filter_vectors,
    live_filters,
    nearest_filters,
    never_active_filters,
    similarity_matrix,
    twin_pairs,
)
from filtertwins.measures.redundancy import (
    measure as measure_similarities,
)

EQUIVALENCES = ["nonzero_scale", "positive_scale", "sign"]


def measure(vectors, equivalence, threshold):
    """All measures, from the vectors alone."""
    return measure_similarities(vectors, similarity_matrix(vectors, equivalence), threshold)


def near_duplicate_pairs(vectors, equivalence, thresholds):
    return count_pairs(similarity_matrix(vectors, equivalence), thresholds)


@st.composite
def filter_sets(draw, fewest=2):
    filters, dimension = draw(st.integers(fewest, 12)), draw(st.integers(2, 9))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).standard_normal((filters, dimension))


# Equivalence and vectors


def test_each_activation_has_its_equivalence():
    expected = {"linear": "nonzero_scale", "relu": "positive_scale", "tanh": "sign"}
    expected |= {"leaky_relu": "positive_scale", "swish": "positive_scale", "hard_tanh": "sign"}
    assert {activation: equivalence_of(activation) for activation in expected} == expected


def test_kernels_of_many_channels_are_flattened_too(rng):
    kernels = rng.standard_normal((3, 3, 5, 7))  # (row, column, channel, filter)
    vectors = filter_vectors(kernels, np.zeros(7), "nonzero_scale")
    np.testing.assert_array_equal(vectors[6], kernels[..., 6].ravel())


def test_biases_must_match_the_filters(rng):
    with pytest.raises(ValueError, match=r"shape \(3,\).*4 filters"):
        filter_vectors(rng.standard_normal((3, 1, 4)), np.zeros(3), "positive_scale")


@pytest.mark.parametrize(
    ("vectors", "equivalence", "threshold", "message"),
    [
        *[(vectors, "sign", 0.95, "finite") for vectors in (np.ones(3), [[1.0, np.nan]], [[1.0, np.inf]])],
        *[(np.eye(4), "sign", threshold, "threshold") for threshold in (0.0, 1.0, -0.5, np.nan)],
        (np.eye(4), "scale", 0.95, r"'scale'.*nonzero_scale, positive_scale, sign"),
    ],
)
def test_what_cannot_be_measured_is_refused(vectors, equivalence, threshold, message):
    with pytest.raises(ValueError, match=message):
        measure(np.array(vectors), equivalence, threshold)


# Similarity and nearest filters


def test_similarity_is_the_cosine_of_scikit_learn(rng):
    vectors = rng.standard_normal((6, 5))
    cosines = cosine_similarity(vectors)
    np.testing.assert_allclose(similarity_matrix(vectors, "positive_scale"), cosines, atol=1e-14)
    np.testing.assert_allclose(similarity_matrix(vectors, "nonzero_scale"), np.abs(cosines), atol=1e-14)


def test_nearest_filters_of_known_vectors():
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.1], [0.0, 2.0]])
    nearest, cosines = nearest_filters(vectors, "nonzero_scale")
    assert nearest.tolist() == [2, 3, 0, 1]
    np.testing.assert_allclose(cosines, [1 / np.sqrt(1.01), 0.8, 1 / np.sqrt(1.01), 0.8], atol=1e-15)
    nearest, cosines = nearest_filters(vectors, "positive_scale")
    assert nearest.tolist() == [1, 3, 3, 1]
    np.testing.assert_allclose(cosines, [0.6, 0.8, 0.1 / np.sqrt(1.01), 0.8], atol=1e-15)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_dead_filters_are_counted_and_left_out(rng, equivalence):
    alive = rng.standard_normal((5, 4))
    with_dead = np.insert(alive, [0, 3, 3], 0.0, axis=0)  # dead filters: 0, 4, 5
    assert live_filters(with_dead).tolist() == [False, True, True, True, False, False, True, True]
    expected, measures = measure(alive, equivalence, 0.5), measure(with_dead, equivalence, 0.5)
    assert (measures.live_filters, measures.dead_filters) == (5, 3)
    for name in set(vars(expected)) - {"dead_filters"}:
        assert getattr(measures, name) == getattr(expected, name), name
    nearest, cosines = nearest_filters(with_dead, equivalence)
    assert nearest[[0, 4, 5]].tolist() == [-1, -1, -1]
    assert np.isnan(cosines[[0, 4, 5]]).all()
    survivors = np.array([1, 2, 3, 6, 7])
    assert nearest[survivors].tolist() == survivors[nearest_filters(alive, equivalence)[0]].tolist()


@pytest.mark.parametrize("size", [1e-300, 1e-42, 1e300])
def test_directions_survive_sizes_whose_squares_do_not(size):
    np.testing.assert_allclose(directions(np.array([[3 * size, -4 * size]])), [[0.6, -0.8]], rtol=1e-12)


# Duplicates


def test_exact_duplicates_of_known_multiplicity(rng):
    distinct = rng.standard_normal((4, 3))
    vectors = distinct[[0, 0, 0, 1, 2, 2, 3]]  # three pairs among the first, one among the third
    assert exact_duplicate_pairs(vectors) == 4
    assert exact_duplicate_pairs(distinct) == 0


def test_the_last_bit_tells_duplicates_from_near_ones():
    vectors = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, np.nextafter(0.2, 1)]])
    assert exact_duplicate_pairs(vectors) == 1
    assert twin_pairs(vectors, "positive_scale") == 3


def test_duplicates_are_compared_in_the_type_they_are_stored_in():
    vectors = np.array([[0.1, 1.0], [np.nextafter(np.float32(0.1), np.float32(1)), 1.0]], dtype=np.float32)
    assert exact_duplicate_pairs(vectors) == 0
    assert exact_duplicate_pairs(vectors.astype(np.float16)) == 1  # here the two are one number
    kernels = vectors.T.reshape(2, 1, 2)
    assert exact_duplicate_pairs(filter_vectors(kernels, None, "nonzero_scale")) == 0


def test_positive_and_negative_zero_are_equal_weights():
    assert exact_duplicate_pairs(np.array([[0.0, 1.0, -0.0], [-0.0, 1.0, 0.0]])) == 1
    assert live_filters(np.array([[-0.0, 0.0]])).tolist() == [False]


def test_twins_do_the_same_job_as_far_as_the_activation_tells():
    """Small weights that differ are no twins, and large ones that are scaled or turned by next to nothing are."""
    vectors = np.array([[1e-9, 0.0], [0.0, 1e-9], [3e5, 1.0], [-7.0, 0.0]])
    assert twin_pairs(vectors, "nonzero_scale") == 3
    assert twin_pairs(vectors, "positive_scale") == 1
    turned = np.array([[1.0, 0.0], [1.0, 1.40e-3], [1.0, -1.45e-3]])  # 1 - cos is 0.98, 1.05 and 4.06 millionths
    assert twin_pairs(turned, "positive_scale") == 1


def test_near_duplicates_of_planted_angles():
    angles = np.radians([0, 10, 20, 90, 185])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    taus = np.cos(np.radians([25.0, 15.0, 11.0, 6.0]))  # in any order
    # angles between lines: 10 10 20 | 90 80 70 | 5 5 15 85
    assert near_duplicate_pairs(vectors, "nonzero_scale", taus).tolist() == [6, 5, 4, 2]
    assert near_duplicate_pairs(vectors, "nonzero_scale", taus[::-1]).tolist() == [2, 4, 5, 6]
    assert near_duplicate_pairs(vectors, "positive_scale", taus).tolist() == [3, 2, 2, 0]


# Invariances


@given(filter_sets(), st.sampled_from(EQUIVALENCES), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_neither_order_nor_the_scales_of_the_equivalence_change_a_measure(vectors, equivalence, seed):
    rng = np.random.default_rng(seed)
    order, scales = rng.permutation(len(vectors)), 10.0 ** rng.uniform(-6, 6, (len(vectors), 1))
    if equivalence == "nonzero_scale":
        scales *= rng.choice([-1, 1], scales.shape)
    before, after = measure(vectors, equivalence, 0.6), measure((vectors * scales)[order], equivalence, 0.6)
    for name in vars(before):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-12, abs=1e-12), name
    nearest, cosines = nearest_filters(vectors, equivalence)
    changed_nearest, changed_cosines = nearest_filters((vectors * scales)[order], equivalence)
    np.testing.assert_allclose(changed_cosines, cosines[order], rtol=0, atol=1e-12)
    if len(vectors) > 2:  # Of two filters, each is the other's; of more, ties have probability 0.
        np.testing.assert_array_equal(order[changed_nearest], nearest[order])


# Filters that never fire


def test_never_firing_is_what_no_image_changes(rng):
    vectors = rng.standard_normal((300, 5)) - [0, 0, 0, 0, 1]
    corners = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)  # a linear map is largest at a corner of the cube
    largest = (vectors[:, :-1] @ corners).max(axis=1) + vectors[:, -1]
    assert never_active_filters(vectors).tolist() == (largest <= 0).tolist()
    assert 20 < never_active_filters(vectors).sum() < 280
