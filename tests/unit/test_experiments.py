"""The rows of the experiments' tables, on small chunks whose every value is known by hand."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_networks import stack

from filtertwins.experiments.condensation import condensation_rows
from filtertwins.experiments.lossless_merge import merging_rows
from filtertwins.experiments.one_fewer import one_fewer_rows
from filtertwins.experiments.twins import growth_bound, twin_rows
from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters
from filtertwins.settings import Measures
from filtertwins.tables.controls import control_rows
from filtertwins.tables.nulls import Nulls

TWIN, HALF_TWIN, SILENT = ({"second_filter": kind} for kind in ("twin", "half_twin", "silent"))
ROOT = math.sqrt(0.5)
NEXT = np.nextafter(np.float32(1), np.float32(2))  # the number after 1


def column(rows, name):
    return [row[name] for row in rows]


def test_a_twin_row_holds_the_run_its_training_and_the_distance_of_its_first_two_filters(make_chunk):
    chunk = make_chunk(
        stack([[3, 0, 0], [0, 4, 0], [9, 9, 9]]),
        [[12, 0, 9]],  # the first two are apart by 12, their kernels by (3, -4, 0)
        initial=stack([[1, 0, 0], [1, 0, 0], [9, 9, 9]]),
        activation="tanh",
        seeds=[6],
        starts=[{"second_filter": "twin", "epsilon": 0.001}],
        steps=(0, 40),
        outgoing_separation=[[0.0], [84.0]],
        growth=np.zeros((40, 1)),
        model={"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.5, "momentum": 0.9, "dropout": 0.25},
        architecture="tanh_sgd",
    )
    first, last = twin_rows(chunk)
    run = {"dataset": "mnist", "architecture": "tanh_sgd", "filters": 3, "seed": 6, "activation": "tanh"}
    run |= {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.5, "dropout": 0.25}
    run |= {"implementation": "stacked", "second_filter": "twin", "epsilon": 0.001, "bias_gap": 0.0, "pair": "0 and 1"}
    run |= {"log_growth": math.nan, "log_growth_at_large": math.nan}  # They start equal, and there is one other.
    at_start = {"step": 0, "separation": 0, "outgoing_separation": 0, "equal": True, "cosine": 1, "bound": 0}
    at_start |= {"distance": 0, "relative_distance": 0, "kernel_distance": 0}
    assert first == pytest.approx(run | at_start, nan_ok=True)
    at_end = {"step": 40, "separation": 13, "outgoing_separation": 84, "equal": False, "cosine": 0, "bound": 0}
    at_end |= {"distance": 85, "relative_distance": 85 * math.sqrt(2) / 13, "kernel_distance": math.sqrt(2)}
    assert last == pytest.approx(run | at_end, nan_ok=True)


def test_growth_is_of_the_pair_and_at_large_of_all_pairs_of_others(make_chunk):
    initial = stack([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 2], [0, 0, 3]])
    # The pair of places 0 and -1 gets twice as far apart; others are the filters of places 1, 2 and 3.
    trained = stack([[2, 0, 0], [0, 0, 0], [0, 4, 0], [0, 0, 8], [0, 0, 6]])
    chunk = make_chunk(trained, initial=initial, starts=[TWIN | {"pair": [0, -1], "epsilon": 0.1}], steps=(0, 9))
    first, last = twin_rows(chunk)
    assert (first["log_growth"], first["log_growth_at_large"]) == (0, 0)
    assert last["pair"] == "0 and -1"
    assert last["log_growth"] == pytest.approx(math.log(2))
    assert last["log_growth_at_large"] == pytest.approx(math.log(4))
    together = twin_rows(make_chunk(np.zeros_like(initial), initial=initial, starts=[TWIN]))[-1]
    assert math.isnan(together["log_growth"])


def test_twins_cosine_counts_the_bias_and_has_no_value_for_a_zero_filter(make_chunk):
    kernels = stack([[1, 0, 0], [-1, 0, 0]], [[2, 0, 0], [2, 0, 0]], [[1, 0, 0], [0, 0, 0]], [[1e-30, 0, 0]] * 2)
    chunk = make_chunk(kernels, [[0, 0], [0, 2], [0, 0], [0, 0]], steps=(0, 1))
    with warnings.catch_warnings(action="error"):
        at_end = [row["cosine"] for row in twin_rows(chunk) if row["step"] == 1]
    assert at_end == pytest.approx([-1, ROOT, math.nan, 1], nan_ok=True)
    alike = np.repeat(np.random.default_rng(0).normal(size=(200, 1, 3)), 2, axis=1)
    assert max(column(twin_rows(make_chunk(stack(*alike))), "cosine")) <= 1  # whatever the rounding


@pytest.mark.parametrize("different", ["kernel", "bias", "outgoing", None])
def test_twins_are_equal_to_the_last_bit_or_not_at_all(make_chunk, different):
    kernels = stack([[1, 1, 1], [1, 1, 1], [5, 5, 5]])
    kernels[0, 2, ..., 1] = NEXT if different == "kernel" else 1
    chunk = make_chunk(
        kernels,
        [[1, NEXT if different == "bias" else 1, 5]],
        initial=np.ones((1, 3, 1, 3)),
        starts=[TWIN],
        outgoing_separation=[[1], [1], [1e-45 if different == "outgoing" else 0]],  # the least of float32
    )
    assert column(twin_rows(chunk), "equal")[-1] == (different is None)
    assert column(one_fewer_rows(chunk), "twins_equal") == [different is None]  # as they end


def test_each_network_has_its_own_start_seed_and_growth(make_chunk):
    chunk = make_chunk(
        stack(*[[[1, 0, 0], [1, 0, 0]]] * 4),
        starts=[TWIN, HALF_TWIN],
        steps=(0, 1),
        outgoing_separation=[[1, 2, 3, 4]] * 2,
        growth=[[1, 0, 2, 3]],
        model={"learning_rate": 1.0},
    )
    rows = twin_rows(chunk)
    assert column(rows, "seed") == [0, 0, 0, 0, 1, 1, 1, 1]
    assert column(rows, "second_filter") == ["twin", "twin", "half_twin", "half_twin"] * 2
    assert column(rows, "outgoing_separation") == [1, 1, 2, 2, 3, 3, 4, 4]
    assert column(rows, "step") == [0, 1] * 4
    assert column(rows, "bound") == [1, 2, 2, 2, 3, 9, 4, 16]


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        (0.0, [2, 3, 1, 4]),
        (0.4, [1.8, 2.8, 0.8, 3.8]),
        (4.0, [2, 3, 1, 4]),  # so large that it turns signs
    ],
)
def test_the_bound_is_the_product_of_the_factors_of_all_steps_so_far(make_chunk, decay, factors):
    chunk = make_chunk(
        stack([[3, 0, 0], [0, 0, 0]]),
        steps=(0, 1, 3, 4),
        outgoing_separation=[[4], [40], [40], [40]],  # only the distance at the start counts
        growth=[[2], [4], [0], [6]],
        model={"optimizer": "sgd", "learning_rate": 0.5, "weight_decay": decay},
    )
    product = 5 * np.cumprod([1, *factors])
    assert column(twin_rows(chunk), "bound") == pytest.approx(product[[0, 1, 3, 4]])


def test_a_bound_may_be_infinite_but_not_that_of_equal_twins(make_chunk):
    chunk = make_chunk(
        np.ones((2, 3, 1, 2)), steps=(0, 30), growth=np.full((30, 2), 1e30), model={"learning_rate": 1.0}
    )
    with warnings.catch_warnings(action="error"):
        bound = growth_bound(chunk, np.array([0.0, 1e-7]))
    assert bound.tolist() == [[0, 1e-7], [0, math.inf]]


def test_a_single_filter_has_no_twin_and_without_recorded_growth_there_is_no_bound(make_chunk):
    rows = twin_rows(make_chunk(np.ones((1, 3, 1, 1)), outgoing_separation=math.nan, growth=np.ones((50, 1))))
    assert column(rows, "equal") == [False] * 3
    for name in ("separation", "outgoing_separation", "cosine", "bound"):
        assert np.isnan(column(rows, name)).all()
    assert np.isnan(column(twin_rows(make_chunk(stack([[1, 0, 0], [1, 0, 0]]), starts=[TWIN])), "bound")).all()


def test_a_condensation_row_holds_the_run_and_how_alike_its_kernels_are(make_chunk):
    chunk = make_chunk(
        1e-35 * stack([[1, 0, 0], [-2, 0, 0], [0, 1, 0], [0, 0, 0]]),  # two on one line, one across, one dead
        [[0, 5, -5, 1]],  # biases do not count
        initial=stack([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]),
        seeds=[6],
        starts=[{"scale": 0.01}],
        steps=(0, 40),
    )
    first, last = condensation_rows(chunk, 0.95)
    run = {"dataset": "mnist", "architecture": "question", "filters": 4, "seed": 6, "activation": "linear"}
    run |= {"scale": 0.01, "isotropic_similarity": pytest.approx(1 / 2)}  # uniform on [0, 1] in three dimensions
    at_start = {"step": 0, "directions": 4, "live_filters": 4}
    at_start |= dict.fromkeys(("mean_similarity", "kernel_similarity"), pytest.approx(2 * ROOT / 6))
    assert first == run | at_start
    at_end = {"step": 40, "directions": 2, "live_filters": 3}
    at_end |= dict.fromkeys(("mean_similarity", "kernel_similarity"), pytest.approx(1 / 3))
    assert last == run | at_end


@pytest.mark.parametrize(
    ("activation", "directions", "similarity", "of_kernels", "chance"),
    [("linear", 1, 1, 1, 1 / 2), ("relu", 3, -1 / 3, -1 / 3, 0), ("tanh", 2, 2 / 3 * ROOT + 1 / 3, 1, 1 / 2)],
)
def test_directions_are_counted_under_each_activations_own_equivalence(
    make_chunk, activation, directions, similarity, of_kernels, chance
):
    """Three filters on one line, of which the second points the other way and the third has a bias of its length."""
    chunk = make_chunk(stack([[1, 0, 0], [-2, 0, 0], [1, 0, 0]]), [[0, 0, 1]], activation=activation)
    row = condensation_rows(chunk, 0.95)[-1]
    assert row["directions"] == directions
    found = [row["mean_similarity"], row["kernel_similarity"], row["isotropic_similarity"]]
    assert found == pytest.approx([similarity, of_kernels, chance])


@pytest.mark.parametrize(("shape", "chance"), [((3, 1), 1 / 2), ((1, 1), 1), ((1, 2), 2 / math.pi)])
def test_chance_is_that_of_the_kernels_own_dimension(make_chunk, shape, chance):
    (first, *_) = condensation_rows(make_chunk(np.random.default_rng(1).normal(size=(1, *shape, 400))), 0.95)
    assert first["isotropic_similarity"] == pytest.approx(chance, rel=1e-9)
    assert first["kernel_similarity"] == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize(("kernels", "live"), [([[1, 0, 0]], 1), ([[1, 0, 0], [0, 0, 0]], 1), ([[0, 0, 0]] * 2, 0)])
def test_less_than_two_live_filters_are_not_alike(make_chunk, kernels, live):
    with warnings.catch_warnings(action="error"):
        rows = condensation_rows(make_chunk(stack(kernels)), 0.95)
    assert column(rows, "live_filters") == column(rows, "directions") == [live] * 3
    assert np.isnan([column(rows, "mean_similarity"), column(rows, "kernel_similarity")]).all()


def test_a_row_of_one_fewer_says_what_the_second_filter_was_and_how_the_network_does(make_chunk):
    starts = [{}, TWIN, SILENT]
    chunk = make_chunk(np.ones((6, 3, 1, 2)), starts=starts, activation="relu", architecture="relu")
    rows = one_fewer_rows(chunk)
    run = {"dataset": "mnist", "architecture": "relu", "filters": 2, "seed": 0, "activation": "relu"}
    scores = {"train_loss": 1.25, "test_loss": 1.75, "test_accuracy": 16 / 20}
    twins = {"second_filter": "twin", "epsilon": 0.0, "twins_equal": True, "kernel_distance": 0}
    assert rows[1] == run | twins | scores
    assert column(rows, "second_filter") == ["own", "twin", "silent"] * 2
    assert column(rows, "train_loss") == [0.25, 1.25, 2.25, 3.25, 4.25, 5.25]
    assert column(rows, "twins_equal") == [None, True, None] * 2


@pytest.fixture(scope="module")
def nulls():
    return Nulls(Measures(null_draws=200), np.zeros((1, 28, 28, 1), np.uint8))


def test_a_control_row_holds_what_the_network_learnt_and_how_alike_its_filters_are(make_chunk, nulls):
    axes = stack([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    alike = stack([[0, 1, 0], [0, 2, 0], [0, 0, 1], [0, 0, -1]])
    chunk = make_chunk(np.concatenate([alike, axes]), initial=np.concatenate([axes, alike]), architecture="shuffled")
    first, second = control_rows(chunk, nulls)
    null = nulls.of(4, (3, 1), 3, "nonzero_scale", "glorot_uniform", True).mean_nearest_cosine
    run = {"dataset": "mnist", "architecture": "shuffled", "activation": "linear", "filters": 4, "seed": 0}
    assert first == run | {
        "train_loss": 0.25,
        "test_accuracy": 15 / 20,
        "initial_mean_nearest_cosine": pytest.approx(3 * ROOT / 4),
        "mean_nearest_cosine": pytest.approx(1),
        "null_mean_nearest_cosine": pytest.approx(null.mean()),
        "null_sd": pytest.approx(null.std(ddof=1)),
        "excess": pytest.approx(1 - null.mean()),
        "cosine_to_initial": pytest.approx((0 + 1 + 1 + 0) / 4),
    }
    assert (second["seed"], second["train_loss"], second["test_accuracy"]) == (1, 1.25, 16 / 20)
    (alone,) = control_rows(make_chunk(np.ones((1, 3, 1, 1))), nulls)
    assert np.isnan([alone["mean_nearest_cosine"], alone["excess"]]).all()


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_merging_rows_tell_what_each_network_lost_by_each_merge(make_chunk, activation):
    rng = np.random.default_rng(9)
    chunk = make_chunk(rng.standard_normal((2, 3, 1, 5)), rng.standard_normal((2, 5)), activation=activation)
    head = rng.standard_normal(chunk.parameters.head.shape).astype(np.float32)
    chunk = replace(chunk, parameters=replace(chunk.parameters, head=head))
    images = rng.integers(0, 256, (6, 4, 1, 1), dtype=np.uint8)  # 3x1 kernels have two places on them
    labels = logits(chunk.parameters, images, activation)[1].argmax(axis=1).astype(np.uint8)
    rows = merging_rows(chunk, SimpleNamespace(test_images=images, test_labels=labels, image_shape=(4, 1, 1)))
    assert [(row["filters_kept"], row["seed"]) for row in rows] == [(k, seed) for k in (1, 2, 3) for seed in (0, 1)]
    assert all(row["images"] == 6 and row["filters"] == 5 and row["activation"] == activation for row in rows)
    assert all(row["accuracy_before"] == 1.0 for row in rows if row["seed"] == 1)
    lossless = [row["largest_logit_change"] < 1e-10 for row in rows]
    assert lossless == [activation == "linear" and row["filters_kept"] >= 2 for row in rows]
    for row in rows:
        merged = merge_filters(chunk.parameters, row["filters_kept"], (4, 1, 1))
        after = logits(merged, images, activation)[row["seed"]].argmax(axis=1)
        before = logits(chunk.parameters, images, activation)[row["seed"]].argmax(axis=1)
        assert row["changed_predictions"] == np.sum(after != before)
        assert row["accuracy_after"] == np.mean(after == labels)


def test_a_network_is_not_merged_into_more_filters_than_it_has(make_chunk):
    chunk = make_chunk(np.random.default_rng(9).standard_normal((1, 3, 1, 2)))
    dark = np.zeros((3, 4, 1, 1), np.uint8)
    dark = SimpleNamespace(test_images=dark, test_labels=np.zeros(3, np.uint8), image_shape=dark.shape[1:])
    assert [row["filters_kept"] for row in merging_rows(chunk, dark)] == [1, 2]
