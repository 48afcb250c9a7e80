"""The nulls against closed forms, simulation and each other; the p-value against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from filtertwins.measures import nulls
from filtertwins.measures.nulls import (
    cap_bound,
    coherence_bound,
    compare_with_null,
    draw_weights,
    family_of,
    isotropic_cosine_cdf,
    isotropic_mean_absolute_cosine,
    isotropic_nearest_cdf,
    isotropic_nearest_mean,
    isotropic_pair_fraction,
    monte_carlo_p_value,
    orthoplex_bound,
    redrawn_null,
    redrawn_pair_fractions,
    welch_bound,
)
from filtertwins.measures.redundancy import measure, near_duplicate_pairs, nearest_filters

EQUIVALENCES = ["nonzero_scale", "positive_scale", "sign"]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


# The isotropic null


@pytest.mark.parametrize(("filters", "expected"), [(2, 0.5), (4, 0.75), (16, 0.9375), (100, 0.99)])
def test_in_3_dimensions_the_mean_nearest_cosine_is_1_minus_1_over_k(filters, expected):
    assert isotropic_nearest_mean(filters, 3, "nonzero_scale") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("dimension", "filters", "expected"), [(9, 16, 0.642), (9, 100, 0.787), (25, 16, 0.402), (25, 100, 0.521)]
)
def test_the_mean_nearest_cosine_has_the_values_of_the_design(dimension, filters, expected):
    assert isotropic_nearest_mean(filters, dimension, "nonzero_scale") == pytest.approx(expected, abs=5e-4)


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


@pytest.mark.parametrize("dimension", [2, 9, 25, 400])
def test_two_filters_are_as_near_as_any_pair(dimension):
    mean = isotropic_mean_absolute_cosine(dimension)
    assert isotropic_nearest_mean(2, dimension, "nonzero_scale") == pytest.approx(mean, abs=1e-9)
    assert isotropic_nearest_mean(2, dimension, "positive_scale") == pytest.approx(0, abs=1e-9)


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
    for dimension in (2, 3, 25):
        means = [isotropic_nearest_mean(10**p, dimension, "nonzero_scale") for p in range(1, 7)]
        assert np.all(np.diff(means) > 0)
        assert means[-1] < 1
    assert isotropic_nearest_mean(10**6, 3, "nonzero_scale") == pytest.approx(1 - 1e-6, abs=1e-9)
    # Signed cosines in 3 dimensions: the maximum of k-1 uniform ones on [-1, 1].
    assert isotropic_nearest_mean(10**4, 3, "positive_scale") == pytest.approx(1 - 2e-4, abs=1e-9)


def test_in_1_dimension_every_filter_is_every_other_up_to_sign(rng):
    assert isotropic_nearest_mean(5, 1, "nonzero_scale") == 1
    assert isotropic_cosine_cdf([-1, 0, 0.999, 1], 1, "nonzero_scale").tolist() == [0, 0, 0, 1]
    assert isotropic_cosine_cdf([-1.1, -1, 0, 1], 1, "positive_scale").tolist() == [0, 0.5, 0.5, 1]
    assert isotropic_nearest_mean(2, 1, "positive_scale") == 0
    assert isotropic_nearest_mean(3, 1, "positive_scale") == 0.5
    assert (redrawn_null(5, 1, "nonzero_scale", "glorot_uniform", 50, rng) == 1).all()
    signed = redrawn_null(3, 1, "positive_scale", "glorot_uniform", 4000, rng)
    assert signed.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_one_filter_has_no_null(rng, equivalence):
    assert np.isnan(isotropic_nearest_mean(1, 3, equivalence))
    assert np.isnan(isotropic_nearest_cdf([0.0, 1.0], 1, 3, equivalence)).all()
    assert np.isnan(redrawn_null(1, 3, equivalence, "glorot_uniform", 7, rng)).tolist() == [True] * 7
    fractions = redrawn_pair_fractions(1, 3, equivalence, "glorot_uniform", [0.5, 0.9], 7, rng)
    assert fractions.shape == (7, 2)
    assert np.isnan(fractions).all()


def test_the_fraction_of_near_pairs_is_the_upper_tail():
    fractions = isotropic_pair_fraction([-1, 0, 0.25, 0.95, 1, 2], 3, "nonzero_scale")
    np.testing.assert_allclose(fractions, [1, 1, 0.75, 0.05, 0, 0], atol=1e-15)
    fractions = isotropic_pair_fraction([-1, -0.5, 0, 0.5, 1], 3, "positive_scale")
    np.testing.assert_allclose(fractions, [1, 0.75, 0.5, 0.25, 0], atol=1e-15)
    assert isotropic_pair_fraction([0.95, 1, 1.1], 1, "nonzero_scale").tolist() == [1, 1, 0]
    assert isotropic_pair_fraction([-1, -0.5, 1], 1, "positive_scale").tolist() == [1, 0.5, 0.5]
    rare = isotropic_pair_fraction([0.99], 49, "nonzero_scale")
    np.testing.assert_allclose(rare, stats.beta(0.5, 24).sf(0.99**2), rtol=1e-9)  # 1e-42: not lost in 1 - F


# The redrawn null


@pytest.mark.parametrize(
    ("initializer", "family"),
    [
        ("glorot_uniform", "uniform"),
        ("he_uniform", "uniform"),
        ("lecun_uniform", "uniform"),
        ("random_uniform", "uniform"),
        ("glorot_normal", "truncated_normal"),
        ("he_normal", "truncated_normal"),
        ("lecun_normal", "truncated_normal"),
        ("random_normal", "normal"),
    ],
)
def test_each_initialiser_has_its_family(initializer, family):
    assert family_of(initializer) == family


def test_an_unknown_initialiser_is_refused_with_what_is_allowed(rng):
    with pytest.raises(ValueError, match=r"'orthogonal'.*glorot_uniform.*random_normal"):
        redrawn_null(4, 3, "nonzero_scale", "orthogonal", 10, rng)
    with pytest.raises(ValueError, match="'zeros'"):
        redrawn_null(1, 3, "nonzero_scale", "zeros", 10, rng)


@pytest.mark.parametrize(
    ("family", "law"),
    [
        ("uniform", stats.uniform(-1, 2)),
        ("normal", stats.norm()),
        ("truncated_normal", stats.truncnorm(-2, 2)),
    ],
)
def test_weights_follow_their_family(rng, family, law):
    weights = draw_weights((20_000,), family, rng)
    assert stats.kstest(weights, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_redrawn_null_of_a_normal_initialiser_is_isotropic(rng, equivalence):
    null = redrawn_null(16, 9, equivalence, "random_normal", 3000, rng)
    error = null.std(ddof=1) / np.sqrt(len(null))
    assert null.mean() == pytest.approx(isotropic_nearest_mean(16, 9, equivalence), abs=4 * error)


def test_a_cube_is_not_a_sphere(rng):
    null = redrawn_null(16, 3, "nonzero_scale", "glorot_uniform", 4000, rng)
    error = null.std(ddof=1) / np.sqrt(len(null))
    assert null.mean() - isotropic_nearest_mean(16, 3, "nonzero_scale") > 4 * error


def test_the_redrawn_null_is_the_measure_of_redrawn_networks():
    null = redrawn_null(5, 4, "positive_scale", "he_uniform", 20, np.random.default_rng(1))
    networks = np.random.default_rng(1).uniform(-1, 1, (20, 5, 4))
    measured = [measure(network, "positive_scale", 0.95).mean_nearest_cosine for network in networks]
    np.testing.assert_allclose(null, measured, atol=1e-14)


@pytest.mark.parametrize("initializer", ["glorot_uniform", "glorot_normal", "random_normal"])
def test_the_redrawn_null_does_not_depend_on_batches(monkeypatch, initializer):
    arguments = (6, 4, "nonzero_scale", initializer)
    whole = redrawn_null(*arguments, 20, np.random.default_rng(1))
    fractions = redrawn_pair_fractions(*arguments, [0.5, 0.9], 20, np.random.default_rng(1))
    monkeypatch.setattr(nulls, "_BATCH_ENTRIES", 3 * 36)
    np.testing.assert_allclose(redrawn_null(*arguments, 20, np.random.default_rng(1)), whole, atol=1e-14)
    batched = redrawn_pair_fractions(*arguments, [0.5, 0.9], 20, np.random.default_rng(1))
    np.testing.assert_array_equal(batched, fractions)


@pytest.mark.parametrize("equivalence", EQUIVALENCES)
def test_the_redrawn_curve_of_a_normal_initialiser_is_the_isotropic_one(rng, equivalence):
    taus = [0.0, 0.2, 0.5, 0.8]
    fractions = redrawn_pair_fractions(10, 5, equivalence, "random_normal", taus, 2000, rng)
    assert fractions.shape == (2000, 4)
    errors = fractions.std(axis=0, ddof=1) / np.sqrt(2000)
    expected = isotropic_pair_fraction(taus, 5, equivalence)
    assert np.all(np.abs(fractions.mean(axis=0) - expected) <= 4 * errors + 1e-12)


def test_the_redrawn_curve_counts_the_pairs_of_redrawn_networks():
    taus = [0.9, 0.3]
    fractions = redrawn_pair_fractions(5, 3, "nonzero_scale", "he_uniform", taus, 8, np.random.default_rng(1))
    networks = np.random.default_rng(1).uniform(-1, 1, (8, 5, 3))
    counts = [near_duplicate_pairs(network, "nonzero_scale", taus) for network in networks]
    np.testing.assert_allclose(fractions, np.array(counts) / 10)


# Comparing with a null


def test_the_p_value_counts_the_draws_as_large_or_larger_and_is_never_0():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert monte_carlo_p_value(0.3, null) == 3 / 5
    assert monte_carlo_p_value(9.0, null) == 1 / 5
    assert monte_carlo_p_value(0.0, null) == 1


def test_a_comparison_gives_excess_spread_and_p():
    comparison = compare_with_null(0.9, np.array([0.4, 0.6]))
    assert comparison.null_mean == pytest.approx(0.5)
    assert comparison.null_sd == pytest.approx(np.sqrt(0.02))  # n - 1
    assert comparison.excess == pytest.approx(0.4)
    assert comparison.p_value == 1 / 3


@pytest.mark.parametrize(("observed", "null"), [(np.nan, [0.1, 0.2]), (0.1, [np.nan, np.nan]), (0.1, [])])
def test_a_comparison_with_nothing_is_missing(observed, null):
    comparison = compare_with_null(observed, np.array(null))
    assert np.isnan(list(vars(comparison).values())).all()
    assert np.isnan(monte_carlo_p_value(observed, np.array(null)))


@pytest.mark.parametrize("dimension", [3, 9, 25])
@pytest.mark.parametrize("filters", [4, 16, 64])
@pytest.mark.parametrize("initializer", ["glorot_uniform", "glorot_normal"])
def test_the_p_value_is_calibrated(rng, filters, dimension, initializer):
    equivalence = "nonzero_scale" if initializer == "glorot_uniform" else "positive_scale"
    null = redrawn_null(filters, dimension, equivalence, initializer, 4999, rng)
    observations = redrawn_null(filters, dimension, equivalence, initializer, 3000, rng)
    p_values = np.array([monte_carlo_p_value(observed, null) for observed in observations])
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.015)


# Bounds


@pytest.mark.parametrize(("filters", "dimension", "expected"), [(2, 2, 0), (3, 2, 0.5), (6, 3, 1 / 5**0.5), (7, 1, 1)])
def test_the_welch_bound_of_known_frames(filters, dimension, expected):
    """Three lines in the plane and the icosahedron's six diagonals attain it."""
    assert welch_bound(filters, dimension) == pytest.approx(expected)


def test_the_icosahedron_attains_the_coherence_bound():
    golden = (1 + 5**0.5) / 2
    diagonals = [
        [0, 1, golden],
        [0, 1, -golden],
        [1, golden, 0],
        [1, -golden, 0],
        [golden, 0, 1],
        [-golden, 0, 1],
    ]
    assert measure(np.array(diagonals), "nonzero_scale", 0.95).max_cosine == pytest.approx(coherence_bound(6, 3))


def test_the_orthoplex_bound_needs_more_than_d_d_plus_1_over_2_filters():
    assert orthoplex_bound(6, 3) == 0
    assert orthoplex_bound(7, 3) == pytest.approx(1 / 3**0.5)


def test_the_cap_bound_of_known_counts():
    assert cap_bound(16) == pytest.approx(2 * (15 / 16) ** 2 - 1)
    assert cap_bound(2) == 0  # negative: no bound


def test_the_coherence_bound_is_the_best_that_applies():
    assert coherence_bound(5, 3) == welch_bound(5, 3) > cap_bound(5)
    assert coherence_bound(7, 3) == orthoplex_bound(7, 3) > max(welch_bound(7, 3), cap_bound(7))
    assert coherence_bound(16, 3) == cap_bound(16) > orthoplex_bound(16, 3)
    assert coherence_bound(16, 9) == welch_bound(16, 9)
    assert coherence_bound(1000, 9) == orthoplex_bound(1000, 9)  # no caps outside three dimensions
    assert coherence_bound(3, 9) == 0
    assert np.isnan(coherence_bound(1, 3))


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
@pytest.mark.parametrize("filters", [2, 3, 4, 7, 30])
def test_no_random_kernels_beat_the_coherence_bound(rng, filters, dimension):
    bound = coherence_bound(filters, dimension)
    for _ in range(200):
        cosine = measure(rng.standard_normal((filters, dimension)), "nonzero_scale", 0.95).max_cosine
        assert cosine >= bound - 1e-12


def test_counts_below_1_are_refused(rng):
    with pytest.raises(ValueError, match="filters: 0"):
        isotropic_nearest_mean(0, 3, "nonzero_scale")
    with pytest.raises(ValueError, match="dimension: 0"):
        isotropic_cosine_cdf(0.5, 0, "nonzero_scale")
    with pytest.raises(ValueError, match="draws: 0"):
        redrawn_null(4, 3, "nonzero_scale", "he_uniform", 0, rng)


def test_an_unknown_equivalence_is_refused_by_every_null(rng):
    for null in (
        lambda: isotropic_cosine_cdf(0.5, 3, "scale"),
        lambda: isotropic_nearest_cdf(0.5, 4, 3, "scale"),
        lambda: isotropic_nearest_mean(4, 3, "scale"),
        lambda: isotropic_pair_fraction([0.5], 3, "scale"),
        lambda: redrawn_null(4, 3, "scale", "he_uniform", 10, rng),
        lambda: redrawn_pair_fractions(4, 3, "scale", "he_uniform", [0.5], 10, rng),
    ):
        with pytest.raises(ValueError, match=r"'scale'; allowed: nonzero_scale, positive_scale"):
            null()
