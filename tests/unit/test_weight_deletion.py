"""Optimal Brain Damage weight by weight: what is deleted, what that should cost, and what it does."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import draw, draw_images, flat

from filtertwins.networks.forward import ACTIVATIONS, cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.criteria import saliencies
from filtertwins.pruning.hessian import hessian_diagonal
from filtertwins.pruning.weights import RANKINGS, delete_weights, masked

CLASSES = 4
SHARES = [0.0, 0.1, 0.5, 0.95]


@pytest.fixture
def tried():
    """Images and labels."""
    return draw_images(np.random.default_rng(12), 20, CLASSES)


@pytest.fixture
def network():
    return draw(np.random.default_rng(13), 3, CLASSES)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_smallest_go_and_the_increase_is_that_of_the_network_without_them(tried, network, activation):
    deletions = delete_weights(network, *tried, activation, SHARES)
    assert [(d.ranking, d.share) for d in deletions] == [(ranking, share) for ranking in RANKINGS for share in SHARES]
    exact = flat(saliencies(network, hessian_diagonal(network, *tried, activation)))
    ranks = {"obd": exact, "magnitude": np.abs(flat(network))}
    loss = cross_entropies(logits(network, tried[0], activation)[0], tried[1]).mean()
    for deletion in deletions:
        keep, values = flat(deletion.kept), ranks[deletion.ranking]
        assert keep.dtype == bool
        assert [p.shape for p in vars(deletion.kept).values()] == [p.shape for p in vars(network).values()]
        assert deletion.deleted == np.count_nonzero(~keep) == round(deletion.share * network.count)
        assert not deletion.deleted or values[~keep].max() <= values[keep].min()
        assert deletion.predicted_increase == pytest.approx(exact[~keep].sum(), rel=1e-12)
        smaller = masked(network, deletion.kept)
        assert flat(smaller).dtype == np.float32
        assert (flat(smaller) == np.where(keep, flat(network), 0)).all()
        without = cross_entropies(logits(smaller, tried[0], activation)[0], tried[1]).mean()
        assert deletion.loss == pytest.approx(loss, rel=1e-12)
        assert deletion.actual_increase == pytest.approx(without - loss, abs=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("part", ["kernels", "biases", "head", "head_bias"])
def test_at_a_minimum_the_prediction_for_one_weight_comes_true(tried, network, activation, part):
    """Labels as often as the network expects them for two images: its loss is then at a minimum by every weight."""
    weights = {name: np.copysign(0.1 + np.abs(own) / 3, own) for name, own in vars(network).items()}
    weights[part].flat[2] = 0.02  # the smallest
    network = Parameters(**weights)
    chances = np.exp(logits(network, tried[0][:2], activation)[0])
    counts = np.round(4000 * chances / chances.sum(axis=1, keepdims=True)).astype(int)  # (image, class)
    labels = np.concatenate([np.repeat(np.arange(CLASSES, dtype=np.uint8), own) for own in counts])
    repeated = np.repeat(tried[0][:2], counts.sum(axis=1), axis=0)
    deletion = delete_weights(network, repeated, labels, activation, [1 / network.count])[1]
    assert deletion.deleted == 1
    assert not getattr(deletion.kept, part).flat[2]
    assert deletion.actual_increase == pytest.approx(deletion.predicted_increase, rel=0.1)


@pytest.mark.parametrize("activation", ["linear", "tanh"])  # ReLU has kinks, at which nothing is of second order.
def test_gradient_and_quadratic_term_are_the_losss_own_along_the_deletion(tried, network, activation):
    """Of a single weight the quadratic term is the diagonal's; of several it has their cross terms too."""

    def loss(deletion, factor):
        pairs = zip(vars(network).values(), vars(deletion.kept).values(), strict=True)
        scaled = Parameters(*(np.where(keep, 1, factor) * own.astype(float) for own, keep in pairs))
        return cross_entropies(logits(scaled, tried[0], activation)[0], tried[1]).mean()

    one, several = delete_weights(network, *tried, activation, [1 / network.count, 0.6])[:2]
    assert one.quadratic_increase == pytest.approx(one.predicted_increase, rel=0.01)
    assert several.quadratic_increase != pytest.approx(several.predicted_increase, rel=0.05)
    steps = np.linspace(-0.02, 0.02, 9)
    along = np.polynomial.Polynomial.fit(steps, [loss(several, 1 - step) for step in steps], 4).convert()
    assert several.gradient_increase == pytest.approx(along.coef[1], rel=1e-3)
    assert several.quadratic_increase == pytest.approx(along.coef[2], rel=1e-3)
