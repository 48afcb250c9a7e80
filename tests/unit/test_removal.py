"""What a filter is worth, held against networks that are really built without it, or with it merged into another."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_networks import ACTIVATIONS, TWINS, by_filter, draw, draw_images, plant_twin, stack

from filtertwins.experiments.removal import removal_costs, removal_rows, stand_ins
from filtertwins.networks.forward import cross_entropies, logits
from filtertwins.pruning.shrinking import remove_filters

FILTERS, CLASSES, IMAGES = 4, 10, 40
COSTS = ("loss_increase", "loss_increase_merged", "accuracy_decrease", "accuracy_decrease_merged")


@pytest.fixture
def tried(rng):
    """Images and labels."""
    return draw_images(rng, IMAGES, CLASSES)


def without(network, filter_):
    return remove_filters(network, [place for place in range(network.kernels.shape[-1]) if place != filter_])


def merged(network, filter_, other, factor, offset):
    """The network without a filter, whose dense weights another one took over, times a factor.

    What a constant added to its map would add to the scores goes into the output biases.
    """
    own = by_filter(network)[:, filter_].astype(float)
    copy = replace(network, head=network.head.astype(float), head_bias=network.head_bias + offset * own.sum(axis=0))
    by_filter(copy)[:, other] += factor * own
    return without(copy, filter_)


def loss_and_accuracy(network, images, labels, activation):
    scores = logits(network, images, activation)[0]
    return cross_entropies(scores, labels).mean(), np.mean(scores.argmax(axis=1) == labels)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_removing_a_filter_gives_the_network_built_without_it(rng, tried, activation):
    network = draw(rng, FILTERS, CLASSES)
    costs = removal_costs(network, *tried, activation)
    loss, accuracy = loss_and_accuracy(network, *tried, activation)
    assert (costs.loss, costs.accuracy) == (pytest.approx(loss, rel=1e-12), accuracy)
    for filter_ in range(FILTERS):
        less, less_accurate = loss_and_accuracy(without(network, filter_), *tried, activation)
        assert abs(less - loss) > 1e-5
        assert costs.loss_increase[filter_] == pytest.approx(less - loss, abs=1e-12)
        assert costs.accuracy_decrease[filter_] == pytest.approx(accuracy - less_accurate, abs=1e-12)
    assert len(set(costs.accuracy_decrease)) > 1


# What each activation allows, by its definition and filter by filter: the similarity and the factor of a stand-in.
ALLOWED = {
    "linear": (abs, lambda own, other: own @ other / (other @ other)),
    "relu": (float, lambda own, other: max(own @ other / (other @ other), 0)),
    "tanh": (abs, lambda own, other: np.sign(own @ other)),
}


@pytest.mark.parametrize("activation", ALLOWED)
def test_merging_a_filter_gives_the_network_whose_nearest_filter_took_its_weights(rng, tried, activation):
    network = draw(rng, 6, CLASSES)
    costs = removal_costs(network, *tried, activation)
    loss, accuracy = loss_and_accuracy(network, *tried, activation)
    nearness, factor_of = ALLOWED[activation]
    kernels, biases = network.kernels[0].reshape(-1, 6).T.astype(float), network.biases[0].astype(float)
    vectors = kernels if activation == "linear" else np.column_stack([kernels, biases])
    units = [vector / np.linalg.norm(vector) for vector in vectors]
    for filter_ in range(6):
        other = max(set(range(6)) - {filter_}, key=lambda at: nearness(units[filter_] @ units[at]))
        factor = factor_of(vectors[filter_], vectors[other])
        offset = biases[filter_] - factor * biases[other] if activation == "linear" else 0.0
        smaller = merged(network, filter_, other, factor, offset)
        less, less_accurate = loss_and_accuracy(smaller, *tried, activation)
        assert abs(less - loss) > 1e-6
        assert costs.loss_increase_merged[filter_] == pytest.approx(less - loss, abs=1e-12)
        assert costs.accuracy_decrease_merged[filter_] == pytest.approx(accuracy - less_accurate, abs=1e-12)
        assert costs.loss_increase_merged[filter_] != pytest.approx(costs.loss_increase[filter_], abs=1e-6)


@pytest.mark.parametrize(("activation", "factor", "bias"), TWINS)
def test_twins_merge_at_no_cost_and_are_missed_when_just_taken_out(rng, tried, activation, factor, bias):
    network = plant_twin(draw(rng, FILTERS, CLASSES), 0, 1, factor, bias)
    costs = removal_costs(network, *tried, activation)
    assert np.abs(costs.loss_increase_merged[:2]).max() <= 1e-12
    assert not costs.accuracy_decrease_merged[:2].any()
    assert np.abs(costs.loss_increase_merged[2:]).min() > 1e-4
    assert np.abs(costs.loss_increase[:2]).min() > 1e-4


def test_a_stand_in_is_scaled_only_as_the_activation_allows(rng, tried):
    network = plant_twin(draw(rng, 2, CLASSES), 0, 1, -2)
    for activation, factor in (("linear", [-0.5, -2]), ("relu", [0, 0]), ("tanh", [-1, -1])):
        standing_in = stand_ins(network, activation)
        assert standing_in.nearest.tolist() == [1, 0]
        assert standing_in.factor.tolist() == pytest.approx(factor)
        assert standing_in.offset.tolist() == pytest.approx([0, 0], abs=1e-7)
    costs = removal_costs(network, *tried, "relu")  # opposites have nothing in common: merging is removing
    np.testing.assert_allclose(costs.loss_increase_merged, costs.loss_increase, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_a_nearest_filter_the_cost_of_merging_is_missing(rng, tried, activation):
    with_zero, alone = draw(rng, 3, CLASSES), draw(rng, 1, CLASSES)
    with_zero.kernels[..., 2] = with_zero.biases[..., 2] = 0  # this filter has no direction
    for network, missing in ((with_zero, [False, False, True]), (alone, [True])):
        costs = removal_costs(network, *tried, activation)
        assert np.isnan(costs.loss_increase_merged).tolist() == missing
        assert np.isnan(costs.accuracy_decrease_merged).tolist() == missing
        assert not np.isnan([costs.loss_increase, costs.accuracy_decrease]).any()


def test_a_filter_that_does_nothing_costs_exactly_nothing(rng, tried):
    network = draw(rng, FILTERS, CLASSES)
    by_filter(network)[:, 2] = 0  # it goes nowhere
    network.biases[0, 3] = -100  # it never fires
    costs = removal_costs(network, *tried, "relu")
    assert (costs.loss_increase == 0).tolist() == [False, False, True, True]
    assert not costs.accuracy_decrease[2:].any()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_float32_changes_costs_by_no_more_than_its_rounding(rng, tried, activation):
    network = draw(rng, FILTERS, CLASSES)
    exact, rounded = (removal_costs(network, *tried, activation, to) for to in (np.float64, np.float32))
    for name in COSTS:
        np.testing.assert_allclose(getattr(rounded, name), getattr(exact, name), rtol=0, atol=1e-6)
    assert (rounded.loss_increase != exact.loss_increase).all()


# removal.csv: five 3x1 filters, two of one direction, one that is opposite, one across, and a zero.
FILTER_ROWS = [[2, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.fixture
def rows_of(make_chunk, rng):
    """A function: the table of networks with these filters, and what it was made of."""
    tall = draw_images(rng, 30, CLASSES, size=(4, 1, 1))  # a 3x1 kernel meets them at two places

    def rows_of(activation, rows=FILTER_ROWS, biases=(0,) * 5, threshold=0.95, networks=1):
        chunk = make_chunk(
            stack(*[rows] * networks), [biases] * networks, activation=activation, seeds=range(3, 3 + networks)
        )
        head = rng.normal(size=chunk.parameters.head.shape).astype(np.float32)
        chunk = replace(chunk, parameters=replace(chunk.parameters, head=head))
        dataset = SimpleNamespace(validation_images=tall[0], validation_labels=tall[1], train_images=tall[0])
        return pd.DataFrame(removal_rows(chunk, dataset, threshold)), chunk, tall

    return rows_of


def test_each_filter_of_each_network_has_its_row(rows_of):
    table, chunk, tall = rows_of("linear", networks=2)
    assert table["seed"].tolist() == [3] * 5 + [4] * 5
    assert table["filter"].tolist() == [0, 1, 2, 3, 4] * 2
    names = ["dataset", "architecture", "activation", "filters", "images"]
    assert (table[names] == ["mnist", "question", "linear", 5, 30]).all(axis=None)
    for index, own in enumerate([table[:5], table[5:]]):
        costs = removal_costs(chunk.parameters.of_seed(index), *tall, "linear")
        for name, values in vars(costs).items():
            np.testing.assert_array_equal(own[name], np.broadcast_to(values, 5))
    assert table["loss"].nunique() == 2


@pytest.mark.parametrize(("activation", "cosines"), [("linear", [1, 1, 1, 0, np.nan]), ("relu", [1, 1, 0, 0, np.nan])])
def test_nearest_cosines_are_those_of_the_activations_equivalence(rows_of, activation, cosines):
    table, *_ = rows_of(activation)
    np.testing.assert_array_equal(table["nearest_cosine"], cosines)
    assert table["near_duplicate"].tolist() == [cosine == 1 for cosine in cosines]


def test_the_threshold_itself_is_near(rows_of):
    pair = {"activation": "linear", "rows": [[3, 4, 0], [1, 0, 0]], "biases": (0, 0)}
    cosine = rows_of(**pair)[0]["nearest_cosine"][0]
    assert cosine == pytest.approx(0.6)
    for threshold, near in ((cosine, True), (np.nextafter(cosine, 1), False)):
        assert rows_of(**pair, threshold=threshold)[0]["near_duplicate"].tolist() == [near, near]


def test_filters_that_never_fire_are_named_under_relu_only(rows_of):
    biases = [0, 0, 0.5, -2, 0]  # the third fires where it is dark; the fourth can't reach its threshold
    for activation, expected in (("relu", [False, False, False, True, True]), ("tanh", [False] * 5)):
        table, *_ = rows_of(activation, biases=biases)
        assert table["never_active"].tolist() == expected
        assert not table.loc[table["never_active"], "loss_increase"].any()
