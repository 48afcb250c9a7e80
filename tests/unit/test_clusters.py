"""Clusters: planted ones are found, labels are scikit-learn's, and none are found where there are none."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from filtertwins.measures import clusters, redundancy
from filtertwins.measures.clusters import (
    cluster_filters,
    cluster_filters_by_density,
    cluster_filters_into,
    count_clusters,
    gap_statistic,
    redundant_filters,
)
from filtertwins.measures.redundancy import directions, measure, similarity_matrix

EQUIVALENCES = ["nonzero_scale", "positive_scale", "sign"]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def _planted(rng, equivalence, groups=8, copies=4, dimension=25, spread=0.02):
    """Near twins around each of a few directions, scaled by the equivalence's group and shuffled."""
    centres = directions(rng.standard_normal((groups, dimension)))
    twins = np.repeat(centres, copies, axis=0) + spread * rng.standard_normal((groups * copies, dimension))
    scales = 10.0 ** rng.uniform(-2, 2, (len(twins), 1))
    if equivalence == "nonzero_scale":
        scales *= rng.choice([-1, 1], scales.shape)
    order = rng.permutation(len(twins))
    return (twins * scales)[order], np.repeat(np.arange(groups), copies)[order]


def _scikit_learn(vectors, equivalence, threshold):
    model = AgglomerativeClustering(
        metric="precomputed", linkage="average", distance_threshold=1 - threshold, n_clusters=None
    )
    return model.fit_predict(1 - similarity_matrix(vectors, equivalence))


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_planted_near_twins_are_found_every_time(rng, equivalence):
    for _ in range(100):
        vectors, groups = _planted(rng, equivalence)
        within = similarity_matrix(vectors, equivalence)[groups[:, np.newaxis] == groups]
        assert within.min() >= 0.97
        labels = cluster_filters(vectors, equivalence, 0.95)
        assert count_clusters(labels) == 8
        assert adjusted_rand_score(groups, labels) == 1
        assert redundant_filters(labels) == 24


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
@pytest.mark.parametrize("dimension", [2, 3, 5])
@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.95])
def test_clusters_are_those_of_scikit_learn(rng, monkeypatch, equivalence, dimension, threshold):
    monkeypatch.setattr(redundancy, "BLOCK_ENTRIES", 7 * 60)  # components are joined across blocks
    for filters in (2, 3, 60):
        vectors = rng.standard_normal((filters, dimension))
        labels = cluster_filters(vectors, equivalence, threshold)
        expected = _scikit_learn(vectors, equivalence, threshold)
        assert adjusted_rand_score(expected, labels) == 1
        assert count_clusters(labels) == len(set(expected))


def test_linkage_is_average_not_single():
    angles = np.radians([0, 15, 30, 45])  # a chain of near pairs, 15 degrees each
    chain = np.column_stack([np.cos(angles), np.sin(angles)])
    assert cluster_filters(chain, "nonzero_scale", np.cos(np.radians(16))).tolist() == [0, 0, 1, 1]


def test_sign_flips_join_only_under_nonzero_scale():
    vectors = np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, 6.0]])
    assert cluster_filters(vectors, "nonzero_scale", 0.95).tolist() == [0, 0, 0]
    assert cluster_filters(vectors, "positive_scale", 0.95).tolist() == [0, 1, 0]


def test_labels_are_counted_by_first_appearance_and_dead_filters_have_none():
    a, b, dead = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]
    vectors = np.array([dead, b, a, b, dead, [0, 0, 1.0], a])
    labels = cluster_filters(vectors, "nonzero_scale", 0.95)
    assert labels.tolist() == [-1, 0, 1, 0, -1, 2, 1]
    assert count_clusters(labels) == 3
    assert redundant_filters(labels) == 2  # of five live ones


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_few_filters_have_clusters_too(equivalence):
    assert cluster_filters(np.array([[1.0, 2.0]]), equivalence, 0.95).tolist() == [0]
    assert redundant_filters(cluster_filters(np.array([[1.0, 2.0]]), equivalence, 0.95)) == 0
    dead = cluster_filters(np.zeros((2, 3)), equivalence, 0.95)
    assert dead.tolist() == [-1, -1]
    assert (count_clusters(dead), redundant_filters(dead)) == (0, 0)
    assert cluster_filters(np.ones((3, 3)), equivalence, 0.95).tolist() == [0, 0, 0]


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1.5])
def test_a_threshold_outside_0_to_1_is_refused(rng, threshold):
    with pytest.raises(ValueError, match="threshold"):
        cluster_filters(rng.standard_normal((4, 3)), "nonzero_scale", threshold)


@given(st.integers(0, 2**32 - 1), st.sampled_from(EQUIVALENCES), st.sampled_from([0.5, 0.9]))
@settings(max_examples=60, deadline=None)
def test_clusters_do_not_depend_on_the_order_or_the_scale_of_filters(seed, equivalence, threshold):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((12, 3))
    order = rng.permutation(12)
    scales = 10.0 ** rng.uniform(-3, 3, (12, 1))
    if equivalence == "nonzero_scale":
        scales *= rng.choice([-1, 1], scales.shape)
    labels = cluster_filters(vectors, equivalence, threshold)
    changed = cluster_filters((vectors * scales)[order], equivalence, threshold)
    together = labels[:, np.newaxis] == labels
    np.testing.assert_array_equal(changed[:, np.newaxis] == changed, together[np.ix_(order, order)])
    assert list(dict.fromkeys(changed)) == list(range(count_clusters(changed)))


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
@pytest.mark.parametrize("wanted", [1, 2, 7, 19, 20])
def test_clusters_of_a_given_number_are_those_of_scikit_learn(rng, equivalence, wanted):
    vectors = np.insert(rng.standard_normal((20, 4)), 3, 0.0, axis=0)
    labels = cluster_filters_into(vectors, equivalence, wanted)
    assert labels[3] == -1
    live = np.delete(labels, 3)
    assert list(dict.fromkeys(live)) == list(range(wanted))
    model = AgglomerativeClustering(metric="precomputed", linkage="average", n_clusters=wanted)
    expected = model.fit_predict(1 - similarity_matrix(vectors, equivalence))
    assert adjusted_rand_score(live, expected) == 1


def test_a_given_number_of_clusters_is_met_among_exact_twins():
    vectors = np.repeat(np.eye(3), 4, axis=0)
    for wanted in range(1, 13):
        assert count_clusters(cluster_filters_into(vectors, "positive_scale", wanted)) == wanted


@pytest.mark.parametrize("wanted", [0, 3])
def test_clusters_that_filters_cannot_form_are_refused(wanted):
    with pytest.raises(ValueError, match=f"clusters = {wanted}; allowed: 1 to the live filters, 2"):
        cluster_filters_into(np.array([[1, 0], [0, 1], [0, 0]]), "sign", wanted)


def test_redundant_filters_grow_as_the_threshold_falls(rng):
    vectors = rng.standard_normal((40, 3))
    redundant = [redundant_filters(cluster_filters(vectors, "nonzero_scale", tau)) for tau in (0.99, 0.9, 0.5)]
    assert 0 < redundant[0] < redundant[1] < redundant[2] < 40


def test_ten_thousand_kernels_take_10_seconds_and_a_gigabyte_at_most(rng):
    vectors, groups = _planted(rng, "nonzero_scale", groups=1000, copies=10)
    tracemalloc.start()
    start = time.thread_time()  # of this thread, so that a busy machine fails nothing
    measures = measure(vectors, "nonzero_scale", 0.95)
    labels = cluster_filters(vectors, "nonzero_scale", 0.95)
    elapsed_s = time.thread_time() - start
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert measures.near_duplicate_pairs == 1000 * 45
    assert adjusted_rand_score(groups, labels) == 1
    assert elapsed_s <= 10
    assert peak_bytes <= 1e9


# Second opinions


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_hdbscan_finds_planted_twins_too(rng, equivalence):
    vectors, groups = _planted(rng, equivalence)
    labels = cluster_filters_by_density(vectors, equivalence, smallest_cluster=3)
    assert adjusted_rand_score(groups, labels) == 1


def test_hdbscan_leaves_outliers_and_dead_filters_alone(rng):
    axes = np.eye(9)
    centres = np.repeat(axes[0] + axes[1:4], 5, axis=0)  # three groups at 60 degrees from each other
    twins = centres + 0.02 * rng.standard_normal(centres.shape)
    labels = cluster_filters_by_density(np.vstack([np.zeros(9), twins, -axes[0]]), "positive_scale", 4)
    assert labels.tolist() == [-1, *[0] * 5, *[1] * 5, *[2] * 5, -1]


@pytest.mark.parametrize("filters", [1, 2])
def test_hdbscan_says_nothing_about_too_few_filters(filters):
    assert cluster_filters_by_density(np.ones((filters, 3)), "nonzero_scale").tolist() == [-1] * filters


def test_hdbscan_takes_exact_twins(rng):
    vectors = np.repeat(rng.standard_normal((4, 9)), 3, axis=0)
    labels = cluster_filters_by_density(vectors, "nonzero_scale")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_gap_statistic_counts_planted_clusters(rng, equivalence):
    vectors, _ = _planted(rng, equivalence)
    assert gap_statistic(vectors, equivalence, rng).clusters == 8


def test_the_gap_statistic_takes_exact_twins(rng):
    gap = gap_statistic(np.repeat(rng.standard_normal((5, 9)), 3, axis=0), "nonzero_scale", rng)
    assert gap.clusters == 5
    assert np.isfinite(gap.gaps).all()


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_gap_statistic_can_say_that_there_are_no_clusters(rng, equivalence):
    chosen = [gap_statistic(rng.standard_normal((32, 9)), equivalence, rng, references=30).clusters for _ in range(40)]
    assert np.mean(np.equal(chosen, 1)) >= 0.75


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_gap_statistic_has_the_dispersion_of_its_definition(rng, equivalence):
    vectors = rng.standard_normal((15, 4))
    dissimilarity = 1 - similarity_matrix(vectors, equivalence)
    expected = []
    for count in range(1, 15):
        model = AgglomerativeClustering(n_clusters=count, metric="precomputed", linkage="average")
        labels = model.fit_predict(dissimilarity)
        groups = [np.flatnonzero(labels == label) for label in range(count)]
        expected.append(sum(dissimilarity[np.ix_(g, g)].sum() / (2 * len(g)) for g in groups))
    dispersions = clusters._log_dispersions(vectors, equivalence)
    np.testing.assert_allclose(dispersions[:-1], np.log(expected), atol=1e-10)


def test_the_gap_statistic_is_reproducible_and_missing_for_few_filters(rng):
    vectors = rng.standard_normal((10, 3))
    first, second = (gap_statistic(vectors, "nonzero_scale", np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.gaps, second.gaps)
    assert len(first.gaps) == len(first.errors) == 9
    assert gap_statistic(vectors[:2], "nonzero_scale", rng).clusters is None
    assert gap_statistic(np.zeros((5, 3)), "nonzero_scale", rng).clusters is None
