"""The diagonal of the Hessian, against finite differences of the loss; and the recursion of 1990, against itself."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_networks import KERNEL, POSITIONS, by_filter, draw, draw_images, flat

from filtertwins.networks.forward import ACTIVATIONS, FIRST_DERIVATIVES, SECOND_DERIVATIVES, cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning import hessian
from filtertwins.pruning.hessian import hessian_diagonal, hessian_diagonal_1990

ROWS, COLUMNS, FILTERS, CLASSES, IMAGES = 4, 4, 3, 4, 8
STEP = 1e-4


@pytest.fixture
def tried(rng):
    """Images and labels."""
    return draw_images(rng, IMAGES, CLASSES)


@pytest.fixture
def network(rng):
    return draw(rng, FILTERS, CLASSES)


def both(network, *tried):
    """The exact diagonal and that of 1990."""
    return (diagonal(network, *tried) for diagonal in (hessian_diagonal, hessian_diagonal_1990))


def shaped(weights, like):
    """Networks from rows of weights (network, weight)."""
    parts = list(vars(like).values())
    ends = np.cumsum([part.size for part in parts])[:-1]
    split = np.split(weights, ends, axis=1)
    return Parameters(*(own.reshape(-1, *part.shape[1:]) for own, part in zip(split, parts, strict=True)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_diagonal_is_that_of_finite_differences_for_every_weight(tried, network, activation):
    images, labels = tried
    if activation == "relu":  # nothing changes sides within a step, and there is something on either side
        patches = np.lib.stride_tricks.sliding_window_view(images / 255, KERNEL, axis=(1, 2))
        before = np.tensordot(patches, network.kernels[0].astype(float), axes=2) + network.biases[0]
        assert np.abs(before).min() > STEP
        assert before.min() < 0 < before.max()
    weights = flat(network).astype(float)
    steps = STEP * np.eye(len(weights))
    above, here, below = (
        cross_entropies(logits(shaped(weights + shift, network), images, activation), labels).mean(axis=1)
        for shift in (steps, 0 * steps[:1], -steps)
    )
    expected = (above - 2 * here + below) / STEP**2
    curvature = hessian_diagonal(network, images, labels, activation)
    assert all(part.dtype == np.float64 for part in vars(curvature).values())
    assert [p.shape for p in vars(curvature).values()] == [p.shape for p in vars(network).values()]
    np.testing.assert_allclose(flat(curvature), expected, rtol=1e-5, atol=2e-7)
    assert np.abs(expected).max() > 0.1
    assert activation == "tanh" or flat(curvature).min() >= 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_recursion_of_1990_is_that_of_the_paper_unit_by_unit(tried, network, activation):
    kernels, biases, head, head_bias = (part[0].astype(float) for part in vars(network).values())
    activate, slope, bend = (f[activation] for f in (ACTIVATIONS, FIRST_DERIVATIVES, SECOND_DERIVATIVES))
    sums = [np.zeros_like(part) for part in (kernels, biases, head, head_bias)]
    scores = logits(network, tried[0], activation)[0]
    for image, label, own_scores in zip(tried[0] / 255, tried[1], scores, strict=True):
        chances = np.exp(own_scores) / np.exp(own_scores).sum()
        outputs = chances * (1 - chances)
        sums[3] += outputs
        for unit, (row, column, filter_) in enumerate(product(range(ROWS), range(COLUMNS), range(FILTERS))):
            patch = image[row : row + KERNEL[0], column : column + KERNEL[1]]
            before = np.array(np.sum(patch * kernels[..., filter_]) + biases[filter_])
            sums[2][unit] += activate(before) ** 2 * outputs
            curvature = slope(before) ** 2 * (head[unit] ** 2 @ outputs)
            curvature += bend(before) * (head[unit] @ (chances - np.eye(CLASSES)[label]))
            sums[0][..., filter_] += patch**2 * curvature
            sums[1][filter_] += curvature
    found = hessian_diagonal_1990(network, *tried, activation)
    for part, expected in zip(vars(found).values(), sums, strict=True):
        np.testing.assert_allclose(part[0], expected / IMAGES, rtol=2e-5, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_the_recursion_leaves_out_is_the_cross_terms(rng, activation):
    """Without any they agree: dense weights always, kernels where a filter has one position and feeds one class."""
    tried, network = draw_images(rng, IMAGES, CLASSES, size=KERNEL), draw(rng, FILTERS, CLASSES, image=KERNEL)
    exact, by_recursion = both(network, *tried, activation)
    np.testing.assert_allclose(by_recursion.head, exact.head, rtol=1e-6)
    np.testing.assert_allclose(by_recursion.head_bias, exact.head_bias, rtol=1e-6)
    assert not np.allclose(by_recursion.kernels, exact.kernels, rtol=0.01)
    network.head[0] *= np.eye(FILTERS, CLASSES)
    exact, by_recursion = both(network, *tried, activation)
    np.testing.assert_allclose(flat(by_recursion), flat(exact), rtol=1e-5, atol=1e-9)


def test_positions_that_see_and_do_the_same_curve_the_loss_by_their_number_squared(rng, tried):
    network = draw(rng, 1, CLASSES)
    network.head[0] = network.head[0, 0] * np.eye(1, CLASSES)
    exact, by_recursion = both(network, np.full_like(tried[0], 200), tried[1], "linear")
    np.testing.assert_allclose(exact.kernels, POSITIONS * by_recursion.kernels, rtol=1e-5)


@pytest.mark.parametrize("diagonal", [hessian_diagonal, hessian_diagonal_1990])
def test_memory_is_bounded_by_blocks_of_images_which_change_nothing(tried, network, monkeypatch, diagonal):
    sizes = []

    def watched(maps):
        sizes.append(len(maps))
        return np.tanh(maps)

    monkeypatch.setitem(ACTIVATIONS, "tanh", watched)
    whole = diagonal(network, *tried, "tanh")
    monkeypatch.setattr(hessian, "_BLOCK_ENTRIES", 3 * POSITIONS * FILTERS)
    in_blocks = diagonal(network, *tried, "tanh")
    assert sizes == [IMAGES, 3, 3, 2]
    np.testing.assert_allclose(flat(in_blocks), flat(whole), rtol=1e-4, atol=1e-8)


def test_a_filter_that_never_fires_has_no_curvature(tried, network):
    network.biases[0, 1] = -100
    for curvature in both(network, *tried, "relu"):
        assert not curvature.kernels[..., 1].any()
        assert not curvature.biases[..., 1].any()
        assert not by_filter(curvature)[:, 1].any()
