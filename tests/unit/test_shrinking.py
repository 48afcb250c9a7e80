"""Smaller networks: what is removed is gone, what is merged does the same where algebra promises it; and costs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from small_networks import (
    ACTIVATIONS,
    ELEMENTS,
    IMAGE,
    KERNEL,
    POSITIONS,
    TWINS,
    by_filter,
    draw,
    draw_images,
    plant_twin,
)

from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters, stacked
from filtertwins.pruning.cost import NetworkCost, network_cost
from filtertwins.pruning.shrinking import merge_by_cosine, prune, remove_filters

FILTERS, CLASSES = 6, 5


@pytest.fixture
def images(rng):
    return draw_images(rng, 40, CLASSES)[0]


@pytest.fixture
def network(rng):
    return draw(rng, FILTERS, CLASSES)


def equal(first, second):
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all((a == b).all() and a.dtype == b.dtype for a, b in pairs)


def copied(network):
    return Parameters(*(part.copy() for part in vars(network).values()))


def silenced(network, filters):
    """The same network with some filters' dense weights zero."""
    copy = copied(network)
    by_filter(copy)[:, filters] = 0
    return copy


def change(before, after, images, activation):
    return np.abs(logits(before, images, activation) - logits(after, images, activation)).max()


# Removal


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kept", [1, 3, FILTERS])
def test_a_pruned_network_answers_as_the_masked_one_and_is_smaller(rng, images, network, activation, kept):
    importance = rng.permutation(FILTERS).astype(float)
    pruned = prune(network, kept, activation, importance)
    shapes = [(1, *KERNEL, IMAGE[2], kept), (1, kept), (1, POSITIONS * kept, CLASSES), (1, CLASSES)]
    assert [part.shape for part in vars(pruned).values()] == shapes
    assert {part.dtype for part in vars(pruned).values()} == {np.dtype(np.float32)}
    gone = np.argsort(importance)[: FILTERS - kept]
    assert change(silenced(network, gone), pruned, images, activation) < 1e-12
    assert kept == FILTERS or change(network, pruned, images, activation) > 1e-3


def test_a_stack_loses_the_same_filters_in_each_network(rng):
    networks = draw(rng, FILTERS, CLASSES, networks=3)
    pruned = remove_filters(networks, [4, 1])
    assert equal(pruned, stacked([remove_filters(networks.of_seed(index), [4, 1]) for index in range(3)]))
    assert (pruned.kernels == networks.kernels[..., [4, 1]]).all()
    assert pruned.head_bias is not networks.head_bias


def test_of_equally_important_filters_the_earlier_go_first(network):
    assert equal(prune(network, 3, "relu", np.zeros(FILTERS)), remove_filters(network, [3, 4, 5]))
    assert equal(prune(network, 2, "relu", np.array([1, 5, 1, 0, 1, 0.0])), remove_filters(network, [1, 4]))


@pytest.mark.parametrize("importance", [np.ones(FILTERS - 1), np.array([1, 2, 3, 4, 5, np.nan])])
def test_importances_that_are_not_one_number_a_filter_are_refused(network, importance):
    with pytest.raises(ValueError, match=f"{FILTERS} filters need {re.escape(f'({FILTERS},)')}, all finite"):
        prune(network, 2, "relu", importance)


@pytest.mark.parametrize("importance", [np.arange(FILTERS, 0, -1.0), None])
def test_keeping_all_filters_changes_nothing(network, importance):
    assert equal(prune(network, FILTERS, "relu", importance), network)


# Merging


@pytest.mark.parametrize(("activation", "factor", "bias"), TWINS)
def test_merging_exact_twins_changes_no_answer_and_no_other_filter(images, network, activation, factor, bias):
    plant_twin(network, 1, 4, factor, bias)
    before = copied(network)
    merged = merge_by_cosine(network, FILTERS - 1, activation)
    assert equal(network, before)  # the network that was given is left alone
    assert {part.dtype for part in vars(merged).values()} == {np.dtype(np.float32)}
    assert change(network, merged, images, activation) < 1e-6
    assert change(network, remove_filters(network, [0, 1, 2, 3, 5]), images, activation) > 1e-2
    new, old = [0, 2, 3, 4], [0, 2, 3, 5]  # the other filters stay as they are, to the bit
    assert (merged.kernels[..., new] == network.kernels[..., old]).all()
    assert (merged.biases[..., new] == network.biases[..., old]).all()
    assert (by_filter(merged)[:, new] == by_filter(network)[:, old]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_many_twins_merge_as_well(rng, images, activation):
    network = draw(rng, 9, CLASSES)
    for filter_ in range(3, 9):
        plant_twin(network, filter_ % 3, filter_, 1)
    merged = merge_by_cosine(network, 3, activation)
    assert merged.kernels.shape[-1] == 3
    assert change(network, merged, images, activation) < 1e-6


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_without_an_activation_biases_cost_nothing_however_few_filters_are_kept(network, kept):
    """Where all is dark only biases matter."""
    assert change(network, merge_by_cosine(network, kept, "linear"), np.zeros((1, *IMAGE), np.uint8), "linear") < 1e-6


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_what_replaces_a_cluster_is_as_long_as_its_filters_in_root_mean_square(network, activation):
    merged = merge_by_cosine(network, 1, activation)
    squares = (network.kernels.astype(float) ** 2).sum(axis=(0, 1, 2, 3))
    length = (merged.kernels.astype(float) ** 2).sum()
    if activation == "relu":
        squares, length = squares + network.biases[0].astype(float) ** 2, length + merged.biases[0, 0] ** 2
    assert length == pytest.approx(squares.mean(), rel=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("stronger", [0, 1])
def test_a_filter_is_taken_for_its_projection_on_what_matters_most(rng, activation, stronger):
    """Two orthogonal kernels: the one of the larger dense weights stays, and the other's part in it is 0."""
    network = draw(rng, 2, CLASSES)
    network.kernels[:], network.biases[:] = 0, 0
    network.kernels[0, 0, 0, 0, 0], network.kernels[0, 1, 1, 0, 1] = 0.5, 0.5
    by_filter(network)[:, 1 - stronger] *= 0.1
    merged = merge_by_cosine(network, 1, activation)
    np.testing.assert_allclose(merged.kernels[..., 0], network.kernels[..., stronger], atol=1e-7)
    np.testing.assert_allclose(by_filter(merged)[:, 0], by_filter(network)[:, stronger], rtol=1e-6)


@pytest.mark.parametrize("stronger", [0, 1])
def test_under_relu_no_filter_stands_for_its_opposite(rng, images, stronger):
    network = plant_twin(draw(rng, 2, CLASSES), 0, 1, -1)
    by_filter(network)[:, stronger] *= 3
    merged = merge_by_cosine(network, 1, "relu")
    assert change(remove_filters(network, [stronger]), merged, images, "relu") < 1e-6


@pytest.mark.parametrize(("activation", "merged"), [("linear", True), ("relu", False)])
def test_clusters_are_of_the_similarity_that_the_activation_allows(rng, images, activation, merged):
    network = plant_twin(draw(rng, 3, CLASSES), 0, 2, -1)
    assert (change(network, merge_by_cosine(network, 2, activation), images, activation) < 1e-6) == merged


def test_under_tanh_the_new_filter_is_the_mean_with_signs(rng):
    network = plant_twin(draw(rng, 2, CLASSES), 0, 1, -3)
    merged = merge_by_cosine(network, 1, "tanh")
    sign = np.sign((merged.kernels * network.kernels[..., :1]).sum())
    np.testing.assert_allclose(sign * merged.kernels, 2 * network.kernels[..., :1], rtol=1e-6)
    np.testing.assert_allclose(sign * merged.biases, 2 * network.biases[..., :1], rtol=1e-6)
    dense = by_filter(network)
    np.testing.assert_allclose(sign * by_filter(merged)[:, 0], dense[:, 0] - dense[:, 1], atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_constant_filters_go_before_any_is_merged_are_not_missed_and_stay_where_they_are_needed(
    images, network, activation
):
    network.kernels[..., [0, 3]] = 0
    if activation == "relu":  # a kernel, but a threshold out of reach
        network.kernels[..., 3], network.biases[0, [0, 3]] = 0.05, [0.3, -1]
    for kept, stay in ((4, [1, 2, 4, 5]), (5, [0, 1, 2, 4, 5])):
        merged = merge_by_cosine(network, kept, activation)
        assert (merged.kernels == network.kernels[..., stay]).all()
        assert change(network, merged, images, activation) < 1e-6
    assert change(network, remove_filters(network, [1, 2, 4, 5]), images, activation) > 1e-2
    assert merge_by_cosine(network, 2, activation).kernels.any(axis=(0, 1, 2, 3)).all()
    network.kernels[:] = 0  # and now all filters are constant
    assert change(network, merge_by_cosine(network, 2, activation), images, activation) < 1e-6


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_filters_without_dense_weights_merge_without_harm(images, network, activation):
    network = silenced(network, range(FILTERS))
    merged = merge_by_cosine(network, 2, activation)
    assert all(np.isfinite(part).all() for part in vars(merged).values())
    assert change(network, merged, images, activation) < 1e-6


def test_networks_whose_arrays_lie_in_memory_in_another_order_can_be_merged(network):
    strided = Parameters(*(np.asfortranarray(part) for part in vars(network).values()))
    assert equal(merge_by_cosine(strided, 3, "relu"), merge_by_cosine(network, 3, "relu"))


# Cost


@pytest.mark.parametrize("filters", [1, 7])
def test_the_cost_of_a_network_is_counted_layer_by_layer(rng, filters):
    cost = network_cost(KERNEL, filters, IMAGE, CLASSES)
    assert (cost.parameters, cost.bytes) == (draw(rng, filters, CLASSES).count, 4 * cost.parameters)
    assert cost.convolution_macs == POSITIONS * filters * ELEMENTS
    assert cost.dense_macs == POSITIONS * filters * CLASSES


def test_the_questions_network_has_ten_classes():
    cost = network_cost((3, 1), 100, (28, 28, 1), 10)
    assert cost == NetworkCost(728_410, 2_913_640, convolution_macs=218_400, dense_macs=728_000)


@pytest.mark.parametrize(("kernel", "filters"), [((7, 1), 3), ((3, 2), 0), ((0, 1), 3)])
def test_a_network_that_cannot_be_has_no_cost(kernel, filters):
    with pytest.raises(ValueError, match="allowed: 1 or more"):
        network_cost(kernel, filters, IMAGE, CLASSES)
