"""From a chunk to its pruned networks, and to the rows about them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_networks import draw_images

from filtertwins.errors import StudyError
from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters, Scores, stacked
from filtertwins.pruning.networks import chunk_deletions, chunk_importances, prune_chunk
from filtertwins.tables.pruned import cost_rows, from_scratch_rows, importance_rows, obd_rows, pruning_rows

SIDE, FILTERS = 6, 4
METHODS = ("l1", "oracle", "cosine_merge")


@pytest.fixture
def tried():
    """Images and labels."""
    return draw_images(np.random.default_rng(1), 30, 10, (SIDE, SIDE, 1))


@pytest.fixture
def chunk(make_chunk):
    """Two networks of four filters of 3x1, seeds 5 and 7, in each of which the third filter is the shortest."""
    rng = np.random.default_rng(3)
    kernels = rng.standard_normal((2, 3, 1, 1, FILTERS)).astype(np.float32)
    kernels[..., 2] /= 100
    head = rng.standard_normal((2, (SIDE - 2) * SIDE * FILTERS, 10)).astype(np.float32) / 10
    biases, head_bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, FILTERS), (2, 10)))
    made = make_chunk(kernels, biases, activation="relu", seeds=[5, 7])
    return dataclasses.replace(made, parameters=Parameters(kernels, biases, head, head_bias))


@pytest.fixture
def importances(chunk, tried):
    return [values for _, values in chunk_importances(chunk, *tried, ["l1", "oracle"])]


def scores(networks):
    """Made up, and different for each network and split."""
    return Scores(
        ("validation", "test"),
        np.arange(2.0 * networks).reshape(2, -1),
        np.arange(2 * networks).reshape(2, -1),
        [40, 20],
    )


def test_every_network_is_pruned_by_every_method_and_by_its_own_importances(chunk, tried, importances):
    pruned = prune_chunk(chunk, importances, METHODS, 3)
    assert [(name["seed"], name["method"]) for name, _ in pruned] == [(s, m) for s in (5, 7) for m in METHODS]
    assert list(pruned[0][0]) == ["dataset", "architecture", "activation", "filters", "seed", "method", "kept"]
    assert all(network.kernels.shape == (1, 3, 1, 1, 3) for _, network in pruned)
    for index, (_, network) in zip((0, 1), pruned[::3], strict=True):  # by L1, without the shortest filter
        np.testing.assert_array_equal(network.kernels[0], chunk.parameters.kernels[index][..., [0, 1, 3]])
    for run, values in chunk_importances(chunk, *tried, ["l1"]):
        rows = importance_rows(run, values)
        assert [(row["seed"], row["criterion"], row["filter"]) for row in rows] == [
            (run["seed"], "l1", place) for place in range(FILTERS)
        ]
        assert [row["importance"] for row in rows] == values["l1"].tolist()


def test_random_choice_is_the_mean_of_five_draws(chunk, tried):
    importances = [values for _, values in chunk_importances(chunk, *tried, ["random", "l1"])]
    pruned = prune_chunk(chunk, importances, ["random", "l1"], 3)
    names = [name for name, _ in pruned]
    assert [name["method"] for name in names] == 2 * [*["random"] * 5, "l1"]
    assert len({network.kernels.tobytes() for _, network in pruned[:5]}) > 1
    rows = pruning_rows(names, 7, scores(12))
    assert rows["method"].tolist() == ["random", "l1"] * 2
    assert rows["test_loss"].tolist() == [14, 17, 20, 23]  # of losses from 12 to 23


def test_to_keep_all_filters_is_to_keep_each_network_as_it_is_once(chunk, importances):
    whole = prune_chunk(chunk, importances, METHODS, FILTERS)
    assert [name["method"] for name, _ in whole] == ["none", "none"]
    np.testing.assert_array_equal(stacked([network for _, network in whole]).head, chunk.parameters.head)


@pytest.mark.parametrize("kept", [0, FILTERS + 1])
def test_a_number_of_filters_that_cannot_be_is_refused(chunk, importances, kept):
    with pytest.raises(StudyError, match=f"^kept = {kept}; allowed: 1 to {FILTERS}$"):
        prune_chunk(chunk, importances, METHODS, kept)


def test_rows_tell_steps_and_scores_of_each_network(chunk, importances):
    names = [name for name, _ in prune_chunk(chunk, importances, METHODS, 2)]
    rows = pruning_rows(names, 7, scores(6)).to_dict("records")
    assert rows[1]["method"] == "oracle"
    assert rows[1]["fine_tuning_steps"] == 7
    assert (rows[1]["validation_loss"], rows[1]["test_loss"]) == (1, 7)
    assert (rows[1]["validation_accuracy"], rows[1]["test_accuracy"]) == (1 / 40, 7 / 20)
    assert (rows[1]["test_correct"], rows[1]["test_images"]) == (7, 20)


def test_rows_of_small_networks_name_the_large_one_and_the_budget(make_chunk):
    chunk = make_chunk(np.ones((2, 3, 1, 4)), seeds=[5, 7], scored_steps=(20, 50))
    budgets = {"equal_epochs": 20, "equal_compute": 50}
    rows = from_scratch_rows(chunk, {"architecture": "relu_3x1", "filters": 32, "budgets": budgets})
    assert {(row["architecture"], row["filters"], row["kept"]) for row in rows} == {("relu_3x1", 32, 4)}
    assert [(row["budget"], row["steps"], row["seed"], row["test_correct"]) for row in rows] == [
        ("equal_epochs", 20, 5, 14),
        ("equal_epochs", 20, 7, 15),
        ("equal_compute", 50, 5, 15),
        ("equal_compute", 50, 7, 16),
    ]
    assert "train_loss" not in rows[0]


def test_rows_of_cost_count_each_layer_and_hold_every_round():
    network = {"architecture": "relu_3x1", "filters": 8, "kept": 2, "kernel": [3, 1], "activation": "relu"}
    rows = cost_rows("mnist", [network], (28, 28, 1), 10, 256, np.array([[0.1, 0.2]]))
    assert [(row["round"], row["latency_s"], row["batch"]) for row in rows] == [(0, 0.1, 256), (1, 0.2, 256)]
    positions = 26 * 28
    assert rows[0]["convolution_macs"] == positions * 3 * 2
    assert rows[0]["dense_macs"] == positions * 2 * 10
    assert rows[0]["parameters"] == 2 * (3 + 1) + positions * 2 * 10 + 10
    assert rows[0]["bytes"] == 4 * rows[0]["parameters"]


def test_deleted_weights_are_zero_in_the_network_that_trains_on(chunk, tried):
    deletions = chunk_deletions(chunk, *tried, [0.0, 0.5])
    assert [(name["seed"], own.ranking, own.share) for name, own, _ in deletions[:4]] == [
        (5, "obd", 0.0),
        (5, "obd", 0.5),
        (5, "magnitude", 0.0),
        (5, "magnitude", 0.5),
    ]
    _, deletion, network = deletions[1]
    assert deletion.deleted == round(network.count / 2)
    assert sum(int((part == 0).sum()) for part in vars(network).values()) == deletion.deleted
    _, untouched, whole = deletions[0]
    np.testing.assert_array_equal(logits(whole, tried[0], "relu")[0], logits(chunk.parameters, tried[0], "relu")[0])
    assert untouched.actual_increase == untouched.predicted_increase == 0
    rows = obd_rows(deletions, 9, scores(8), scores(8))
    assert rows[1]["parameters"] == network.count
    assert rows[1]["retraining_steps"] == 9
    assert rows[1]["test_accuracy_retrained"] == rows[1]["test_accuracy"] == 9 / 20
