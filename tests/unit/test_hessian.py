"""The diagonal of the Hessian, against finite differences of the loss; and the recursion of 1990, against itself."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from filtertwins.networks.forward import ACTIVATIONS, FIRST_DERIVATIVES, SECOND_DERIVATIVES, cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning import hessian
from filtertwins.pruning.hessian import hessian_diagonal, hessian_diagonal_1990

IMAGE, KERNEL, ROWS, COLUMNS, FILTERS, CLASSES, IMAGES = (6, 5), (3, 2), 4, 4, 3, 4, 8
POSITIONS = ROWS * COLUMNS
STEP = 1e-4


@pytest.fixture
def rng():
    return np.random.default_rng(9)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (IMAGES, *IMAGE), dtype=np.uint8)


@pytest.fixture
def labels(rng):
    return rng.integers(0, CLASSES, IMAGES).astype(np.uint8)


def draw(rng, filters=FILTERS, positions=POSITIONS):
    shapes = [(*KERNEL, filters), (filters,), (positions * filters, CLASSES), (CLASSES,)]
    return Parameters(*(rng.normal(0, 0.5, (1, *shape)).astype(np.float32) for shape in shapes))


def flat(network):
    return np.concatenate([part.ravel() for part in vars(network).values()]).astype(np.float64)


def shaped(weights, like):
    """Networks from rows of weights (network, weight)."""
    parts = list(vars(like).values())
    ends = np.cumsum([part.size for part in parts])[:-1]
    split = np.split(weights, ends, axis=1)
    return Parameters(*(own.reshape(-1, *part.shape[1:]) for own, part in zip(split, parts, strict=True)))


def loss(networks, images, labels, activation):
    return cross_entropies(logits(networks, images, activation), labels).mean(axis=1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_diagonal_is_that_of_finite_differences_for_every_weight(rng, images, labels, activation):
    network = draw(rng)
    if activation == "relu":  # nothing changes sides within a step
        patches = np.lib.stride_tricks.sliding_window_view(images / 255, KERNEL, axis=(1, 2))
        before = np.tensordot(patches, network.kernels[0].astype(float), axes=2) + network.biases[0]
        assert np.abs(before).min() > STEP
        assert (before > 0).any()
        assert (before < 0).any()
    weights = flat(network)
    steps = STEP * np.eye(len(weights))
    above, here, below = (
        loss(shaped(weights + shift, network), images, labels, activation) for shift in (steps, 0 * steps[:1], -steps)
    )
    expected = (above - 2 * here + below) / STEP**2
    curvature = hessian_diagonal(network, images, labels, activation)
    assert all(part.dtype == np.float64 for part in vars(curvature).values())
    assert [p.shape for p in vars(curvature).values()] == [p.shape for p in vars(network).values()]
    np.testing.assert_allclose(flat(curvature), expected, rtol=1e-5, atol=2e-7)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_recursion_of_1990_is_that_of_the_paper_unit_by_unit(rng, images, labels, activation):
    network = draw(rng)
    kernels, biases, head, head_bias = (part[0].astype(float) for part in vars(network).values())
    activate, slope, bend = (f[activation] for f in (ACTIVATIONS, FIRST_DERIVATIVES, SECOND_DERIVATIVES))
    sums = [np.zeros_like(part) for part in (kernels, biases, head, head_bias)]
    scores = logits(network, images, activation)[0]
    for image, label, own_scores in zip(images / 255, labels, scores, strict=True):
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
    found = hessian_diagonal_1990(network, images, labels, activation)
    for part, expected in zip(vars(found).values(), sums, strict=True):
        np.testing.assert_allclose(part[0], expected / IMAGES, rtol=2e-5, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_the_recursion_leaves_out_is_the_cross_terms(rng, labels, activation):
    """Without any they agree: dense weights always, kernels where a filter has one position and feeds one class."""
    images = rng.integers(0, 256, (IMAGES, *KERNEL), dtype=np.uint8)
    network = draw(rng, positions=1)
    exact, by_recursion = (f(network, images, labels, activation) for f in (hessian_diagonal, hessian_diagonal_1990))
    np.testing.assert_allclose(by_recursion.head, exact.head, rtol=1e-6)
    np.testing.assert_allclose(by_recursion.head_bias, exact.head_bias, rtol=1e-6)
    assert not np.allclose(by_recursion.kernels, exact.kernels, rtol=0.01)
    network.head[0] *= np.eye(FILTERS, CLASSES)
    exact, by_recursion = (f(network, images, labels, activation) for f in (hessian_diagonal, hessian_diagonal_1990))
    np.testing.assert_allclose(flat(by_recursion), flat(exact), rtol=1e-5, atol=1e-9)


def test_positions_that_see_and_do_the_same_curve_the_loss_by_their_number_squared(rng, labels):
    images = np.full((IMAGES, *IMAGE), 200, np.uint8)
    network = draw(rng, filters=1)
    network.head[0] = network.head[0, 0] * np.eye(1, CLASSES)
    exact, by_recursion = (f(network, images, labels, "linear") for f in (hessian_diagonal, hessian_diagonal_1990))
    np.testing.assert_allclose(exact.kernels, POSITIONS * by_recursion.kernels, rtol=1e-5)


@pytest.mark.parametrize("diagonal", [hessian_diagonal, hessian_diagonal_1990])
def test_memory_is_bounded_by_blocks_of_images_which_change_nothing(rng, images, labels, monkeypatch, diagonal):
    network = draw(rng)
    whole = diagonal(network, images, labels, "tanh")
    monkeypatch.setattr(hessian, "_BLOCK_ENTRIES", 3 * POSITIONS * FILTERS)
    blocks = list(hessian._blocks(network, images, labels, "tanh"))
    assert [len(block.maps) for block in blocks] == [3, 3, 2]
    np.testing.assert_allclose(flat(diagonal(network, images, labels, "tanh")), flat(whole), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_without_bends_no_second_derivative_is_negative(rng, images, labels, activation):
    assert flat(hessian_diagonal(draw(rng), images, labels, activation)).min() >= 0


@pytest.mark.parametrize("diagonal", [hessian_diagonal, hessian_diagonal_1990])
def test_a_filter_that_never_fires_has_no_curvature(rng, images, labels, diagonal):
    network = draw(rng)
    network.biases[0, 1] = -100
    curvature = diagonal(network, images, labels, "relu")
    assert not curvature.kernels[..., 1].any()
    assert not curvature.biases[..., 1].any()
    assert not curvature.head.reshape(POSITIONS, FILTERS, CLASSES)[:, 1].any()
