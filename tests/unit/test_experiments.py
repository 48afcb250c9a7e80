"""The rows of the experiments' tables, on small chunks whose every value is known by hand."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from filtertwins.experiments.condensation import condensation_rows
from filtertwins.experiments.lossless_merge import merging_rows
from filtertwins.experiments.one_fewer import one_fewer_rows
from filtertwins.experiments.twins import growth_bound, twin_rows
from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters
from filtertwins.tables.controls import control_rows
from filtertwins.tables.redundancy import Nulls

TWIN, HALF_TWIN, SILENT = ({"second_filter": kind} for kind in ("twin", "half_twin", "silent"))
ROOT = math.sqrt(0.5)
NEXT = np.nextafter(np.float32(1), np.float32(2))  # the number after 1


def stack(*networks):
    """Kernels (network, row, column, filter) of 3x1 filters given as rows."""
    return np.array(networks, np.float32).transpose(0, 2, 1)[:, :, np.newaxis, :]


def column(rows, name):
    return [row[name] for row in rows]


# twins.csv


def test_a_twin_row_holds_the_run_its_training_and_the_distance_of_its_first_two_filters(make_chunk):
    chunk = make_chunk(
        stack([[3, 0, 0], [0, 4, 0], [9, 9, 9]]),
        [[12, 0, 9]],
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
    run = {
        "dataset": "mnist",
        "architecture": "tanh_sgd",
        "filters": 3,
        "seed": 6,
        "activation": "tanh",
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.5,
        "dropout": 0.25,
        "second_filter": "twin",
        "epsilon": 0.001,
    }
    at_start = {"step": 0, "separation": 0, "outgoing_separation": 0, "equal": True, "cosine": 1, "bound": 0}
    assert first == run | at_start
    # kernels apart by (3, -4, 0), biases by 12
    at_end = {"step": 40, "separation": 13, "outgoing_separation": 84, "equal": False, "cosine": 0, "bound": 0}
    assert last == run | at_end


def test_twins_cosine_counts_the_bias_and_has_no_value_for_a_zero_filter(make_chunk):
    kernels = stack([[1, 0, 0], [-1, 0, 0]], [[2, 0, 0], [2, 0, 0]], [[1, 0, 0], [0, 0, 0]], [[1e-30, 0, 0]] * 2)
    chunk = make_chunk(kernels, [[0, 0], [0, 2], [0, 0], [0, 0]], steps=(0, 1))
    with warnings.catch_warnings(action="error"):
        at_end = [row["cosine"] for row in twin_rows(chunk) if row["step"] == 1]
    assert at_end == pytest.approx([-1, ROOT, math.nan, 1], nan_ok=True)


def test_no_cosine_of_twins_is_over_1_by_rounding(make_chunk):
    kernel = np.random.default_rng(0).normal(size=(200, 1, 3))
    rows = twin_rows(make_chunk(stack(*np.repeat(kernel, 2, axis=1))))
    assert max(column(rows, "cosine")) <= 1
    assert min(column(rows, "cosine")) > 1 - 1e-12


@pytest.mark.parametrize("different", ["kernel", "bias", "outgoing"])
def test_twins_are_equal_to_the_last_bit_or_not_at_all(make_chunk, different):
    kernel = stack([[1, 1, 1], [1, 1, 1]])
    assert column(twin_rows(make_chunk(kernel, [[1, 1]], initial_biases=[[1, 1]])), "equal") == [True] * 3
    kernel[0, 2, 0, 1] = NEXT if different == "kernel" else 1
    biases = [[1, NEXT if different == "bias" else 1]]
    apart = 1e-45 if different == "outgoing" else 0  # the least that float32 can hold
    chunk = make_chunk(kernel, biases, initial_biases=biases, outgoing_separation=apart)
    assert column(twin_rows(chunk), "equal") == [False] * 3


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
        (2.0, [1, 2, 0, 3]),
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


def test_gradient_descent_along_the_largest_singular_vectors_reaches_the_bound_and_no_other_way_passes_it(make_chunk):
    rate, decay, steps = 0.1, 0.3, 40
    rng = np.random.default_rng(5)
    gradient = rng.normal(size=(4, 7))  # (kernel element and bias, outgoing weight), the same at every step
    left, sizes, right = np.linalg.svd(gradient)
    aligned = np.concatenate([-left[:, 0], right[0]])
    for difference, reached in ((aligned, True), (rng.normal(size=11), False)):
        distances = [difference]
        for _ in range(steps):
            kernel, outgoing = distances[-1][:4], distances[-1][4:]
            step = np.concatenate([gradient @ outgoing, gradient.T @ kernel])
            distances.append((1 - rate * decay) * distances[-1] - rate * step)
        chunk = make_chunk(
            np.ones((1, 3, 1, 2)),
            steps=range(steps + 1),
            growth=np.full((steps, 1), sizes[0]),
            model={"learning_rate": rate, "weight_decay": decay},
        )
        lengths = np.linalg.norm(distances, axis=1)
        bound = growth_bound(chunk, lengths[:1])[:, 0]
        assert (lengths <= bound * (1 + 1e-5)).all()
        assert np.allclose(lengths, bound, rtol=1e-5) == reached


def test_a_bound_may_be_infinite_but_not_that_of_equal_twins(make_chunk):
    chunk = make_chunk(
        np.ones((2, 3, 1, 2)), steps=(0, 30), growth=np.full((30, 2), 1e30), model={"learning_rate": 1.0}
    )
    with warnings.catch_warnings(action="error"):
        bound = growth_bound(chunk, np.array([0.0, 1e-7]))
    assert bound.tolist() == [[0, 1e-7], [0, math.inf]]


def test_without_recorded_growth_there_is_no_bound(make_chunk):
    rows = twin_rows(make_chunk(stack([[1, 0, 0], [1, 0, 0]]), starts=[TWIN]))
    assert np.isnan(column(rows, "bound")).all()


@pytest.mark.parametrize("growth", [None, np.ones((50, 1))])
def test_a_single_filter_has_no_twin(make_chunk, growth):
    rows = twin_rows(make_chunk(np.ones((1, 3, 1, 1)), outgoing_separation=math.nan, growth=growth))
    assert column(rows, "equal") == [False] * 3
    for name in ("separation", "outgoing_separation", "cosine", "bound"):
        assert np.isnan(column(rows, name)).all()


# condensation.csv


def test_a_condensation_row_holds_the_run_and_how_alike_its_kernels_are(make_chunk):
    chunk = make_chunk(
        stack([[1, 0, 0], [-2, 0, 0], [0, 1, 0], [0, 0, 0]]),  # two on one line, one across, one dead
        initial=stack([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]),
        seeds=[6],
        starts=[{"scale": 0.01}],
        steps=(0, 40),
    )
    first, last = condensation_rows(chunk)
    run = {"dataset": "mnist", "architecture": "question", "filters": 4, "seed": 6, "activation": "linear"}
    run |= {"scale": 0.01, "isotropic_mean_cosine": pytest.approx(1 / 2)}  # uniform on [0, 1] in three dimensions
    at_start = {"step": 0, "mean_cosine": pytest.approx(2 * ROOT / 6), "live_filters": 4}
    assert first == run | at_start | {
        "mean_nearest_cosine": pytest.approx(3 * ROOT / 4),
        "train_loss": pytest.approx(math.nan, nan_ok=True),
    }
    at_end = {"step": 40, "mean_cosine": pytest.approx(1 / 3), "live_filters": 3}
    assert last == run | at_end | {"mean_nearest_cosine": pytest.approx(2 / 3), "train_loss": 0.25}


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("size", [1, 1e-4, 1e-35])
def test_kernels_on_one_line_are_condensed_whatever_their_length_sign_or_bias(make_chunk, activation, size):
    kernels = size * stack([[1, 2, 3], [-2, -4, -6], [0.5, 1, 1.5]])
    rows = condensation_rows(make_chunk(kernels, [[0, 5, -5]], activation=activation))
    assert column(rows, "mean_cosine") == pytest.approx([1] * 3)
    assert column(rows, "mean_nearest_cosine") == pytest.approx([1] * 3)
    assert column(rows, "activation") == [activation] * 3


def test_chance_is_that_of_the_kernels_own_dimension(make_chunk):
    for shape, chance in (((3, 1), 1 / 2), ((1, 1), 1), ((1, 2), 2 / math.pi), ((5, 5), None)):
        (first, *_) = condensation_rows(make_chunk(np.random.default_rng(1).normal(size=(1, *shape, 400))))
        expected = first["mean_cosine"] if chance is None else chance
        assert first["isotropic_mean_cosine"] == pytest.approx(expected, rel=1e-9 if chance else 0.02)


def test_each_network_has_its_own_scale_and_loss(make_chunk):
    chunk = make_chunk(np.ones((4, 3, 1, 2)), starts=[{"scale": 1.0}, {"scale": 0.1}], steps=(0, 9))
    rows = condensation_rows(chunk)
    assert column(rows, "seed") == [0, 0, 0, 0, 1, 1, 1, 1]
    assert column(rows, "scale") == [1.0, 1.0, 0.1, 0.1] * 2
    assert column(rows, "step") == [0, 9] * 4
    assert column(rows, "train_loss")[1::2] == [0.25, 1.25, 2.25, 3.25]
    assert np.isnan(column(rows, "train_loss")[::2]).all()


@pytest.mark.parametrize(("kernels", "live"), [([[1, 0, 0]], 1), ([[1, 0, 0], [0, 0, 0]], 1), ([[0, 0, 0]] * 2, 0)])
def test_less_than_two_live_filters_are_not_alike(make_chunk, kernels, live):
    with warnings.catch_warnings(action="error"):
        rows = condensation_rows(make_chunk(stack(kernels)))
    assert column(rows, "live_filters") == [live] * 3
    assert np.isnan([column(rows, "mean_cosine"), column(rows, "mean_nearest_cosine")]).all()


# one_fewer.csv


def test_a_row_of_one_fewer_says_what_the_second_filter_was_and_how_the_network_does(make_chunk):
    starts = [{}, TWIN, SILENT]
    chunk = make_chunk(np.ones((6, 3, 1, 2)), starts=starts, activation="relu", architecture="relu")
    rows = one_fewer_rows(chunk)
    assert rows[1] == {
        "dataset": "mnist",
        "architecture": "relu",
        "filters": 2,
        "seed": 0,
        "activation": "relu",
        "second_filter": "twin",
        "train_loss": 1.25,
        "test_loss": 1.75,
        "test_accuracy": 16 / 20,
        "twins_equal": True,
    }
    assert column(rows, "second_filter") == ["own", "twin", "silent"] * 2
    assert column(rows, "seed") == [0, 0, 0, 1, 1, 1]
    assert column(rows, "train_loss") == [0.25, 1.25, 2.25, 3.25, 4.25, 5.25]
    assert column(rows, "twins_equal") == [None, True, None] * 2


@pytest.mark.parametrize("different", ["kernel", "bias", "outgoing", None])
def test_the_end_of_training_decides_whether_twins_are_equal(make_chunk, different):
    kernels = stack([[1, 1, 1], [1, 1, 1], [5, 5, 5]])
    kernels[0, 2, 0, 1] = NEXT if different == "kernel" else 1
    chunk = make_chunk(
        kernels,
        [[1, NEXT if different == "bias" else 1, 5]],
        initial=np.ones((1, 3, 1, 3)),
        starts=[TWIN],
        outgoing_separation=[[0], [0], [1e-45]] if different == "outgoing" else [[1], [1], [0]],
    )
    assert column(one_fewer_rows(chunk), "twins_equal") == [different is None]


def test_networks_without_twins_need_no_second_filter(make_chunk):
    assert column(one_fewer_rows(make_chunk(np.ones((1, 3, 1, 1)))), "twins_equal") == [None]


# controls.csv


@pytest.fixture(scope="module")
def nulls():
    return Nulls(0.95, (0.5,), 200, seed=7)


def test_a_control_row_holds_what_the_network_learnt_and_how_alike_its_filters_are(make_chunk, nulls):
    axes = stack([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    alike = stack([[0, 1, 0], [0, 2, 0], [0, 0, 1], [0, 0, -1]])
    chunk = make_chunk(np.concatenate([alike, axes]), initial=np.concatenate([axes, alike]), architecture="shuffled")
    first, second = control_rows(chunk, nulls)
    null = nulls.of(4, 3, "nonzero_scale", "glorot_uniform").mean_nearest_cosine
    assert first == {
        "dataset": "mnist",
        "architecture": "shuffled",
        "activation": "linear",
        "filters": 4,
        "seed": 0,
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
    assert second["mean_nearest_cosine"] == first["initial_mean_nearest_cosine"]
    assert second["initial_mean_nearest_cosine"] == first["mean_nearest_cosine"]
    assert control_rows(chunk, nulls, "trained")[0] == first | {"architecture": "trained"}


def test_frozen_filters_stay_as_similar_as_they_were(make_chunk, nulls):
    (row,) = control_rows(make_chunk(np.random.default_rng(1).normal(size=(1, 5, 5, 8)), activation="relu"), nulls)
    assert row["mean_nearest_cosine"] == row["initial_mean_nearest_cosine"]
    assert row["cosine_to_initial"] == pytest.approx(1)


def test_a_single_filter_is_a_control_without_a_neighbour(make_chunk, nulls):
    (row,) = control_rows(make_chunk(np.ones((1, 3, 1, 1))), nulls)
    assert row["test_accuracy"] == 15 / 20
    assert math.isnan(row["mean_nearest_cosine"])
    assert math.isnan(row["excess"])


# merging.csv


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_merging_rows_tell_what_each_network_lost_by_each_merge(make_chunk, activation):
    rng = np.random.default_rng(9)
    chunk = make_chunk(rng.standard_normal((2, 3, 1, 5)), rng.standard_normal((2, 5)), activation=activation)
    head = rng.standard_normal(chunk.parameters.head.shape).astype(np.float32)
    chunk = replace(chunk, parameters=replace(chunk.parameters, head=head))
    images = rng.integers(0, 256, (6, 4, 1), dtype=np.uint8)  # 3x1 kernels have two places on them
    labels = logits(chunk.parameters, images, activation)[1].argmax(axis=1).astype(np.uint8)
    rows = merging_rows(chunk, images, labels)
    assert [(row["filters_kept"], row["seed"]) for row in rows] == [(k, seed) for k in (1, 2, 3) for seed in (0, 1)]
    assert all(row["images"] == 6 and row["filters"] == 5 and row["activation"] == activation for row in rows)
    assert all(row["accuracy_before"] == 1.0 for row in rows if row["seed"] == 1)
    lossless = [row["largest_logit_change"] < 1e-10 for row in rows]
    assert lossless == [activation == "linear" and row["filters_kept"] >= 2 for row in rows]
    for row in rows:
        merged = merge_filters(chunk.parameters, row["filters_kept"], (4, 1))
        after = logits(merged, images, activation)[row["seed"]].argmax(axis=1)
        before = logits(chunk.parameters, images, activation)[row["seed"]].argmax(axis=1)
        assert row["changed_predictions"] == np.sum(after != before)
        assert row["accuracy_after"] == np.mean(after == labels)


def test_a_network_is_not_merged_into_more_filters_than_it_has(make_chunk):
    chunk = make_chunk(np.random.default_rng(9).standard_normal((1, 3, 1, 2)))
    images = np.zeros((3, 4, 1), np.uint8)
    assert [row["filters_kept"] for row in merging_rows(chunk, images, np.zeros(3, np.uint8))] == [1, 2]
