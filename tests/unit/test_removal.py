"""What a filter is worth, held against networks that are really built without it, or with it merged into another."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import measure_removal as script
from filtertwins.data.datasets import Dataset
from filtertwins.experiments import removal
from filtertwins.experiments.removal import removal_costs, removal_rows, stand_ins
from filtertwins.files import read_csv, write_npz
from filtertwins.networks import forward
from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters, save_chunk

IMAGE, KERNEL, FILTERS, CLASSES = (6, 5), (3, 2), 4, 10
POSITIONS = 4 * 4
IMAGES = 40


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (IMAGES, *IMAGE), dtype=np.uint8)


@pytest.fixture
def labels(rng):
    return rng.integers(0, CLASSES, IMAGES).astype(np.uint8)


def draw(rng, filters=FILTERS, networks=1):
    """Networks of float32 weights, as trained ones have."""
    shapes = [(*KERNEL, filters), (filters,), (POSITIONS * filters, CLASSES), (CLASSES,)]
    return Parameters(*(rng.normal(0, 0.3, (networks, *shape)).astype(np.float32) for shape in shapes))


def without(network, filter_):
    """The network of one filter less."""
    by_filter = network.head.reshape(len(network.head), POSITIONS, -1, CLASSES)
    return Parameters(
        np.delete(network.kernels, filter_, axis=-1),
        np.delete(network.biases, filter_, axis=-1),
        np.delete(by_filter, filter_, axis=2).reshape(len(network.head), -1, CLASSES),
        network.head_bias,
    )


def merged(network, filter_, other, factor, offset=0.0):
    """The network of one filter less, whose dense weights another one took over, times a factor.

    What a constant added to its map would add to the scores goes into the output biases.
    """
    by_filter = network.head.astype(np.float64).reshape(len(network.head), POSITIONS, -1, CLASSES)
    own = by_filter[:, :, filter_].copy()
    by_filter[:, :, other] += factor * own
    head_bias = network.head_bias + offset * own.sum(axis=1)
    head = by_filter.reshape(network.head.shape)
    return without(Parameters(network.kernels, network.biases, head, head_bias), filter_)


def loss_and_accuracy(scores, labels):
    """Mean cross-entropy and accuracy by their definitions; scores (image, class)."""
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return -np.log([row[label] for row, label in zip(chances, labels, strict=True)]).mean(), np.mean(
        scores.argmax(axis=1) == labels
    )


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_removing_a_filter_gives_the_network_built_without_it(rng, images, labels, activation):
    network = draw(rng)
    costs = removal_costs(network, images, labels, activation)
    loss, accuracy = loss_and_accuracy(logits(network, images, activation)[0], labels)
    assert costs.loss == pytest.approx(loss, rel=1e-12)
    assert costs.accuracy == accuracy
    assert costs.loss_increase.shape == costs.accuracy_decrease.shape == (FILTERS,)
    for filter_ in range(FILTERS):
        less, less_accurate = loss_and_accuracy(logits(without(network, filter_), images, activation)[0], labels)
        assert abs(less - loss) > 1e-3
        assert costs.loss_increase[filter_] == pytest.approx(less - loss, abs=1e-12)
        assert costs.accuracy_decrease[filter_] == pytest.approx(accuracy - less_accurate, abs=1e-12)
    assert len(set(costs.accuracy_decrease)) > 1


# What each activation allows, on (kernel, bias) but for linear: kernels alone. From the definitions, filter by filter.
ALLOWED = {
    "linear": (abs, lambda own, other: own @ other / (other @ other)),
    "relu": (float, lambda own, other: max(own @ other / (other @ other), 0)),
    "tanh": (abs, lambda own, other: np.sign(own @ other)),
}


@pytest.mark.parametrize("activation", ALLOWED)
def test_merging_a_filter_gives_the_network_whose_nearest_filter_took_its_weights(rng, images, labels, activation):
    network = draw(rng, filters=6)
    costs = removal_costs(network, images, labels, activation)
    loss, accuracy = loss_and_accuracy(logits(network, images, activation)[0], labels)
    nearness, factor_of = ALLOWED[activation]
    kernels, biases = network.kernels[0].reshape(-1, 6).T.astype(np.float64), network.biases[0].astype(np.float64)
    vectors = kernels if activation == "linear" else np.column_stack([kernels, biases])
    units = [vector / np.linalg.norm(vector) for vector in vectors]
    for filter_ in range(6):
        other = max(set(range(6)) - {filter_}, key=lambda at: nearness(units[filter_] @ units[at]))
        factor = factor_of(vectors[filter_], vectors[other])
        offset = biases[filter_] - factor * biases[other] if activation == "linear" else 0.0
        less, less_accurate = loss_and_accuracy(
            logits(merged(network, filter_, other, factor, offset), images, activation)[0], labels
        )
        assert abs(less - loss) > 1e-6
        assert costs.loss_increase_merged[filter_] == pytest.approx(less - loss, abs=1e-12)
        assert costs.accuracy_decrease_merged[filter_] == pytest.approx(accuracy - less_accurate, abs=1e-12)
        assert costs.loss_increase_merged[filter_] != pytest.approx(costs.loss_increase[filter_], abs=1e-6)


def plant_twin(network, factor, bias=None):
    """Make the second filter a multiple of the first; for linear its bias can be another."""
    network.kernels[..., 1] = factor * network.kernels[..., 0]
    network.biases[..., 1] = factor * network.biases[..., 0] if bias is None else bias
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
def test_twins_merge_at_no_cost_and_are_missed_when_just_taken_out(rng, images, labels, activation, factor, bias):
    network = plant_twin(draw(rng), factor, bias)
    costs = removal_costs(network, images, labels, activation)
    assert np.abs(costs.loss_increase_merged[:2]).max() <= 1e-12
    assert (costs.accuracy_decrease_merged[:2] == 0).all()
    assert np.abs(costs.loss_increase_merged[2:]).min() > 1e-4
    assert np.abs(costs.loss_increase[:2]).min() > 1e-4


def test_a_stand_in_is_scaled_only_as_the_activation_allows(rng):
    network = plant_twin(draw(rng, filters=2), -2)
    assert stand_ins(network, "linear").factor.tolist() == pytest.approx([-0.5, -2])
    assert stand_ins(network, "relu").factor.tolist() == [0, 0]  # opposites have nothing in common
    assert stand_ins(network, "tanh").factor.tolist() == [-1, -1]
    assert stand_ins(network, "linear").nearest.tolist() == [1, 0]
    assert stand_ins(network, "linear").offset.tolist() == pytest.approx([0, 0], abs=1e-7)
    assert stand_ins(plant_twin(draw(rng, filters=2), 2, bias=7), "relu").offset.tolist() == [0, 0]


def test_under_relu_merging_opposites_is_removing_them(rng, images, labels):
    network = plant_twin(draw(rng, filters=2), -2)
    costs = removal_costs(network, images, labels, "relu")
    np.testing.assert_allclose(costs.loss_increase_merged, costs.loss_increase, rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_without_a_nearest_filter_the_cost_of_merging_is_missing(rng, images, labels, activation):
    network = draw(rng, filters=3)
    network.kernels[..., 2] = network.biases[..., 2] = 0  # no direction
    costs = removal_costs(network, images, labels, activation)
    assert np.isnan(costs.loss_increase_merged).tolist() == [False, False, True]
    assert np.isnan(costs.accuracy_decrease_merged).tolist() == [False, False, True]
    assert not np.isnan([costs.loss_increase, costs.accuracy_decrease]).any()
    alone = removal_costs(draw(rng, filters=1), images, labels, activation)
    assert np.isnan([alone.loss_increase_merged, alone.accuracy_decrease_merged]).all()
    assert not np.isnan([alone.loss_increase, alone.accuracy_decrease]).any()


def test_a_filter_that_does_nothing_costs_exactly_nothing(rng, images, labels):
    network = draw(rng)
    network.head.reshape(POSITIONS, FILTERS, CLASSES)[:, 2] = 0  # it goes nowhere
    network.biases[0, 3] = -100  # it never fires
    costs = removal_costs(network, images, labels, "relu")
    assert (costs.loss_increase[2:] == 0).all()
    assert (costs.accuracy_decrease[2:] == 0).all()
    assert (costs.loss_increase[:2] != 0).all()


def test_without_its_only_filter_a_network_answers_by_the_output_biases(rng, images, labels):
    network = draw(rng, filters=1)
    costs = removal_costs(network, images, labels, "relu")
    loss, accuracy = loss_and_accuracy(np.tile(network.head_bias[0].astype(float), (IMAGES, 1)), labels)
    assert costs.loss + costs.loss_increase[0] == pytest.approx(loss, rel=1e-12)
    assert costs.accuracy - costs.accuracy_decrease[0] == pytest.approx(accuracy)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_float32_changes_costs_by_no_more_than_its_rounding(rng, images, labels, activation):
    network = draw(rng)
    exact, rounded = (removal_costs(network, images, labels, activation, to) for to in (np.float64, np.float32))
    for cost in ("loss_increase", "loss_increase_merged"):
        np.testing.assert_allclose(getattr(rounded, cost), getattr(exact, cost), rtol=0, atol=1e-7)
        assert (getattr(rounded, cost) != getattr(exact, cost)).all()
    for cost in ("accuracy_decrease", "accuracy_decrease_merged"):
        np.testing.assert_array_equal(getattr(rounded, cost), getattr(exact, cost))


def test_memory_is_bounded_by_blocks_of_images_which_change_nothing(rng, images, labels, monkeypatch):
    network, shapes = draw(rng), []

    def watched(maps):
        shapes.append(maps.shape)
        return np.tanh(maps)

    monkeypatch.setitem(forward.ACTIVATIONS, "tanh", watched)
    whole = removal_costs(network, images, labels, "tanh")
    monkeypatch.setattr(forward, "BLOCK_ENTRIES", 7 * POSITIONS * KERNEL[0] * KERNEL[1])  # more than filters here
    in_blocks = removal_costs(network, images, labels, "tanh")
    assert shapes == [(FILTERS, n * POSITIONS) for n in [IMAGES, 7, 7, 7, 7, 7, 5]]
    assert_same_costs(whole, in_blocks)


def test_blocks_of_images_change_nothing_without_an_activation_either(rng, images, labels, monkeypatch):
    network = draw(rng)
    whole = removal_costs(network, images, labels, "linear")
    monkeypatch.setattr(forward, "BLOCK_ENTRIES", 7 * max(FILTERS * CLASSES, images[0].size))
    blocks = [block for block, *_ in removal._linear_shares(network, images, stand_ins(network, "linear"))]
    assert [len(images[block]) for block in blocks] == [7, 7, 7, 7, 7, 5]
    assert_same_costs(whole, removal_costs(network, images, labels, "linear"))


def assert_same_costs(one, other):
    for cost in ("loss_increase", "loss_increase_merged", "accuracy_decrease", "accuracy_decrease_merged"):
        np.testing.assert_allclose(getattr(one, cost), getattr(other, cost), rtol=0, atol=1e-12)


# removal.csv

# 3x1 filters as rows: two of one direction, one that is opposite, one across, and a zero.
FILTER_ROWS = [[2, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.fixture
def tall(rng):
    """Images (image, 4, 1) that a 3x1 kernel meets at two places, as in made-up chunks."""
    return rng.integers(0, 256, (30, 4, 1), dtype=np.uint8), rng.integers(0, CLASSES, 30).astype(np.uint8)


def a_chunk(make_chunk, rng, rows, biases, activation, networks=1):
    kernels = np.array([rows] * networks, np.float32).transpose(0, 2, 1)[:, :, np.newaxis, :]
    chunk = make_chunk(
        kernels, [biases] * networks, activation=activation, architecture="of_test", seeds=range(3, 3 + networks)
    )
    head = rng.normal(size=chunk.parameters.head.shape).astype(np.float32)
    return replace(chunk, parameters=replace(chunk.parameters, head=head))


def test_each_filter_of_each_network_has_its_row(make_chunk, rng, tall):
    images, labels = tall
    chunk = a_chunk(make_chunk, rng, FILTER_ROWS, [0] * 5, "linear", networks=2)
    rows = pd.DataFrame(removal_rows(chunk, images, labels, 0.95))
    assert rows["seed"].tolist() == [3] * 5 + [4] * 5
    assert rows["filter"].tolist() == [0, 1, 2, 3, 4] * 2
    assert (rows[["dataset", "architecture", "activation", "filters"]] == ["mnist", "of_test", "linear", 5]).all(
        axis=None
    )
    assert (rows["images"] == 30).all()
    for index, own in enumerate([rows[:5], rows[5:]]):
        costs = removal_costs(chunk.parameters.of_seed(index), images, labels, "linear")
        assert own["loss"].tolist() == [costs.loss] * 5
        assert own["accuracy"].tolist() == [costs.accuracy] * 5
        assert own["loss_increase"].tolist() == costs.loss_increase.tolist()
        assert own["accuracy_decrease"].tolist() == costs.accuracy_decrease.tolist()
        np.testing.assert_array_equal(own["loss_increase_merged"], costs.loss_increase_merged)
        np.testing.assert_array_equal(own["accuracy_decrease_merged"], costs.accuracy_decrease_merged)
    assert rows["loss"].nunique() == 2


def test_nearest_cosines_are_those_of_the_activations_equivalence(make_chunk, rng, tall):
    linear = pd.DataFrame(removal_rows(a_chunk(make_chunk, rng, FILTER_ROWS, [0] * 5, "linear"), *tall, 0.95))
    np.testing.assert_array_equal(linear["nearest_cosine"], [1, 1, 1, 0, np.nan])  # whatever the sign
    assert linear["near_duplicate"].tolist() == [True, True, True, False, False]
    relu = pd.DataFrame(removal_rows(a_chunk(make_chunk, rng, FILTER_ROWS, [0] * 5, "relu"), *tall, 0.95))
    np.testing.assert_array_equal(relu["nearest_cosine"], [1, 1, 0, 0, np.nan])
    assert relu["near_duplicate"].tolist() == [True, True, False, False, False]


def test_the_threshold_itself_is_near(make_chunk, rng, tall):
    chunk = a_chunk(make_chunk, rng, [[3, 4, 0], [1, 0, 0]], [0, 0], "linear")
    cosine = removal_rows(chunk, *tall, 0.95)[0]["nearest_cosine"]
    assert cosine == pytest.approx(0.6)
    for threshold, near in ((cosine, True), (np.nextafter(cosine, 1), False)):
        assert [row["near_duplicate"] for row in removal_rows(chunk, *tall, threshold)] == [near, near]


def test_filters_that_never_fire_are_named_under_relu_only(make_chunk, rng, tall):
    biases = [0, 0, 0.5, -2, 0]  # the third fires where it is dark; the fourth can't reach its threshold
    for activation, expected in (("relu", [False, False, False, True, True]), ("tanh", [False] * 5)):
        chunk = a_chunk(make_chunk, rng, FILTER_ROWS, biases, activation)
        rows = removal_rows(chunk, *tall, 0.95)
        assert [row["never_active"] for row in rows] == expected
        costs = [row["loss_increase"] for row, never in zip(rows, expected, strict=True) if never]
        assert costs == [0.0] * len(costs)


def test_an_only_filter_has_no_nearest(make_chunk, rng, tall):
    (row,) = removal_rows(a_chunk(make_chunk, rng, [[1, 2, 3]], [0], "relu"), *tall, 0.95)
    assert np.isnan([row["nearest_cosine"], row["loss_increase_merged"], row["accuracy_decrease_merged"]]).all()
    assert row["near_duplicate"] is False


# The script


@pytest.mark.parametrize(("option", "images_used"), [([], 30), (["--images", "20"], 20)])
def test_the_script_takes_all_validation_images_or_as_many_as_it_is_told(
    tmp_path, monkeypatch, make_chunk, rng, tall, option, images_used
):
    images, labels = tall
    chunk = a_chunk(make_chunk, rng, FILTER_ROWS, [0] * 5, "relu")
    save_chunk(chunk, tmp_path / "of_test" / "filters-005_seeds-003-003.npz")
    dataset = Dataset(images[:1], labels[:1], images, labels, images[:1], labels[:1])
    write_npz(tmp_path / "dataset.npz", dataset.to_arrays())
    arguments = {
        "dataset": tmp_path / "dataset.npz",
        "weights": tmp_path,
        "study": json.dumps({"architectures": {"of_test": [5]}, "chunks": [[3, 1]]}),
        "threshold": 0.95,
        "output": tmp_path / "removal.csv",
    }
    options = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["script", *options, *option])
    script.main()
    expected = pd.DataFrame(removal_rows(chunk, images[:images_used], labels[:images_used], 0.95))
    table = read_csv(tmp_path / "removal.csv")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
