"""Smaller networks: what is removed is gone, what is merged does the same where algebra promises it; and costs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from filtertwins.errors import StudyError
from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters, stacked
from filtertwins.pruning import shrinking
from filtertwins.pruning.cost import NetworkCost, network_cost
from filtertwins.pruning.criteria import CRITERIA, METHODS
from filtertwins.pruning.shrinking import check_method, merge_by_cosine, prune, remove_filters

IMAGE, KERNEL, POSITIONS, CLASSES, FILTERS = (6, 5), (3, 2), 4 * 4, 5, 6
ACTIVATIONS = ["linear", "relu", "tanh"]


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (40, *IMAGE), dtype=np.uint8)


def draw(rng, filters=FILTERS, networks=1):
    shapes = [(*KERNEL, filters), (filters,), (POSITIONS * filters, CLASSES), (CLASSES,)]
    return Parameters(*(rng.normal(0, 0.3, (networks, *shape)).astype(np.float32) for shape in shapes))


def by_filter(network):
    """Dense weights (position, filter, class), a view."""
    return network.head.reshape(POSITIONS, -1, CLASSES)


def equal(first, second):
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all((a == b).all() and a.dtype == b.dtype for a, b in pairs)


def silenced(network, filters):
    """The same network with some filters' dense weights zero."""
    head = network.head.copy()
    head.reshape(POSITIONS, -1, CLASSES)[:, filters] = 0
    return Parameters(network.kernels, network.biases, head, network.head_bias)


def change(before, after, images, activation):
    return np.abs(logits(before, images, activation) - logits(after, images, activation)).max()


# Removal


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kept", [1, 3, FILTERS])
def test_a_pruned_network_answers_as_the_masked_one_and_is_smaller(rng, images, activation, kept):
    network, importance = draw(rng), rng.permutation(FILTERS).astype(float)
    pruned = prune(network, "l1", kept, activation, importance)
    assert [part.shape for part in vars(pruned).values()] == [
        (1, *KERNEL, kept),
        (1, kept),
        (1, POSITIONS * kept, CLASSES),
        (1, CLASSES),
    ]
    assert {part.dtype for part in vars(pruned).values()} == {np.dtype(np.float32)}
    gone = np.argsort(importance)[: FILTERS - kept]
    assert change(silenced(network, gone), pruned, images, activation) < 1e-12
    assert kept == FILTERS or change(network, pruned, images, activation) > 1e-3


def test_a_stack_loses_the_same_filters_in_each_network(rng, images):
    networks = draw(rng, networks=3)
    pruned = remove_filters(networks, [4, 1])
    alone = stacked([remove_filters(networks.of_seed(index), [4, 1]) for index in range(3)])
    assert equal(pruned, alone)
    assert (pruned.kernels == networks.kernels[..., [4, 1]]).all()
    assert pruned.head_bias is not networks.head_bias


def test_of_equally_important_filters_the_earlier_go_first(rng):
    network = draw(rng)
    assert equal(prune(network, "obd", 3, "relu", np.zeros(FILTERS)), remove_filters(network, [3, 4, 5]))
    assert equal(prune(network, "obd", 2, "relu", np.array([1, 5, 1, 0, 1, 0.0])), remove_filters(network, [1, 4]))


@pytest.mark.parametrize("method", METHODS)
def test_keeping_all_filters_changes_nothing(rng, method):
    network = draw(rng)
    importance = np.arange(FILTERS, 0, -1.0) if method in CRITERIA else None
    assert equal(prune(network, method, FILTERS, "relu", importance), network)


@pytest.mark.parametrize("method", ["l1", "cosine_merge"])
@pytest.mark.parametrize("kept", [0, FILTERS + 1, -1])
def test_a_number_of_filters_that_cannot_be_is_refused(rng, method, kept):
    with pytest.raises(StudyError, match=f"^kept = {kept}; allowed: 1 to {FILTERS}$"):
        prune(draw(rng), method, kept, "relu", np.ones(FILTERS))


def test_an_unknown_method_is_refused_with_what_is_meant(rng):
    with pytest.raises(StudyError, match=r"^method 'fpmg': unknown; allowed: random, l1, .*; did you mean 'fpgm'\?"):
        prune(draw(rng), "fpmg", 2, "relu", np.ones(FILTERS))
    for method in METHODS:
        check_method(method)


@pytest.mark.parametrize(
    "importance", [None, np.ones(FILTERS - 1), np.ones((1, FILTERS)), np.array([1, 2, 3, 4, 5, np.nan])]
)
def test_importances_that_are_not_one_number_a_filter_are_refused(rng, importance):
    with pytest.raises(ValueError, match=f"{FILTERS} filters need {re.escape(f'({FILTERS},)')}, all finite"):
        prune(draw(rng), "obd", 2, "relu", importance)


# Merging


def plant_twin(network, factor, bias=None):
    """Make the fifth filter a multiple of the second; for linear its bias can be another."""
    network.kernels[..., 4] = factor * network.kernels[..., 1]
    network.biases[..., 4] = factor * network.biases[..., 1] if bias is None else bias
    return network


@pytest.mark.parametrize(
    ("activation", "factor", "bias"),
    [
        ("linear", 1, None),
        ("linear", -0.5, None),
        ("linear", 4, 0.7),
        ("relu", 1, None),
        ("relu", 0.25, None),
        ("tanh", 1, None),
        ("tanh", -1, None),
    ],
)
def test_merging_exact_twins_changes_no_answer_and_no_other_filter(rng, images, activation, factor, bias):
    network = plant_twin(draw(rng), factor, bias)
    merged = merge_by_cosine(network, FILTERS - 1, activation)
    assert {part.dtype for part in vars(merged).values()} == {np.dtype(np.float32)}
    assert change(network, merged, images, activation) < 1e-6
    assert change(network, remove_filters(network, [0, 1, 2, 3, 5]), images, activation) > 1e-2
    for new, old in enumerate([0, None, 2, 3, 5]):
        if old is not None:  # the others stay as they are, to the bit
            assert (merged.kernels[..., new] == network.kernels[..., old]).all()
            assert (merged.biases[..., new] == network.biases[..., old]).all()
            assert (by_filter(merged)[:, new] == by_filter(network)[:, old]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_many_twins_merge_as_well(rng, images, activation):
    network = draw(rng, filters=9)
    network.kernels[..., 3:] = np.repeat(network.kernels[..., :3], 2, axis=-1)
    network.biases[..., 3:] = np.repeat(network.biases[..., :3], 2, axis=-1)
    merged = merge_by_cosine(network, 3, activation)
    assert merged.kernels.shape[-1] == 3
    assert change(network, merged, images, activation) < 1e-6


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_without_an_activation_biases_cost_nothing_however_few_filters_are_kept(rng, kept):
    """Where all is dark only biases matter."""
    network = draw(rng)
    assert change(network, merge_by_cosine(network, kept, "linear"), np.zeros((1, *IMAGE), np.uint8), "linear") < 1e-6


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_what_replaces_a_cluster_is_as_long_as_its_filters_in_root_mean_square(rng, activation):
    network = draw(rng)
    merged = merge_by_cosine(network, 1, activation)
    squares = (network.kernels.astype(float) ** 2).sum(axis=(0, 1, 2))
    length = (merged.kernels.astype(float) ** 2).sum()
    if activation == "relu":
        squares, length = squares + network.biases[0].astype(float) ** 2, length + merged.biases[0, 0] ** 2
    assert length == pytest.approx(squares.mean(), rel=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("stronger", [0, 1])
def test_a_filter_is_taken_for_its_projection_on_what_matters_most(rng, activation, stronger):
    """Two orthogonal kernels: the one of the larger dense weights stays, and the other's part in it is 0."""
    network = draw(rng, filters=2)
    network.kernels[:], network.biases[:] = 0, 0
    network.kernels[0, 0, 0, 0], network.kernels[0, 1, 1, 1] = 0.5, 0.5
    by_filter(network)[:, 1 - stronger] *= 0.1
    merged = merge_by_cosine(network, 1, activation)
    np.testing.assert_allclose(merged.kernels[..., 0], network.kernels[..., stronger], atol=1e-7)
    np.testing.assert_allclose(by_filter(merged)[:, 0], by_filter(network)[:, stronger], rtol=1e-6)


@pytest.mark.parametrize("stronger", [0, 1])
def test_under_relu_no_filter_stands_for_its_opposite(rng, images, stronger):
    network = draw(rng, filters=2)
    network.kernels[..., 1], network.biases[..., 1] = -network.kernels[..., 0], -network.biases[..., 0]
    by_filter(network)[:, stronger] *= 3
    merged = merge_by_cosine(network, 1, "relu")
    assert change(remove_filters(network, [stronger]), merged, images, "relu") < 1e-6


def test_under_tanh_the_new_filter_is_the_mean_with_signs(rng):
    network = draw(rng, filters=2)
    network.kernels[..., 1], network.biases[..., 1] = -3 * network.kernels[..., 0], -3 * network.biases[..., 0]
    merged = merge_by_cosine(network, 1, "tanh")
    sign = np.sign((merged.kernels * network.kernels[..., :1]).sum())
    np.testing.assert_allclose(sign * merged.kernels, 2 * network.kernels[..., :1], rtol=1e-6)
    np.testing.assert_allclose(sign * merged.biases, 2 * network.biases[..., :1], rtol=1e-6)
    dense = by_filter(network)
    np.testing.assert_allclose(sign * by_filter(merged)[:, 0], dense[:, 0] - dense[:, 1], atol=1e-6)


def with_constant_filters(rng, activation):
    """Filters 0 and 3 answer the same to every patch."""
    network = draw(rng)
    network.kernels[..., [0, 3]] = 0
    if activation == "relu":  # a kernel, but a threshold out of reach
        network.kernels[..., 3], network.biases[0, 3] = 0.1, -1
    return network


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_constant_filters_go_before_any_is_merged_and_are_not_missed(rng, images, activation):
    network = with_constant_filters(rng, activation)
    merged = merge_by_cosine(network, 4, activation)
    assert (merged.kernels == network.kernels[..., [1, 2, 4, 5]]).all()
    assert change(network, merged, images, activation) < 1e-6
    assert change(network, remove_filters(network, [1, 2, 4, 5]), images, activation) > 1e-2
    assert merge_by_cosine(network, 2, activation).kernels.any(axis=(0, 1, 2)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_constant_filters_stay_where_too_few_others_are_left(rng, images, activation):
    network = with_constant_filters(rng, activation)
    merged = merge_by_cosine(network, 5, activation)
    assert (merged.kernels == network.kernels[..., [0, 1, 2, 4, 5]]).all()
    assert change(network, merged, images, activation) < 1e-6


def test_a_network_of_constant_filters_can_be_merged_too(rng, images):
    network = draw(rng)
    network.kernels[:] = 0
    assert change(network, merge_by_cosine(network, 2, "tanh"), images, "tanh") < 1e-6


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_filters_without_dense_weights_merge_without_harm(rng, images, activation):
    network = silenced(draw(rng), [0, 1, 2, 3, 4, 5])
    merged = merge_by_cosine(network, 2, activation)
    assert all(np.isfinite(part).all() for part in vars(merged).values())
    assert change(network, merged, images, activation) < 1e-6


def test_merging_does_not_touch_the_network_it_is_given(rng):
    network = plant_twin(draw(rng), 1)
    copy = Parameters(*(part.copy() for part in vars(network).values()))
    merge_by_cosine(network, 2, "linear")
    assert equal(network, copy)


def test_networks_that_were_pruned_before_can_be_merged(rng, images):
    """Their arrays may lie in memory in another order."""
    network = plant_twin(draw(rng), 1)
    strided = Parameters(*(np.asfortranarray(part) for part in vars(network).values()))
    assert equal(merge_by_cosine(strided, 3, "relu"), merge_by_cosine(network, 3, "relu"))


def test_clusters_are_of_the_similarity_that_the_activation_allows(rng):
    network = draw(rng, filters=3)
    network.kernels[..., 2], network.biases[..., 2] = -network.kernels[..., 0], -network.biases[..., 0]
    live = np.arange(3)
    assert [c.tolist() for c in shrinking._clusters(network, live, 2, "linear")] == [[0, 2], [1]]
    assert [0, 2] not in [c.tolist() for c in shrinking._clusters(network, live, 2, "relu")]


# Cost


@pytest.mark.parametrize("filters", [1, 7])
def test_the_cost_of_a_network_is_counted_layer_by_layer(rng, filters):
    cost = network_cost(KERNEL, filters, IMAGE, CLASSES)
    assert cost.parameters == draw(rng, filters).count
    assert cost.bytes == 4 * cost.parameters
    assert cost.convolution_macs == POSITIONS * filters * KERNEL[0] * KERNEL[1]
    assert cost.dense_macs == POSITIONS * filters * CLASSES
    assert cost.macs == cost.convolution_macs + cost.dense_macs


def test_the_questions_network_has_ten_classes():
    cost = network_cost((3, 1), 100, (28, 28))
    assert cost == NetworkCost(728_410, 2_913_640, convolution_macs=218_400, dense_macs=728_000)


@pytest.mark.parametrize(("kernel", "filters"), [((7, 1), 3), ((3, 2), 0), ((0, 1), 3)])
def test_a_network_that_cannot_be_has_no_cost(kernel, filters):
    with pytest.raises(ValueError, match="allowed: 1 or more"):
        network_cost(kernel, filters, IMAGE)
