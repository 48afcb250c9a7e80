"""Clusters: planted ones are found, labels are scikit-learn's, and dead filters belong to none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from filtertwins.measures.clusters import cluster_filters as cluster_by_similarity
from filtertwins.measures.clusters import cluster_filters_into, count_clusters, redundant_share, with_one_job
from filtertwins.measures.redundancy import directions, similarity_matrix

EQUIVALENCES = ["nonzero_scale", "positive_scale", "sign"]


def cluster_filters(vectors, equivalence, threshold):
    return cluster_by_similarity(vectors, similarity_matrix(vectors, equivalence), threshold)


def scaled(rng, vectors, equivalence):
    """The vectors times factors that change nothing under the equivalence."""
    scales = 10.0 ** rng.uniform(-2, 2, (len(vectors), 1))
    return vectors * scales * (rng.choice([-1, 1], scales.shape) if equivalence == "nonzero_scale" else 1)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_planted_near_twins_are_found_every_time(rng, equivalence):
    for _ in range(20):
        twins = np.repeat(directions(rng.standard_normal((8, 25))), 4, axis=0) + 0.02 * rng.standard_normal((32, 25))
        order = rng.permutation(32)
        labels = cluster_filters(scaled(rng, twins, equivalence)[order], equivalence, 0.95)
        assert adjusted_rand_score(np.repeat(np.arange(8), 4)[order], labels) == 1
        assert redundant_share(similarity_matrix(twins, equivalence), 0.95) == 24 / 32


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.95])
def test_clusters_are_those_of_scikit_learn(rng, equivalence, threshold):
    for filters, dimension in ((2, 2), (3, 5), (60, 3)):
        vectors = rng.standard_normal((filters, dimension))
        options = {"distance_threshold": 1 - threshold, "n_clusters": None}
        model = AgglomerativeClustering(metric="precomputed", linkage="average", **options)
        expected = model.fit_predict(1 - similarity_matrix(vectors, equivalence))
        labels = cluster_filters(vectors, equivalence, threshold)
        assert adjusted_rand_score(expected, labels) == 1
        share = redundant_share(similarity_matrix(vectors, equivalence), threshold)
        assert share == pytest.approx(1 - count_clusters(labels) / filters)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
@pytest.mark.parametrize("wanted", [1, 2, 7, 20])
def test_clusters_of_a_given_number_are_those_of_scikit_learn(rng, equivalence, wanted):
    vectors = np.insert(rng.standard_normal((20, 4)), 3, 0.0, axis=0)
    labels = cluster_filters_into(vectors, equivalence, wanted)
    assert labels[3] == -1
    live = np.delete(labels, 3)
    assert list(dict.fromkeys(live)) == list(range(wanted))
    model = AgglomerativeClustering(metric="precomputed", linkage="average", n_clusters=wanted)
    assert adjusted_rand_score(live, model.fit_predict(1 - similarity_matrix(vectors, equivalence))) == 1


def test_labels_are_counted_by_first_appearance_and_dead_filters_have_none():
    a, b, dead = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]
    vectors = np.array([dead, b, a, b, dead, [0, 0, 1.0], a])
    labels = cluster_filters(vectors, "nonzero_scale", 0.95)
    assert labels.tolist() == [-1, 0, 1, 0, -1, 2, 1]
    assert count_clusters(labels) == 3
    assert redundant_share(similarity_matrix(vectors, "nonzero_scale"), 0.95) == 2 / 5  # of five live ones


def test_filters_that_are_never_active_share_a_cluster_that_no_other_filter_joins():
    vectors = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.01, 1, 0], [1, 0.01, 0]])
    jobs = with_one_job(similarity_matrix(vectors, "positive_scale"), np.array([False, True, True, False, False]))
    assert cluster_by_similarity(vectors, jobs, 0.95).tolist() == [0, 1, 1, 2, 0]
    assert redundant_share(jobs, 0.95) == pytest.approx(2 / 5)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_few_filters_have_clusters_too(equivalence):
    assert cluster_filters(np.array([[1.0, 2.0]]), equivalence, 0.95).tolist() == [0]
    assert cluster_filters(np.zeros((2, 3)), equivalence, 0.95).tolist() == [-1, -1]
    assert np.isnan(redundant_share(similarity_matrix(np.zeros((2, 3)), equivalence), 0.95))
    assert cluster_filters(np.ones((3, 3)), equivalence, 0.95).tolist() == [0, 0, 0]


def test_a_given_number_of_clusters_is_met_among_exact_twins_or_refused():
    vectors = np.repeat(np.eye(3), 4, axis=0)
    for wanted in range(1, 13):
        assert count_clusters(cluster_filters_into(vectors, "positive_scale", wanted)) == wanted
    for wanted in (0, 3):
        with pytest.raises(ValueError, match=f"clusters = {wanted}; allowed: 1 to the live filters, 2"):
            cluster_filters_into(np.array([[1, 0], [0, 1], [0, 0]]), "sign", wanted)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1.5])
def test_a_threshold_outside_0_to_1_is_refused(rng, threshold):
    with pytest.raises(ValueError, match="threshold"):
        cluster_filters(rng.standard_normal((4, 3)), "nonzero_scale", threshold)


@given(st.integers(0, 2**32 - 1), st.sampled_from(EQUIVALENCES), st.sampled_from([0.5, 0.9]))
@settings(max_examples=40, deadline=None)
def test_clusters_do_not_depend_on_the_order_or_the_scale_of_filters(seed, equivalence, threshold):
    rng = np.random.default_rng(seed)
    vectors, order = rng.standard_normal((12, 3)), rng.permutation(12)
    labels = cluster_filters(vectors, equivalence, threshold)
    changed = cluster_filters(scaled(rng, vectors, equivalence)[order], equivalence, threshold)
    together = labels[:, np.newaxis] == labels
    np.testing.assert_array_equal(changed[:, np.newaxis] == changed, together[np.ix_(order, order)])
    assert list(dict.fromkeys(changed)) == list(range(count_clusters(changed)))
