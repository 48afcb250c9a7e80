"""The diagonal of the Hessian, against finite differences of the loss; and the recursion of 1990, against itself."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import KERNEL, POSITIONS, by_filter, draw, draw_images, flat

from filtertwins.networks.forward import ACTIVATIONS, cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning import hessian
from filtertwins.pruning.hessian import hessian_diagonal

ROWS, COLUMNS, FILTERS, CLASSES, IMAGES = 4, 4, 3, 4, 8
STEP = 1e-4


@pytest.fixture
def tried(rng):
    """Images and labels."""
    return draw_images(rng, IMAGES, CLASSES)


@pytest.fixture
def network(rng):
    return draw(rng, FILTERS, CLASSES)


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
        before = np.einsum("ircdhw,hwdf->ircf", patches, network.kernels[0].astype(float)) + network.biases[0]
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


def test_memory_is_bounded_by_blocks_of_images_which_change_nothing(tried, network, monkeypatch):
    sizes = []

    def watched(maps):
        sizes.append(len(maps))
        return np.tanh(maps)

    monkeypatch.setitem(ACTIVATIONS, "tanh", watched)
    whole = hessian_diagonal(network, *tried, "tanh")
    monkeypatch.setattr(hessian, "_BLOCK_ENTRIES", 3 * POSITIONS * FILTERS)
    in_blocks = hessian_diagonal(network, *tried, "tanh")
    assert sizes == [IMAGES, 3, 3, 2]
    np.testing.assert_allclose(flat(in_blocks), flat(whole), rtol=1e-4, atol=1e-8)


def test_a_filter_that_never_fires_has_no_curvature(tried, network):
    network.biases[0, 1] = -100
    curvature = hessian_diagonal(network, *tried, "relu")
    assert not curvature.kernels[..., 1].any()
    assert not curvature.biases[..., 1].any()
    assert not by_filter(curvature)[:, 1].any()
