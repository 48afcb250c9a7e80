"""Housemates beside strangers: the estimator is calibrated, finds what is planted, and says when it can't tell."""

from __future__ import annotations

import numpy as np
import pytest

from filtertwins.measures.redundancy import directions
from filtertwins.measures.strangers import compare_with_strangers, exchange_test, neighbourhoods, primary_threshold
from filtertwins.tables.strangers import stranger_rows

FILTERS = 32
TAU = 0.9


@pytest.fixture
def rng():
    return np.random.default_rng(15)


def smooth(rng, filters, dimension=25):
    """Filters that favour smooth directions, as trained ones do."""
    places = np.arange(round(dimension**0.5))
    along = np.exp(-((places[:, None] - places) ** 2) / 2)
    root = np.linalg.cholesky(np.kron(along, along) + 1e-9 * np.eye(len(places) ** 2))
    return rng.standard_normal((filters, dimension)) @ root.T


DENSITIES = {
    "smooth": smooth,
    "low rank": lambda rng, filters: rng.standard_normal((filters, 4)) @ np.random.default_rng(0).normal(size=(4, 25)),
    "heavy tails": lambda rng, filters: smooth(rng, filters) * rng.standard_t(3, size=(filters, 25)),
    "Glorot uniform": lambda rng, filters: rng.uniform(-1, 1, (filters, 25)),
}


def networks_of(rng, density, count):
    return [directions(DENSITIES[density](rng, FILTERS)) for _ in range(count)]


def compared(networks):
    pairs = neighbourhoods(networks, "positive_scale")
    return compare_with_strangers(pairs, primary_threshold(pairs))


def test_shares_ratio_and_jackknife_are_those_of_the_definition(rng):
    networks = [directions(rng.standard_normal((filters, 3))) for filters in (4, 5, 6)]
    close = [[(np.abs(a @ b.T) >= TAU) for b in networks] for a in networks]
    within = [own[s][np.triu_indices(len(networks[s]), 1)].mean() for s, own in enumerate(close)]
    between = np.array([[block.mean() for block in row] for row in close])

    def both(kept):
        return np.mean([within[s] for s in kept]), np.mean([between[s, t] for s in kept for t in kept if s < t])

    found = compare_with_strangers(neighbourhoods(networks, "nonzero_scale"), TAU)
    w, b = both([0, 1, 2])
    assert (found.within, found.between, found.difference) == pytest.approx((w, b, w - b))
    assert found.ratio == pytest.approx(w / b)
    assert found.n == 3
    without = np.array([np.subtract(*both(kept)) for kept in ([1, 2], [0, 2], [0, 1])])
    error = np.sqrt(2 / 3 * np.sum((without - without.mean()) ** 2))
    assert found.difference_high - found.difference_low == pytest.approx(2 * 4.302653 * error)


def test_one_percent_of_strangers_exceed_the_primary_threshold(rng):
    pairs = neighbourhoods(networks_of(rng, "smooth", 6), "positive_scale")
    assert compare_with_strangers(pairs, primary_threshold(pairs)).between == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("count", [6, 10])
@pytest.mark.parametrize("density", DENSITIES)
def test_intervals_cover_independent_filters_at_their_level(rng, density, count):
    draws = [compared(networks_of(rng, density, count)) for _ in range(200)]
    ratios = np.mean([draw.ratio_low <= 1 <= draw.ratio_high for draw in draws])
    differences = np.mean([draw.difference_low <= 0 <= draw.difference_high for draw in draws])
    assert 0.91 <= ratios <= 0.99  # 0.95 give or take two and a half standard errors of 200 draws
    assert 0.91 <= differences <= 0.99


def repelling(rng, threshold, kept):
    """Smooth filters, where a close neighbour of an earlier one is kept with this probability only."""
    chosen: list[np.ndarray] = []
    while len(chosen) < FILTERS:
        unit = directions(smooth(rng, 1))[0]
        close = sum(unit @ other >= threshold for other in chosen)
        if rng.random() < kept**close:
            chosen.append(unit)
    return np.array(chosen)


def attracting(rng, added):
    """Smooth filters, some of which are replaced by a near copy of another one."""
    units = directions(smooth(rng, FILTERS))
    for place in rng.choice(FILTERS - 1, added, replace=False):
        units[place] = directions(units[place + 1 : place + 2] + 0.03 * smooth(rng, 1))[0]
    return units


def test_planted_repulsion_and_attraction_are_found(rng):
    threshold = primary_threshold(neighbourhoods(networks_of(rng, "smooth", 10), "positive_scale"))
    apart = [compared([repelling(rng, threshold, 0.5) for _ in range(10)]) for _ in range(25)]
    together = [compared([attracting(rng, 4) for _ in range(10)]) for _ in range(25)]
    assert np.mean([draw.ratio_high < 1 for draw in apart]) >= 0.8
    assert np.mean([draw.ratio_low > 1 for draw in together]) >= 0.8
    assert np.median([draw.ratio for draw in apart]) < 0.7


def test_the_exchange_test_is_exact_for_independent_filters_and_finds_copies(rng):
    alike = [exchange_test(networks_of(rng, "Glorot uniform", 4), "positive_scale", 0.45, rng, 99) for _ in range(100)]
    assert np.mean([attraction <= 0.05 for attraction, _ in alike]) <= 0.12
    copies = [np.vstack([own[:-2], own[:2] + 1e-3]) for own in networks_of(rng, "Glorot uniform", 4)]
    assert exchange_test([directions(own) for own in copies], "positive_scale", 0.95, rng, 99)[0] == 0.01


def test_few_networks_and_few_pairs_are_said(rng):
    two = compared(networks_of(rng, "smooth", 2))
    assert np.isnan([two.ratio_low, two.difference_high]).all()
    one = compared(networks_of(rng, "smooth", 1))
    assert np.isnan([one.within, one.ratio]).all()
    assert not one.estimable
    few = compared([directions(rng.standard_normal((4, 25))) for _ in range(3)])
    assert not few.estimable  # 18 pairs within networks, of which 0.18 are expected to be close
    assert compared(networks_of(rng, "smooth", 3)).estimable


def test_tables_have_a_row_a_condition_and_stage_whatever_the_chunks(make_chunk, rng):
    kernels = rng.standard_normal((6, 3, 1, 8)).astype(np.float32)
    initial = rng.standard_normal((6, 3, 1, 8)).astype(np.float32)
    together = make_chunk(kernels, initial=initial)
    apart = [make_chunk(kernels[part], initial=initial[part], seeds=range(6)[part]) for part in (slice(3), slice(3, 6))]
    rows, split = stranger_rows([together], 0.95), stranger_rows(apart, 0.95)
    assert [row["stage"] for row in rows] == ["initial", "trained"]
    assert [row["ratio"] for row in rows] == [row["ratio"] for row in split]
    assert rows[1]["n"] == 6
    assert 0 <= rows[1]["strangers_redundant_share"] <= 1
    single = make_chunk(rng.standard_normal((2, 3, 1, 1)).astype(np.float32))
    assert stranger_rows([single], 0.95) == []
