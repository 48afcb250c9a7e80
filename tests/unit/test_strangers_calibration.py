"""How often the comparison with strangers is right, by simulation: coverage, false positives, power.

Bounds are those that were asked for, widened by two and a half standard errors of the number of draws.
"""

from __future__ import annotations

import numpy as np
import pytest
from stranger_draws import DENSITIES, FILTERS, attracting, networks_of, repelling

from filtertwins.measures.exchange import exchange_test
from filtertwins.measures.strangers import (
    KEPT,
    compare_with_strangers,
    neighbourhoods,
    ratio_curve,
)

pytestmark = pytest.mark.slow

DRAWS = 2_000
POWER_DRAWS = 500


@pytest.fixture
def rng():
    return np.random.default_rng(150)


def pairs_of(networks, kept=0.05):
    """By default only pairs near the primary threshold, which takes a third of the time."""
    return neighbourhoods(networks, "positive_scale", kept)


def curve_of(networks, rng):
    return ratio_curve(pairs_of(networks, KEPT), rng, draws=500)


def margin(rate, draws):
    return 2.5 * np.sqrt(rate * (1 - rate) / draws)


def true_comparison(density, rng):
    """W and B of a density where 1 % of strangers are close, from some 100 sets of 20 networks: (W, B)."""
    if density != "own covariance":
        return 0.01, 0.01
    found = [compare_with_strangers(pairs_of(networks_of(density, 20, rng))) for _ in range(100)]
    threshold = np.mean([one.threshold for one in found])
    shares = []
    for _ in range(100):
        units = np.array(networks_of(density, 20, rng))
        close = np.einsum("sid,tjd->stij", units, units) >= threshold
        own = close[np.arange(20), np.arange(20)].sum() - 20 * FILTERS
        shares.append((own / (20 * FILTERS * (FILTERS - 1)), close[~np.eye(20, dtype=bool)].mean()))
    within, between = np.mean(shares, axis=0)
    return 0.01 * within / between, 0.01


@pytest.mark.parametrize("count", [6, 10])
@pytest.mark.parametrize("density", DENSITIES)
def test_intervals_cover_93_to_97_percent(rng, density, count):
    within, between = true_comparison(density, rng)
    draws = [compare_with_strangers(pairs_of(networks_of(density, count, rng))) for _ in range(DRAWS)]
    ratios = np.mean([draw.ratio_low <= within / between <= draw.ratio_high for draw in draws])
    differences = np.mean([draw.difference_low <= within - between <= draw.difference_high for draw in draws])
    print(f"{density}, {count} networks: ratios {ratios:.4f}, differences {differences:.4f}")
    for covered in (ratios, differences):
        assert 0.93 - margin(0.93, DRAWS) <= covered <= 0.97 + margin(0.97, DRAWS)


@pytest.mark.parametrize("count", [6, 10])
@pytest.mark.parametrize("density", ["smooth", "uniform"])
def test_the_band_leaves_1_out_in_3_5_to_6_5_percent(rng, density, count):
    draws = [curve_of(networks_of(density, count, rng), rng) for _ in range(DRAWS)]
    wrong = np.mean([np.nanmin(draw.band_high) < 1 or np.nanmax(draw.band_low) > 1 for draw in draws])
    print(f"{density}, {count} networks: {wrong:.4f}")
    assert 0.035 - margin(0.035, DRAWS) <= wrong <= 0.065 + margin(0.065, DRAWS)


@pytest.mark.parametrize("density", ["smooth", "uniform"])
def test_the_exchange_test_rejects_independent_filters_in_3_5_to_6_5_percent(rng, density):
    p_values = []
    for _ in range(DRAWS):
        networks = networks_of(density, 10, rng)
        threshold = compare_with_strangers(pairs_of(networks)).threshold
        p_values.append(exchange_test(networks, "positive_scale", threshold, rng))
    rejected = np.mean(np.array(p_values) <= 0.05, axis=0)
    print(f"{density}: {rejected}")
    assert (rejected >= 0.035 - margin(0.035, DRAWS)).all()
    assert (rejected <= 0.065 + margin(0.065, DRAWS)).all()


# Power. A third fewer or more close pairs, ten networks of 32 filters.


@pytest.fixture(scope="module")
def thresholds():
    """The similarities that 5 and 1 % of smooth strangers exceed."""
    pairs = pairs_of(networks_of("smooth", 100, np.random.default_rng(1)), KEPT)
    return [compare_with_strangers(pairs, share).threshold for share in (0.05, 0.01)]


def mean_ratio(curves, share=0.01):
    return np.mean([curve.points[curve.shares.index(share)].ratio for curve in curves])


def test_a_third_fewer_of_the_closest_1_percent_needs_twenty_networks(rng, thresholds):
    """Ten networks have 50 close pairs: no test that counts them finds a third fewer in more than some 80 %."""
    ratios, by_interval, by_exchange = [], {10: [], 20: []}, []
    for _ in range(POWER_DRAWS):
        for count, found in by_interval.items():
            networks = [repelling(rng, thresholds[1], 0.65) for _ in range(count)]
            one = compare_with_strangers(pairs_of(networks))
            found.append(one.ratio_high < 1)
            ratios.append(one.ratio)
            if count == 10:
                by_exchange.append(exchange_test(networks, "positive_scale", one.threshold, rng)[1] <= 0.05)
    print(f"intervals {np.mean(by_interval[10])}, {np.mean(by_interval[20])}, exchange {np.mean(by_exchange)}")
    assert np.mean(ratios) == pytest.approx(2 / 3, abs=0.03)
    assert np.mean(by_interval[10]) >= 0.4
    assert np.mean(by_interval[20]) >= 0.8
    assert np.mean(by_exchange) >= 0.65


def test_a_third_fewer_of_the_closest_5_percent_is_found_by_the_band(rng, thresholds):
    draws = [[repelling(rng, thresholds[0], 0.61) for _ in range(10)] for _ in range(POWER_DRAWS)]
    curves = [curve_of(networks, rng) for networks in draws]
    assert mean_ratio(curves) == pytest.approx(2 / 3, abs=0.03)
    found = np.mean([np.nanmin(curve.band_high) < 1 for curve in curves])
    print(f"band {found:.3f}")
    assert found >= 0.8


def test_a_third_more_close_pairs_are_found_by_the_band(rng):
    draws = [[attracting(rng, 1.6) for _ in range(10)] for _ in range(POWER_DRAWS)]
    curves = [curve_of(networks, rng) for networks in draws]
    assert mean_ratio(curves) == pytest.approx(4 / 3, abs=0.03)
    found = np.mean([np.nanmax(curve.band_low) > 1 for curve in curves])
    print(f"band {found:.3f}")
    assert found >= 0.8


def test_half_as_many_and_two_thirds_more_are_found_at_the_primary_threshold(rng, thresholds):
    apart = [
        compare_with_strangers(pairs_of([repelling(rng, thresholds[1], 0.47) for _ in range(10)]))
        for _ in range(POWER_DRAWS)
    ]
    together = [compare_with_strangers(pairs_of([attracting(rng, 3.3) for _ in range(10)])) for _ in range(POWER_DRAWS)]
    print(np.mean([draw.ratio for draw in apart]), np.mean([draw.ratio for draw in together]))
    print(np.mean([draw.ratio_high < 1 for draw in apart]), np.mean([draw.ratio_low > 1 for draw in together]))
    assert np.mean([draw.ratio_high < 1 for draw in apart]) >= 0.8
    assert np.mean([draw.ratio_low > 1 for draw in together]) >= 0.8
