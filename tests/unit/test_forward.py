"""What a network computes, against the definitions of its layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_networks import ELEMENTS, IMAGE, POSITIONS, draw, draw_images

from filtertwins.networks import forward
from filtertwins.networks.forward import (
    ACTIVATIONS,
    FIRST_DERIVATIVES,
    SECOND_DERIVATIVES,
    constant_filters,
    cross_entropies,
    effective_weights,
    feature_maps,
    filter_shares,
    head_by_filter,
    logits,
)

CLASSES = 4


@pytest.fixture
def images(rng):
    return draw_images(rng, 30, CLASSES)[0]


def test_logits_are_those_of_a_network_written_out_by_hand(rng, images):
    network = draw(rng, 2, CLASSES, networks=2)
    for index in range(2):
        kernels, biases = network.kernels[index].astype(float), network.biases[index].astype(float)
        image = images[7] / 255
        maps = [
            max(0.0, np.sum(image[r : r + 3, c : c + 2] * kernels[..., f]) + biases[f])
            for r in range(4)
            for c in range(4)
            for f in range(2)
        ]
        expected = maps @ network.head[index].astype(float) + network.head_bias[index]
        np.testing.assert_allclose(logits(network, images, "relu")[index, 7], expected, rtol=1e-12)


def test_logits_do_not_depend_on_the_blocks_of_images(rng, images, monkeypatch):
    network = draw(rng, 3, CLASSES, networks=2)
    whole = logits(network, images, "tanh")
    assert whole.shape == (2, 30, CLASSES)
    assert whole.dtype == np.float64
    monkeypatch.setattr(forward, "_BLOCK_IMAGES", 7)
    np.testing.assert_allclose(logits(network, images, "tanh"), whole, rtol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_filters_shares_and_the_output_biases_add_up_to_the_logits(rng, images, activation, monkeypatch):
    of_an_image = math.prod(IMAGE) if activation == "linear" else POSITIONS * ELEMENTS
    monkeypatch.setattr(forward, "BLOCK_ENTRIES", 7 * of_an_image)
    network = draw(rng, 3, CLASSES)
    blocks = list(filter_shares(network, images, activation))
    assert [len(images[block]) for block, _ in blocks] == [7, 7, 7, 7, 2]
    shares = np.concatenate([shares for _, shares in blocks], axis=1)  # (filter, image, class)
    whole = logits(network, images, activation)[0]
    np.testing.assert_allclose(shares.sum(axis=0) + network.head_bias[0], whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("filters", [1, 4])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 1), (1, 3), (3, 2), (5, 5), IMAGE[:2]])
def test_without_an_activation_effective_weights_give_the_shares_of_feature_maps(rng, images, kernel, filters):
    network = draw(rng, filters, CLASSES, kernel=kernel)
    weights, constants = effective_weights(network, IMAGE)
    assert weights.shape == (math.prod(IMAGE), filters, CLASSES)
    assert np.abs(constants).min() > 0
    ((_, maps),) = feature_maps(network, images, "linear")
    expected = maps @ head_by_filter(network)
    shares = np.einsum("np,pfc->fnc", images.reshape(len(images), -1) / 255, weights) + constants[:, np.newaxis]
    np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_feature_maps_are_computed_as_precisely_as_asked(rng, images, activation):
    network = draw(rng, 3, CLASSES)
    ((_, exact),) = feature_maps(network, images, activation)
    ((_, rounded),) = feature_maps(network, images, activation, np.float32)
    assert (exact.dtype, rounded.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(rounded, exact, rtol=0, atol=1e-6)


def test_every_activation_has_its_derivatives_of_the_same_type():
    at = np.array([-2.0, -0.3, 0.4, 1.5])
    step = 1e-4
    for name, activate in ACTIVATIONS.items():
        above, here, below = (activate(at + shift) for shift in (step, 0.0, -step))
        np.testing.assert_allclose(FIRST_DERIVATIVES[name](at), (above - below) / (2 * step), atol=1e-7)
        np.testing.assert_allclose(SECOND_DERIVATIVES[name](at), (above - 2 * here + below) / step**2, atol=1e-6)
        for functions in (ACTIVATIONS, FIRST_DERIVATIVES, SECOND_DERIVATIVES):
            assert functions[name](np.ones(2, np.float32)).dtype == np.float32
    assert FIRST_DERIVATIVES["relu"](np.zeros(1)) == 0  # at its kink


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_constant_filters_answer_the_same_to_everything(rng, images, activation):
    network = draw(rng, 5, CLASSES)
    network.kernels[..., 1] = 0
    network.biases[0, 1] = 0.7
    network.biases[0, 3] = -1.001 * np.maximum(network.kernels[0, ..., 3], 0).sum()  # reached by no patch of [0, 1]
    network.biases[0, 4] = -0.1  # can be exceeded
    network.kernels[0, 0, 0, 0, 4] = 5
    constant = constant_filters(network, activation)
    assert constant.tolist() == [False, True, False, activation == "relu", False]
    maps = np.concatenate([maps for _, maps in feature_maps(network, images, activation)], axis=1)
    for place, same in enumerate(constant):
        if same:
            assert (maps[place] == ACTIVATIONS[activation](network.biases[0, place].astype(float))).all()
        else:
            assert np.ptp(maps[place]) > 0


def test_cross_entropies_are_those_of_the_definition(rng):
    scores, labels = rng.normal(size=(2, 3, CLASSES)), np.array([1, 0, 3])
    chances = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    expected = [[-np.log(chances[net, image, label]) for image, label in enumerate(labels)] for net in range(2)]
    np.testing.assert_allclose(cross_entropies(scores, labels), expected, rtol=1e-12)
