"""Housemates beside strangers: the definition, what it can't tell, and a first look at its calibration.

How often intervals cover and what they find is measured in ``test_strangers_calibration.py``.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from stranger_draws import networks_of

from filtertwins.measures.exchange import exchange_test
from filtertwins.measures.patches import patch_blocks
from filtertwins.measures.redundancy import directions
from filtertwins.measures.strangers import (
    CURVE_SHARES,
    FEWEST_EXPECTED_PAIRS,
    compare_with_strangers,
    neighbourhoods,
    ratio_curve,
)
from filtertwins.tables.strangers import stranger_tables


@pytest.fixture
def rng():
    return np.random.default_rng(15)


def compared(networks, share=0.01):
    return compare_with_strangers(neighbourhoods(networks, "positive_scale"), share)


def by_definition(networks, kept, share):
    """The threshold that a share of the kept networks' strangers exceed, and W and B as functions of a threshold."""
    blocks = [(networks[s] @ networks[t].T).ravel() for s in kept for t in kept if s < t]
    values, weights = (
        np.concatenate(blocks),
        np.concatenate([np.full(b.size, 1 / b.size / len(blocks)) for b in blocks]),
    )
    exceeding = np.array([weights[values > value].sum() for value in values])
    threshold = values[exceeding <= share + 1e-9].min()

    def within(tau):
        own = [networks[s] @ networks[s].T for s in kept]
        return np.mean([np.mean(x[np.triu_indices(len(x), 1)] >= tau) for x in own])

    return threshold, within, lambda tau: np.mean([np.mean(block >= tau) for block in blocks])


def test_filters_that_started_as_one_are_no_strangers(rng, make_chunk):
    (network,) = networks_of("smooth", 1, rng)
    pairs = neighbourhoods([network] * 4, "positive_scale", corresponding=True)
    assert compare_with_strangers(pairs, 0.1).ratio == pytest.approx(1)  # The pairs across are those within.
    assert compared([network] * 4, 0.1).ratio < 0.9
    kernels = np.stack([network.T.reshape(5, 5, -1)] * 4)
    dataset = SimpleNamespace(train_images=rng.integers(0, 256, (2, 9, 9, 1), dtype=np.uint8))
    rows = stranger_tables([make_chunk(kernels, activation="relu", model={"draw_seed": 0})], dataset).strangers
    assert rows[1]["ratio"] == pytest.approx(1)
    assert np.isnan(rows[1]["repulsion_p_value"])
    kernels[2, ..., 0] = 0  # Filters keep their partners where one of these is dead.
    rows = stranger_tables([make_chunk(kernels, activation="relu", model={"draw_seed": 0})], dataset).strangers
    assert rows[1]["ratio"] == pytest.approx(1)


def test_shares_ratio_and_jackknife_are_those_of_the_definition(rng):
    networks = [directions(rng.standard_normal((filters, 3))) for filters in (9, 12, 10, 11)]
    share, everyone = 0.1, range(4)
    threshold, within, between = by_definition(networks, everyone, share)
    found = compared(networks, share)
    w, b = within(threshold), between(threshold)
    assert (found.threshold, found.within, found.between) == pytest.approx((threshold, w, b))
    assert (found.difference, found.ratio, found.n) == pytest.approx((w - b, w / b, 4))
    assert found.expected_pairs == pytest.approx(b * (36 + 66 + 45 + 55))
    without = []
    for s in everyone:
        kept = [t for t in everyone if t != s]
        stayed = by_definition(networks, kept, share)[2](threshold) / b
        part = (1 - np.sqrt(2 / 6)) * np.log(stayed)  # The threshold moves by λ of its way, on the scale of log B.
        moved, own_within, own_between = by_definition(networks, kept, b * np.exp(part))
        without.append(np.log(own_within(moved)) - np.log(own_between(moved)) + part)
    error = np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert np.log(found.ratio_high / found.ratio) == pytest.approx(3.182446 * error)
    assert found.difference_low == pytest.approx(found.between * (found.ratio_low - 1))


def test_networks_count_alike_however_many_filters_are_live(rng):
    same = networks_of("smooth", 3, rng)
    doubled = [*same[:2], np.concatenate([same[2], same[2]])]  # Their strangers have the same similarities, twice.
    few, many = compared(same), compared(doubled)
    assert many.threshold == few.threshold
    assert many.between == pytest.approx(few.between)
    assert many.within > few.within


def test_one_percent_of_strangers_exceed_the_primary_threshold(rng):
    assert compared(networks_of("smooth", 6, rng)).between == pytest.approx(0.01, rel=0.01)


def test_equal_similarities_are_all_close_or_none(rng):
    signs = [rng.choice([-1.0, 1.0], (8, 1)) for _ in range(5)]  # In one dimension all lines are one.
    pairs = neighbourhoods(signs, "nonzero_scale")
    found = compare_with_strangers(pairs)
    assert ratio_curve(pairs, rng).band_high.tolist() == [1] * len(CURVE_SHARES)
    assert (found.within, found.between, found.ratio, found.ratio_low, found.ratio_high) == (1, 1, 1, 1, 1)


def test_a_curve_has_the_comparison_at_each_share_and_a_wider_band(rng):
    pairs = neighbourhoods(networks_of("smooth", 6, rng), "positive_scale")
    curve = ratio_curve(pairs, rng)
    assert curve.shares == CURVE_SHARES
    assert curve.points == tuple(compare_with_strangers(pairs, share) for share in CURVE_SHARES)
    low, high = (np.array([getattr(point, end) for point in curve.points]) for end in ("ratio_low", "ratio_high"))
    assert (curve.band_low < low).all()
    assert (curve.band_high > high).all()
    wider = np.log(curve.band_high / curve.band_low) / np.log(high / low)
    assert np.ptp(wider) < 1e-9  # One factor for all thresholds.
    assert 1.2 < wider[0] < 2.5


def test_a_curve_of_one_point_has_its_interval_as_band(rng):
    pairs = neighbourhoods(networks_of("smooth", 8, rng), "positive_scale")
    curve = ratio_curve(pairs, rng, [0.01], draws=40_000)
    assert np.log(curve.band_high) == pytest.approx(np.log([curve.points[0].ratio_high]), abs=0.02)


def test_a_curve_has_no_band_where_too_few_pairs_are_expected(rng):
    curve = ratio_curve(neighbourhoods(networks_of("smooth", 6, rng, filters=12), "positive_scale"), rng)
    expected = np.array([point.expected_pairs for point in curve.points])
    assert np.isnan(curve.band_low[expected < FEWEST_EXPECTED_PAIRS]).all()
    assert np.isfinite(curve.band_low[expected > 15]).all()
    nothing = ratio_curve(neighbourhoods(networks_of("smooth", 2, rng), "positive_scale"), rng)
    assert np.isnan(nothing.band_high).all()


def test_intervals_cover_independent_filters(rng):
    draws = [compared(networks_of("smooth", 6, rng)) for _ in range(300)]
    assert 0.92 <= np.mean([draw.ratio_low <= 1 <= draw.ratio_high for draw in draws]) <= 0.985


def test_the_exchange_test_is_exact_for_independent_filters_and_finds_copies(rng):
    alike = [exchange_test(networks_of("uniform", 4, rng), "positive_scale", 0.45, rng, 99) for _ in range(200)]
    assert 0.01 <= np.mean([attraction <= 0.05 for attraction, _ in alike]) <= 0.09
    copies = [np.vstack([own[:-2], own[:2] + 1e-3]) for own in networks_of("uniform", 4, rng)]
    assert exchange_test([directions(own) for own in copies], "positive_scale", 0.95, rng, 99)[0] == 0.01


def test_an_exchange_counts_each_networks_share_of_pairs():
    angles = [np.radians(own) for own in ([0, 1, 90], [0, 90], [45])]
    networks = [np.column_stack([np.cos(own), np.sin(own)]) for own in angles]
    close = [(0, 1), (0, 3), (1, 3), (2, 4)]  # at a cosine of .99
    shares = []
    for order in itertools.permutations([0, 0, 0, 1, 1, 2]):
        together = [order[i] for i, j in close if order[i] == order[j]]
        shares.append(together.count(0) / 3 + together.count(1))
    expected = np.mean(np.array(shares) >= 1 / 3 - 1e-9), np.mean(np.array(shares) <= 1 / 3 + 1e-9)
    found = exchange_test(networks, "positive_scale", 0.99, np.random.default_rng(0), 4_999)
    assert found == pytest.approx(expected, abs=0.02)


def test_few_networks_and_few_pairs_are_said(rng):
    two = compared(networks_of("smooth", 2, rng))
    assert np.isnan([two.ratio_low, two.difference_high]).all()
    assert two.ratio > 0
    one = compared(networks_of("smooth", 1, rng))
    assert np.isnan([one.within, one.ratio]).all()
    assert not one.estimable
    few = compared([directions(rng.standard_normal((4, 25))) for _ in range(3)])
    assert not few.estimable  # 18 pairs within networks, of which 0.18 are expected to be close
    assert compared(networks_of("smooth", 3, rng)).estimable
    single = compared([networks_of("smooth", 1, rng, filters=1)[0] for _ in range(4)])
    assert np.isnan(single.within)
    empty = compared([*networks_of("smooth", 3, rng), np.zeros((0, 25))])  # A network without a live filter.
    assert empty.estimable
    assert np.isfinite([empty.ratio, empty.ratio_low]).all()
    assert empty.n == 3
    assert np.isnan(compared([np.zeros((0, 25))] * 3).ratio)
    assert np.isnan(exchange_test(networks_of("smooth", 1, rng), "positive_scale", 0.9, rng)).all()
    assert np.isnan(exchange_test(networks_of("smooth", 2, rng), "positive_scale", np.nan, rng)).all()


@pytest.fixture
def dataset(rng):
    return SimpleNamespace(train_images=rng.integers(0, 256, (20, 28, 28, 1), dtype=np.uint8))


def test_tables_have_a_row_a_condition_and_stage_whatever_the_chunks(make_chunk, dataset, rng):
    kernels = rng.standard_normal((6, 3, 1, 8)).astype(np.float32)
    initial = rng.standard_normal((6, 3, 1, 8)).astype(np.float32)
    together = make_chunk(kernels, initial=initial)
    apart = [make_chunk(kernels[part], initial=initial[part], seeds=range(6)[part]) for part in (slice(3), slice(3, 6))]
    rows, split = (stranger_tables(chunks, dataset).strangers for chunks in ([together], apart))
    assert [row["stage"] for row in rows] == ["initial", "trained"]
    assert [row["ratio"] for row in rows] == [row["ratio"] for row in split]
    assert rows[1]["n"] == 6
    single = make_chunk(rng.standard_normal((2, 3, 1, 1)).astype(np.float32))
    assert stranger_tables([single], dataset).strangers == []


def test_g_by_responses_is_that_of_the_answers_with_their_biases(make_chunk, dataset, rng):
    kernels, biases = rng.standard_normal((4, 3, 1, 16)).astype(np.float32), rng.standard_normal((4, 16))
    chunk = make_chunk(kernels, biases, activation="relu")
    seen = np.hstack(list(patch_blocks(dataset.train_images, (3, 1)))) / 255  # (pixel, patch)
    weights = zip(kernels, chunk.parameters.biases, strict=True)
    found = compared([directions(own.reshape(3, 16).T @ seen + bias[:, np.newaxis]) for own, bias in weights])
    row = stranger_tables([chunk], dataset).strangers[1]
    assert row["response_threshold"] == pytest.approx(found.threshold)
    ratios = [row[f"response_{name}"] for name in ("ratio", "ratio_low", "ratio_high")]
    assert ratios == pytest.approx([found.ratio, found.ratio_low, found.ratio_high])


def test_the_table_by_threshold_has_the_curve_of_each_condition_and_stage(make_chunk, dataset, rng):
    chunk = make_chunk(rng.standard_normal((6, 3, 1, 16)).astype(np.float32))
    tables = stranger_tables([chunk], dataset)
    curves = pd.DataFrame(tables.strangers_by_threshold)
    assert list(curves.groupby("stage")["share"].apply(tuple)) == [CURVE_SHARES, CURVE_SHARES]
    primary = curves[(curves["share"] == 0.01) & (curves["stage"] == "trained")].iloc[0]
    found = tables.strangers[1]
    assert (primary["ratio"], primary["ratio_low"]) == (found["ratio"], found["ratio_low"])
    banded = curves[curves["estimable"] & curves["ratio_low"].notna()]
    assert len(banded) > 4
    assert (banded["band_low"] < banded["ratio_low"]).all()
    again = pd.DataFrame(stranger_tables([chunk], dataset).strangers_by_threshold)
    pd.testing.assert_frame_equal(curves, again)
