"""The nulls against closed forms, simulation and each other; the p-value against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from filtertwins.measures import nulls
from filtertwins.measures.clusters import redundant_share
from filtertwins.measures.nulls import (
    draw_weights,
    isotropic_cosine_cdf,
    isotropic_mean_absolute_cosine,
    isotropic_nearest_cdf,
    isotropic_nearest_mean,
    monte_carlo_p_value,
    pooled_p_value,
    redrawn,
)
from filtertwins.measures.redundancy import count_pairs, nearest_filters, nearest_similarities, similarity_matrix

EQUIVALENCES = ["nonzero_scale", "positive_scale", "sign"]


def redrawn_means(*arguments):
    """The mean nearest cosine of redrawn networks, (draw,)."""
    return redrawn(lambda similarities: nearest_similarities(similarities).mean(axis=-1), *arguments)


def redrawn_shares(threshold, *arguments):
    """The redundant share of redrawn networks, (draw,)."""
    return redrawn(lambda drawn: np.array([redundant_share(own, threshold) for own in drawn]), *arguments)


# The isotropic null


@pytest.mark.parametrize("filters", [2, 16, 100, 10**6])
def test_in_3_dimensions_the_mean_nearest_cosine_is_1_minus_1_over_k(filters):
    assert isotropic_nearest_mean(filters, 3, "nonzero_scale") == pytest.approx(1 - 1 / filters, abs=1e-9)


def test_in_3_dimensions_cosines_are_uniform():
    cosines = np.linspace(-1.5, 1.5, 61)
    uniform = stats.uniform(0, 1).cdf(cosines), stats.uniform(-1, 2).cdf(cosines)
    np.testing.assert_allclose(isotropic_cosine_cdf(cosines, 3, "nonzero_scale"), uniform[0], atol=1e-14)
    np.testing.assert_allclose(isotropic_cosine_cdf(cosines, 3, "positive_scale"), uniform[1], atol=1e-14)


@pytest.mark.parametrize(
    ("dimension", "expected"), [(1, 1), (2, 2 / np.pi), (3, 1 / 2), (4, 4 / (3 * np.pi)), (5, 3 / 8)]
)
def test_the_mean_absolute_cosine_is_the_closed_form(dimension, expected):
    assert isotropic_mean_absolute_cosine(dimension) == pytest.approx(expected)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
@pytest.mark.parametrize("dimension", [2, 3, 9, 25])
def test_isotropic_kernels_follow_the_closed_forms(rng, dimension, equivalence):
    filters, networks = 8, 4000
    networks_nearest = np.array(
        [nearest_filters(rng.standard_normal((filters, dimension)), equivalence)[1] for _ in range(networks)]
    )
    first_filter = networks_nearest[:, 0]  # of one network, the filters depend on each other
    law = stats.kstest(first_filter, lambda c: isotropic_nearest_cdf(c, filters, dimension, equivalence))
    assert law.pvalue > 0.01
    error = networks_nearest.mean(axis=1).std() / np.sqrt(networks)
    expected = isotropic_nearest_mean(filters, dimension, equivalence)
    assert networks_nearest.mean() == pytest.approx(expected, abs=4 * error)


def test_the_mean_nearest_cosine_of_many_filters_is_not_lost_between_quadrature_points():
    means = [isotropic_nearest_mean(10**power, 25, "nonzero_scale") for power in range(1, 7)]
    assert np.all(np.diff(means) > 0)
    assert means[-1] < 1
    # The largest of k-1 uniform cosines on [-1, 1]:
    assert isotropic_nearest_mean(10**4, 3, "positive_scale") == pytest.approx(1 - 2e-4, abs=1e-9)


def test_in_1_dimension_every_filter_is_every_other_up_to_sign(rng):
    assert isotropic_nearest_mean(5, 1, "nonzero_scale") == 1
    assert isotropic_cosine_cdf([-1, 0, 0.999, 1], 1, "nonzero_scale").tolist() == [0, 0, 0, 1]
    assert isotropic_cosine_cdf([-1.1, -1, 0, 1], 1, "positive_scale").tolist() == [0, 0.5, 0.5, 1]
    assert isotropic_nearest_mean(2, 1, "positive_scale") == 0
    assert isotropic_nearest_mean(3, 1, "positive_scale") == 0.5
    assert (redrawn_means(5, 1, "nonzero_scale", "glorot_uniform", 50, rng) == 1).all()
    signed = redrawn_means(3, 1, "positive_scale", "glorot_uniform", 4000, rng)
    assert signed.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_one_filter_has_no_null(rng, equivalence):
    assert np.isnan(isotropic_nearest_mean(1, 3, equivalence))
    assert np.isnan(isotropic_nearest_cdf([0.0, 1.0], 1, 3, equivalence)).all()
    assert np.isnan(redrawn_means(1, 3, equivalence, "glorot_uniform", 7, rng)).tolist() == [True] * 7


# The redrawn null


def test_an_unknown_initialiser_is_refused(rng):
    with pytest.raises(ValueError, match=r"'stft'.*Keras"):
        redrawn_means(4, 3, "nonzero_scale", "stft", 10, rng)


@pytest.mark.parametrize(("name", "filters", "cosine"), [("Orthogonal", 3, 0.0), ("Zeros", 4, 1.0), ("ones", 2, 1.0)])
def test_filters_that_do_not_start_independently_are_drawn_as_they_start(name, filters, cosine, rng):
    assert redrawn_means(filters, 3, "nonzero_scale", name, 10, rng) == pytest.approx(cosine, abs=1e-9)


def test_names_of_keras_in_either_spelling_are_one_initialiser():
    first, second = (draw_weights((3, 4), name, np.random.default_rng(1)) for name in ("HeNormal", "he_normal"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("initializer", "law"),
    [
        ("glorot_uniform", stats.uniform(-1, 2)),
        ("random_normal", stats.norm()),
        ("he_normal", stats.truncnorm(-2, 2)),  # Keras cuts this one at two standard deviations.
    ],
)
def test_weights_follow_the_law_of_their_initialiser(rng, initializer, law):
    weights = draw_weights((20_000,), initializer, rng)
    assert stats.kstest(weights, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_redrawn_null_of_a_normal_initialiser_is_isotropic(rng, equivalence):
    null = redrawn_means(16, 9, equivalence, "random_normal", 3000, rng)
    error = null.std(ddof=1) / np.sqrt(len(null))
    assert null.mean() == pytest.approx(isotropic_nearest_mean(16, 9, equivalence), abs=4 * error)


@pytest.mark.parametrize("initializer", ["glorot_uniform", "glorot_normal", "random_normal"])
def test_the_redrawn_null_does_not_depend_on_batches(monkeypatch, initializer):
    arguments = (6, 4, "nonzero_scale", initializer, 20)
    whole = redrawn_means(*arguments, np.random.default_rng(1))
    monkeypatch.setattr(nulls, "_BATCH_ENTRIES", 3 * 36)
    np.testing.assert_allclose(redrawn_means(*arguments, np.random.default_rng(1)), whole, atol=1e-14)


def test_a_statistic_of_redrawn_networks_sees_the_similarities_of_their_filters():
    taus, arguments = [0.9, 0.3], (6, 3, "nonzero_scale", "he_uniform", 8)
    counts = redrawn(lambda drawn: count_pairs(drawn, taus), *arguments, np.random.default_rng(1))
    shares = redrawn_shares(0.8, *arguments, np.random.default_rng(1))
    networks = np.random.default_rng(1).uniform(-1, 1, (8, 6, 3))
    similarities = [similarity_matrix(network, "nonzero_scale") for network in networks]
    np.testing.assert_array_equal(counts, [count_pairs(own, taus) for own in similarities])
    np.testing.assert_allclose(shares, [redundant_share(own, 0.8) for own in similarities])
    assert redrawn_shares(0.8, 1, 3, "sign", "he_uniform", 2, np.random.default_rng(1)).tolist() == [0, 0]


# Comparing with a null


def test_the_p_value_counts_the_observed_among_the_draws():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert [monte_carlo_p_value(observed, null) for observed in (0.3, 9.0, 0.0)] == [3 / 5, 1 / 5, 1]


@pytest.mark.parametrize(("observed", "null"), [(np.nan, [0.1, 0.2]), (0.1, [np.nan, np.nan]), (0.1, [])])
def test_a_comparison_with_nothing_is_missing(observed, null):
    assert np.isnan(monte_carlo_p_value(observed, np.array(null)))


@pytest.mark.parametrize(
    ("initializer", "filters", "dimension"),
    [("glorot_uniform", 4, 3), ("glorot_uniform", 16, 25), ("glorot_normal", 16, 9), ("glorot_normal", 64, 25)],
)
def test_the_p_value_is_calibrated(rng, initializer, filters, dimension):
    equivalence = "nonzero_scale" if initializer == "glorot_uniform" else "positive_scale"
    null = redrawn_means(filters, dimension, equivalence, initializer, 1999, rng)
    observations = redrawn_means(filters, dimension, equivalence, initializer, 2000, rng)
    p_values = np.array([monte_carlo_p_value(observed, null) for observed in observations])
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_pooled_p_value_uses_every_draw_once_and_rejects_as_often_as_it_says():
    null = np.arange(6.0)  # of both networks: the sums are 0 + 1, 2 + 3 and 4 + 5
    assert [pooled_p_value([observed, 1.0], [null, null]) for observed in (0.0, 4.0, 9.0)] == [1, 3 / 4, 1 / 4]
    assert np.isnan(pooled_p_value([0.0] * 7, [null] * 7))  # There are too few draws for a single sum.
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(2000):
        null = rng.poisson(0.3, 390).astype(float)  # rare pairs: 39 sums over 10 networks
        p_values.append(pooled_p_value(rng.poisson(0.3, 10).astype(float), [null] * 10))
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.06  # at most the level; counts make it somewhat lower
