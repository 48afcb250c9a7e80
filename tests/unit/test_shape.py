"""One network alone: the scatter of its directions, when it can be told, and what is beyond it.

How often independent filters are rejected is measured in ``test_shape_calibration.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from stranger_draws import rejections, smooth_root

from filtertwins.measures.redundancy import count_pairs, directions, similarities_among
from filtertwins.measures.shape import fit_shape, rare_similarity, shape_draws, shape_test


@pytest.fixture
def rng():
    return np.random.default_rng(33)


def test_the_scatter_solves_tylers_equation_whatever_the_lengths(rng):
    vectors = rng.standard_normal((40, 6)) @ np.diag([3, 2, 1, 1, 0.5, 0.3]) * rng.standard_cauchy((40, 1))
    units = directions(vectors)
    scatter = np.eye(6)
    for _ in range(2_000):  # Tyler's iteration, as he gives it
        lengths = np.einsum("ni,ij,nj->n", units, np.linalg.inv(scatter), units)
        scatter = 6 / 40 * np.einsum("n,ni,nj->ij", 1 / lengths, units, units)
    shape = fit_shape(units, "positive_scale")
    assert shape.form == "full"
    expected = np.linalg.eigvalsh(scatter / np.trace(scatter) * 6)
    np.testing.assert_allclose(np.sort(shape.eigenvalues), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["a pruned channel", "mirror images"])
def test_filters_that_lie_in_a_subspace_have_its_dimension(rng, kind):
    own = directions(rng.standard_normal((32, 6)) @ np.diag([3, 2, 1, 1, 0.5, 0.3]))
    axes = np.eye(9)[:6]
    if kind == "mirror images":  # The third row of three is the first one.
        axes[:3, 6:] = axes[:3, :3]
        axes[:3] /= np.sqrt(2)
    shape = fit_shape(own @ axes, "positive_scale")
    np.testing.assert_allclose(shape.eigenvalues, fit_shape(own, "positive_scale").eigenvalues, rtol=1e-4)
    assert shape_test(own @ axes, "positive_scale", rng, draws=99).form == "full"
    assert fit_shape(own[:7] @ axes, "positive_scale").form == "undecidable"


def test_too_few_filters_are_undecidable(rng):
    assert fit_shape(directions(rng.standard_normal((32, 25))), "positive_scale").form == "undecidable"
    assert fit_shape(directions(rng.standard_normal((33, 25))), "positive_scale").form == "full"
    test = shape_test(directions(rng.standard_normal((5, 25))), "positive_scale", rng)
    assert test.form == "undecidable"
    assert np.isnan([test.pairs_p_value, test.maximum_p_value, test.expected_pairs]).all()
    assert test.maximum > 0
    assert np.isnan(shape_test(directions(rng.standard_normal((1, 25))), "positive_scale", rng).maximum)


def test_copies_count_once_for_the_scatter(rng):
    units = directions(rng.standard_normal((20, 4)))
    copied = np.concatenate([units, np.repeat(units[:1], 40, axis=0)])  # Tyler's estimate of these does not exist.
    np.testing.assert_array_equal(
        fit_shape(copied, "positive_scale").eigenvalues, fit_shape(units, "positive_scale").eigenvalues
    )
    mirrored = np.concatenate([units, -units])
    np.testing.assert_array_equal(
        fit_shape(mirrored, "nonzero_scale").eigenvalues, fit_shape(units, "nonzero_scale").eigenvalues
    )
    assert shape_test(copied, "positive_scale", rng, draws=199).pairs_p_value == 1 / 200


def test_draws_have_the_shape_and_do_not_depend_on_how_they_are_batched(rng):
    units = directions(rng.standard_normal((400, 5)) @ np.diag([3, 2, 1, 1, 0.5]))
    shape = fit_shape(units, "nonzero_scale")
    drawn = np.concatenate(list(shape_draws(shape, 400, 60, rng)))
    assert drawn.shape == (60, 400, 5)
    again = fit_shape(drawn.reshape(-1, 5)[:2_000], "nonzero_scale")
    np.testing.assert_allclose(np.sort(again.eigenvalues), np.sort(shape.eigenvalues), rtol=0.15)


@pytest.mark.parametrize("equivalence", ["positive_scale", "nonzero_scale"])
def test_few_pairs_reach_the_rare_similarity(rng, equivalence):
    shape = fit_shape(directions(rng.standard_normal((60, 9))), equivalence)
    rare = rare_similarity(shape, 30, equivalence, rng, 2_000)
    units = next(shape_draws(shape, 30, 2_000, rng))
    pairs = [count_pairs(similarities_among(own, equivalence), [rare])[0] for own in units]
    assert np.mean(pairs) == pytest.approx(0.3, abs=0.05)
    assert np.mean(np.array(pairs) >= 2) <= 0.05
    test = shape_test(units[0], equivalence, rng, rare, draws=99)
    assert (test.threshold, test.pairs) == (rare, pairs[0])


def test_independent_smooth_filters_are_seldom_rejected(rng):
    rejected = rejections(rng, smooth_root(9), 32, sets=100)
    assert (rejected <= 0.12).all()


@pytest.mark.parametrize("dimension", [9, 25])
def test_three_twins_in_64_are_found_by_number_and_by_maximum(rng, dimension):
    found = rejections(rng, smooth_root(dimension), 64, sets=20, twins=3)
    assert (found >= 0.95).all()


def test_several_modes_are_rejected_although_no_filter_knows_another(rng):
    types = directions(rng.standard_normal((8, 9)))
    units = directions(types[rng.integers(0, 8, 64)] + 0.08 * rng.standard_normal((64, 9)))
    assert shape_test(units, "positive_scale", rng, draws=199).pairs_p_value <= 0.01
