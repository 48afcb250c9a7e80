"""Intervals and tests against SciPy and hand-made numbers, and on no spread or no data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from filtertwins.measures.multiplicity import false_discovery_rate, holm
from filtertwins.measures.statistics import (
    rank_correlation,
    seed_interval,
    sign_flip_test,
)

# Intervals over seeds


@pytest.mark.parametrize("level", [0.95, 0.5])
def test_the_interval_over_seeds_is_students(rng, level):
    values = rng.exponential(size=12)
    interval = seed_interval(values, level=level)
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert (interval.estimate, interval.median) == pytest.approx((values.mean(), np.median(values)))
    assert interval.n == 12


@pytest.mark.parametrize(
    ("draw", "mean", "seeds", "coverage"),
    [
        ("standard_normal", 0.0, 5, 0.95),
        ("standard_normal", 0.0, 10, 0.95),
        ("exponential", 1.0, 5, 0.88),  # Few seeds show the rare large values, so that the mean looks too small.
        ("exponential", 1.0, 10, 0.90),
        ("lognormal", np.exp(0.5), 5, 0.82),
        ("lognormal", np.exp(0.5), 10, 0.84),
    ],
)
def test_the_interval_covers_as_often_as_is_said(rng, draw, mean, seeds, coverage):
    found = [seed_interval(getattr(rng, draw)(size=seeds)) for _ in range(4000)]
    covered = np.mean([own.low <= mean <= own.high for own in found])
    assert covered == pytest.approx(coverage, abs=0.02)  # Three standard errors of 4,000 draws are 0.017 at most.


@pytest.mark.parametrize("values", [[], [0.5], [np.nan, 0.5, np.nan], [np.nan]])
def test_fewer_than_two_values_have_no_interval(values):
    interval = seed_interval(values)
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.n == np.isfinite(values).sum()
    assert interval.estimate == 0.5 if interval.n else np.isnan(interval.estimate)


def test_missing_values_are_left_out_and_not_counted():
    with_missing = seed_interval([1.0, np.nan, 2.0, 4.0])
    assert with_missing == seed_interval([1.0, 2.0, 4.0])
    assert with_missing.n == 3


def test_equal_values_have_an_interval_of_no_width():
    interval = seed_interval([0.1] * 7)  # whose mean is not 0.1 to the last bit
    assert (interval.estimate, interval.low, interval.high, interval.n) == (0.1, 0.1, 0.1, 7)


def test_infinite_values_are_refused():
    with pytest.raises(ValueError, match=r"values: \[1.0, inf\]"):
        seed_interval([1.0, np.inf])


# Sign flips


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_too_few_pairs_give_no_p_value(rng, pairs):
    flipped = sign_flip_test([1.0] * pairs, [0.0] * pairs, rng)
    assert np.isnan(flipped.p_value)
    assert flipped.difference == 1 if pairs else np.isnan(flipped.difference)


def test_pairs_with_a_missing_value_are_left_out(rng):
    test = sign_flip_test([1.0, np.nan, 2.0, 3.0, 5.0], [1.1, 2.0, np.nan, 2.9, 5.1], rng)
    assert (test.n, test.difference) == (3, pytest.approx(-0.1 / 3))


def test_values_that_do_not_pair_are_refused(rng):
    with pytest.raises(ValueError, match="second: 2 values; first has 3"):
        sign_flip_test([1.0, 2.0, 3.0], [1.0, 2.0], rng)
    with pytest.raises(ValueError, match="first: "):
        sign_flip_test([1.0, 2.0, np.inf], [1.0, 2.0, np.inf], rng)


def test_the_sign_flip_test_is_exact_for_few_pairs(rng):
    null = np.zeros(3)
    assert sign_flip_test([1.0, 2.0, 3.0], null, rng).p_value == 1 / 8
    assert sign_flip_test([1.0, 2.0, -3.0], null, rng).p_value == 5 / 8  # sums 6 4 2 0 0, then -2 -4 -6
    assert sign_flip_test([3.0, 4.0, 5.0], [1.0, 3.0, 5.0], rng).difference == pytest.approx(1)


def test_the_sign_flip_test_is_sampled_for_many_pairs(rng):
    differences = rng.standard_normal(40) + 0.25
    test = sign_flip_test(differences, np.zeros(40), np.random.default_rng(1))
    assert test == sign_flip_test(differences, np.zeros(40), np.random.default_rng(1))
    assert test.p_value == pytest.approx(stats.ttest_1samp(differences, 0, alternative="greater").pvalue, abs=0.02)
    assert sign_flip_test(np.ones(40), np.zeros(40), rng).p_value == 1 / 10_000  # never 0


def test_the_sign_flip_test_is_calibrated(rng):
    p_values = [sign_flip_test(rng.standard_normal(8), np.zeros(8), rng).p_value for _ in range(1000)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.filterwarnings("error")
def test_no_differences_at_all_are_no_evidence(rng):
    test = sign_flip_test([0.9] * 4, [0.9] * 4, rng)
    assert (test.difference, test.p_value) == (0, 1)


# Rank correlation


def test_the_rank_correlation_is_spearmans():
    assert rank_correlation([0.1, 0.5, 0.6, 0.9], [0, 1e-9, 1, 1e3]) == pytest.approx(1)
    assert rank_correlation([0.1, 0.5, 0.6, 0.9], [1e3, 2, 1, -5]) == pytest.approx(-1)
    assert rank_correlation([0.1, 0.5, 0.6, 0.9], [1, 3, 2, 4]) == pytest.approx(0.8)  # 1 - 6·2/(4·15)
    tied, values = [1, 1, 2, 3], [4, 3, 2, 1]  # ranks 1.5 1.5 3 4
    assert rank_correlation(tied, values) == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], values)[0, 1])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("first", "second"),
    [([], []), ([1, 2], [1, 2]), ([1, 2, 3], [1, 2, np.nan]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])],
)
def test_an_undefined_rank_correlation_is_missing(first, second):
    assert np.isnan(rank_correlation(first, second))


# Many tests


def test_adjusted_p_values_by_hand():
    p_values = [0.01, 0.04, 0.03, 0.5]
    np.testing.assert_allclose(holm(p_values), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(false_discovery_rate(p_values), [0.04, 0.16 / 3, 0.16 / 3, 0.5])


@pytest.mark.parametrize("adjust", [holm, false_discovery_rate])
def test_missing_p_values_stay_missing_and_are_not_counted(adjust):
    adjusted = adjust([0.01, np.nan, 0.04])
    np.testing.assert_allclose(adjusted, [adjust([0.01, 0.04])[0], np.nan, adjust([0.01, 0.04])[1]])
    assert adjust([]).shape == (0,)
    assert np.isnan(adjust([np.nan, np.nan])).all()
