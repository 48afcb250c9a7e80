"""The rows of the tables, on a small chunk whose every value is known by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_networks import stack

from filtertwins.measures.clusters import redundant_share
from filtertwins.measures.nulls import redrawn
from filtertwins.measures.redundancy import count_pairs, nearest_similarities
from filtertwins.networks.rows import network_scores, run_names
from filtertwins.settings import Measures
from filtertwins.tables.nulls import Nulls
from filtertwins.tables.redundancy import redundancy_rows, redundancy_tables
from filtertwins.tables.runs import kernel_rows, run_rows

THRESHOLD = 0.95
CURVE = (0.5, 0.7, 0.95)
DRAWS = 2000

# Filters as rows, 3x1: exact twins, a dead one, and two that are opposite in phase, across the twins.
TRAINED = [[2, 0, 0], [2, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, -4]]
# The axes, and two diagonals between the first two.
INITIAL = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0]]
HALF = math.sqrt(0.5)
IMAGES = np.random.default_rng(3).integers(0, 256, (9, 28, 28, 1), dtype=np.uint8)


def redrawn_means(*arguments):
    """The mean nearest cosine of redrawn networks, (draw,)."""
    return redrawn(lambda similarities: nearest_similarities(similarities).mean(axis=-1), *arguments)


def nulls_of(draws=DRAWS, curve=CURVE, **others):
    measures = Measures(near_duplicate_threshold=THRESHOLD, threshold_curve=curve, null_draws=draws, seed=7, **others)
    return Nulls(measures, IMAGES)


@pytest.fixture
def nulls():
    return nulls_of()


@pytest.fixture
def linear(make_chunk):
    return make_chunk(stack(TRAINED), initial=stack(INITIAL), activation="linear", seeds=[3])


def stages(chunk, nulls):
    """The rows of redundancy.csv of one seed: initial, trained."""
    initial, trained = redundancy_rows(chunk, nulls).redundancy
    assert (initial["stage"], trained["stage"]) == ("initial", "trained")
    return initial, trained


# runs.csv


def test_a_run_row_holds_the_run_and_the_scores_of_its_own_place(make_chunk):
    chunk = make_chunk(stack(TRAINED, TRAINED), seeds=[3, 4], activation="relu", architecture="relu_3x1")
    first, second = run_rows(chunk)
    names = {"dataset": "mnist", "architecture": "relu_3x1", "kernel_height": 3, "kernel_width": 1}
    scores = {"train_loss": 0.25, "validation_loss": 0.5, "validation_accuracy": 30 / 40, "test_loss": 0.75}
    tested = {"test_accuracy": 15 / 20, "test_correct": 15, "test_images": 20}
    counts = {"filters": 5, "seed": 3, "steps": 50, "parameters": 15 + 5 + 2 * 5 * 10 + 10}
    assert first == names | {"activation": "relu"} | counts | scores | tested
    scores = ("seed", "train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
    assert [second[name] for name in scores] == [4, 1.25, 1.5, 31 / 40, 1.75, 16 / 20]


def test_networks_of_several_starts_are_named_by_seed_and_scored_by_place(make_chunk):
    chunk = make_chunk(np.ones((4, 3, 1, 2)), seeds=[6, 6, 7, 7], starts=[{}, {"scale": 0.1}])
    assert [name["seed"] for name in run_names(chunk)] == [6, 6, 7, 7]
    assert [score["train_loss"] for score in network_scores(chunk.scores)] == [0.25, 1.25, 2.25, 3.25]


# redundancy.csv


@pytest.mark.parametrize(
    ("activation", "equivalence", "near", "nearest", "clusters"),
    [("linear", "nonzero_scale", 2, 1.0, 2), ("relu", "positive_scale", 1, 0.5, 3)],  # The opposite ones count or not.
)
def test_measures_of_planted_filters(make_chunk, nulls, activation, equivalence, near, nearest, clusters):
    initial, trained = stages(make_chunk(stack(TRAINED), initial=stack(INITIAL), activation=activation), nulls)
    names = ["equivalence", "dimension", "live_filters", "dead_filters", "exact_duplicate_pairs"]
    assert [trained[name] for name in names] == [equivalence, 3, 4, 1, 1]
    assert [initial[name] for name in names] == [equivalence, 3, 5, 0, 0]
    names = ["twin_pairs", "near_duplicate_pairs", "mean_nearest_cosine", "clusters", "redundant_share"]
    assert [trained[name] for name in names] == pytest.approx([near, near, nearest, clusters, 1 - clusters / 4])
    assert [initial[name] for name in names] == pytest.approx([0, 0, 4 * HALF / 5, 5, 0])  # One axis is across all.


def test_a_bias_tells_twins_apart_under_relu_only(make_chunk, nulls):
    biases = [[0, 2, 0, 0, 0]]  # one of the twins: its vector is (2, 0, 0, 2)
    for activation, pairs in (("linear", 1), ("relu", 0)):
        _, trained = stages(make_chunk(stack(TRAINED), biases, activation=activation), nulls)
        assert trained["exact_duplicate_pairs"] == pairs
        assert trained["dimension"] == 3


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_kernels_alone_are_compared_with_nulls_that_have_no_biases(make_chunk, nulls, activation):
    without, shared = ([[bias] * 5] for bias in (0, 5))
    _, plain = stages(make_chunk(stack(TRAINED), without, activation=activation), nulls)
    _, biased = stages(make_chunk(stack(TRAINED), shared, activation=activation), nulls)
    names = ("live_filters", "dead_filters", "mean_nearest_cosine", "redundant_share", "p_value")
    assert {name: plain[name] for name in names} == {name: biased[name] for name in names}


def test_filters_that_no_training_image_activates_are_counted(make_chunk, nulls):
    chunk = make_chunk(np.ones((1, 3, 1, 2)), [[-1.0, -2.0]], activation="relu")
    images = np.full((2, 28, 28, 1), 127, np.uint8)  # a patch's answer is 3 x 127 / 255 = 1.49
    rows = redundancy_rows(chunk, Nulls(Measures(null_draws=100), images)).redundancy
    assert [row["never_active_filters"] for row in rows if row["stage"] == "trained"] == [1]
    rows = redundancy_rows(chunk, nulls).redundancy
    assert [row["never_active_filters"] for row in rows if row["stage"] == "trained"] == [0]


def test_filters_that_are_never_active_do_one_job(make_chunk, nulls):
    kernels = stack([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    for activation, clusters, labels in (("relu", 3, [0, 1, 1, 2]), ("linear", 4, [0, 1, 2, 3])):
        rows = redundancy_rows(make_chunk(kernels, [[0, -2, -3, 0]], activation=activation), nulls)
        trained = rows.redundancy[1]
        assert (trained["clusters"], trained["redundant_share"]) == (clusters, 1 - clusters / 4)
        assert [row["cluster"] for row in rows.clusters if row["stage"] == "trained"] == labels


def test_random_kernels_with_a_large_common_bias_are_no_more_redundant_than_redrawn_ones(make_chunk, rng):
    kernels = rng.uniform(-1, 1, (20, 3, 1, 32))
    rows = redundancy_rows(make_chunk(kernels, np.full((20, 32), 5), activation="relu"), nulls_of(100)).redundancy
    trained, initial = (
        pd.DataFrame([row for row in rows if row["stage"] == stage]) for stage in ("trained", "initial")
    )
    assert trained["redundant_share"].mean() < trained["null_redundant_share"].mean()  # All of them are active.
    error = initial["redundant_share"].std() / np.sqrt(20)
    assert initial["redundant_share"].mean() == pytest.approx(initial["null_redundant_share"].mean(), abs=3 * error)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_null_is_that_of_the_live_filters_and_the_kernels_dimension(make_chunk, activation):
    equivalence = {"linear": "nonzero_scale", "relu": "positive_scale"}[activation]
    chunk = make_chunk(stack(TRAINED), [[0, 0.5, 0, 0, 0]], activation=activation)
    _, trained = stages(chunk, nulls_of())
    draws = redrawn_means(4, 3, equivalence, "glorot_uniform", 20_000, np.random.default_rng(99))
    tolerance = 4 * draws.std() / math.sqrt(DRAWS)
    others = redrawn_means(5, 3, equivalence, "glorot_uniform", 20_000, np.random.default_rng(99))
    assert abs(others.mean() - draws.mean()) > 2 * tolerance  # so that the next line tells them apart
    assert trained["null_mean_nearest_cosine"] == pytest.approx(draws.mean(), abs=tolerance)
    assert trained["null_sd"] == pytest.approx(draws.std(), rel=0.1)
    ends = [trained[f"null_mean_nearest_cosine_{end}"] for end in ("low", "high")]
    assert np.mean(draws < ends[0]) == pytest.approx(0.025, abs=0.015)
    assert np.mean(draws > ends[1]) == pytest.approx(0.025, abs=0.015)
    assert trained["excess"] == pytest.approx(trained["mean_nearest_cosine"] - trained["null_mean_nearest_cosine"])


def test_the_isotropic_null_is_exact(linear, nulls):
    initial, trained = stages(linear, nulls)
    assert initial["isotropic_mean_nearest_cosine"] == pytest.approx(1 - 1 / 5)
    assert trained["isotropic_mean_nearest_cosine"] == pytest.approx(1 - 1 / 4)


def test_the_p_value_is_that_of_the_draws_as_large(linear, nulls):
    initial, trained = stages(linear, nulls)
    assert trained["p_value"] == pytest.approx(1 / (DRAWS + 1))  # no draw has four perfect pairs
    draws = redrawn_means(5, 3, "nonzero_scale", "glorot_uniform", 20_000, np.random.default_rng(99))
    assert initial["p_value"] == pytest.approx(np.mean(draws >= 4 * HALF / 5), abs=0.02)
    assert initial["excess"] < 0


def test_the_null_is_drawn_from_the_conditions_own_initialiser(make_chunk):
    means = []
    for initializer in ("glorot_uniform", "glorot_normal"):
        model = {"kernel": [3, 1], "activation": "linear", "initializer": initializer}
        _, trained = stages(make_chunk(stack(TRAINED), model=model), nulls_of())
        means.append(trained["null_mean_nearest_cosine"])
    assert means[0] != means[1]


def test_nulls_do_not_depend_on_the_order_of_conditions(make_chunk, linear):
    relu = make_chunk(stack(TRAINED), activation="relu", architecture="relu_3x1")
    smaller = make_chunk(stack(TRAINED[:2]), architecture="smaller")
    chunks = [linear, relu, smaller]

    def measured(order):
        nulls = nulls_of(200)
        rows = {chunk.condition["architecture"]: redundancy_rows(chunk, nulls) for chunk in order}
        return repr({name: rows[name] for name in sorted(rows)})  # as text, where NaN equals NaN

    assert measured(chunks) == measured(chunks[::-1]) == measured([smaller, linear, relu])


def test_the_threshold_is_a_point_of_the_curve_once_and_in_its_place():
    assert nulls_of(curve=(0.5, 0.99)).thresholds == (0.5, 0.95, 0.99)
    assert nulls_of(curve=(0.5, 0.95)).thresholds == (0.5, 0.95)
    nulls = Nulls(Measures(near_duplicate_threshold=0.85, threshold_curve=(0.9,), null_draws=150, seed=3), IMAGES)
    null = nulls.of(4, (3, 1), 3, "nonzero_scale", "glorot_uniform", True)
    assert (nulls.threshold, nulls.thresholds) == (0.85, (0.85, 0.9))
    assert (null.pair_fraction.shape, null.mean_nearest_cosine.shape) == ((2,), (150,))
    assert null.pair_fraction[0] > null.pair_fraction[1]


def test_a_single_filter_has_no_neighbour_and_no_null(make_chunk, nulls):
    rows = redundancy_rows(make_chunk(stack(TRAINED[:1])), nulls)
    for row in rows.redundancy:
        missing = {name for name, value in row.items() if isinstance(value, float) and math.isnan(value)}
        ends = {"null_mean_nearest_cosine_low", "null_mean_nearest_cosine_high", "null_sd", "null_near_duplicate_pairs"}
        means = {"mean_nearest_cosine", "null_mean_nearest_cosine", "isotropic_mean_nearest_cosine"}
        strangers = {f"strangers_redundant_share{end}" for end in ("", "_low", "_high")}
        assert missing == means | ends | strangers | {"strangers_mean_nearest_cosine", "excess", "p_value"}
        assert (row["live_filters"], row["clusters"], row["redundant_share"]) == (1, 1, 0)
    assert [row["pairs"] for row in rows.near_duplicates] == [0] * 6
    assert all(math.isnan(row[name]) for row in rows.near_duplicates for name in ("fraction", "null_fraction"))
    assert [row["cluster"] for row in rows.clusters] == [0, 0]
    assert all(math.isnan(row["nearest_cosine"]) for row in rows.clusters)


def test_a_network_of_dead_filters_is_counted_not_measured(make_chunk, nulls):
    rows = redundancy_rows(make_chunk(np.zeros((1, 3, 1, 4))), nulls)
    for row in rows.redundancy:
        assert (row["live_filters"], row["dead_filters"], row["clusters"]) == (0, 4, 0)
        assert (row["exact_duplicate_pairs"], row["twin_pairs"], row["near_duplicate_pairs"]) == (0, 0, 0)
        for name in ("mean_nearest_cosine", "redundant_share", "excess", "p_value"):
            assert math.isnan(row[name]), name


def test_each_run_has_a_row_for_each_stage(make_chunk, nulls):
    chunk = make_chunk(stack(TRAINED, INITIAL), initial=stack(INITIAL, TRAINED), seeds=[8, 9])
    rows = redundancy_rows(chunk, nulls).redundancy
    found = [(row["seed"], row["stage"], row["exact_duplicate_pairs"]) for row in rows]
    assert found == [(8, "initial", 0), (8, "trained", 1), (9, "initial", 1), (9, "trained", 0)]


def test_the_redundant_share_stands_beside_that_of_redrawn_kernels(linear):
    def shares(similarities):
        return np.array([redundant_share(own, THRESHOLD) for own in similarities])

    _, trained = stages(linear, nulls_of(100, cluster_null_draws=400))
    draws = redrawn(shares, 4, 3, "nonzero_scale", "glorot_uniform", 4000, np.random.default_rng(99))
    assert trained["null_redundant_share"] == pytest.approx(draws.mean(), abs=4 * draws.std() / 20)
    assert trained["null_redundant_share_low"] == np.quantile(draws, 0.025)
    assert trained["null_redundant_share_high"] == np.quantile(draws, 0.975)


def test_strangers_are_sets_of_filters_of_the_other_networks(make_chunk, nulls):
    """The two others have a filter each, the same one, so that every set of strangers is these twins."""
    apart, single = [[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]
    chunk = make_chunk(stack(apart, single, single), seeds=[0, 1, 2])
    row = next(row for row in redundancy_rows(chunk, nulls).redundancy if row["stage"] == "trained")
    shares = [row[name] for name in ("redundant_share", "strangers_redundant_share", "strangers_mean_nearest_cosine")]
    assert shares == pytest.approx([0, 1 / 2, 1])
    parts = [make_chunk(stack(own), seeds=[seed]) for seed, own in enumerate((apart, single, single))]
    joined = redundancy_tables(parts, {"null_draws": 100}, SimpleNamespace(train_images=IMAGES))[0]
    trained = joined[joined["stage"] == "trained"]
    assert trained["strangers_redundant_share"].tolist() == pytest.approx([1 / 2, 0, 0])
    two = redundancy_rows(make_chunk(stack(apart, apart), seeds=[0, 1]), nulls).redundancy
    assert np.isnan([row["strangers_redundant_share"] for row in two]).all()  # One other network: its filters have met.


# functional.csv


def test_likeness_of_responses_is_that_of_answers_beside_its_null_and_strangers(make_chunk):
    """Where rows of an image are equal, kernels of the same sum give the same answers, however unlike they are."""
    flat = np.random.default_rng(4).integers(0, 256, (9, 1, 28, 1), dtype=np.uint8).repeat(28, axis=1)
    one, other = [[1, 0, 0], [0, 0, 1], [1, 0, 0.01], [1, 0, -1]], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    nulls = Nulls(Measures(null_draws=100, cluster_null_draws=50), flat)
    none = [[0, 0, 0]] * 2
    first, second = (
        next(row for row in redundancy_rows(chunk, nulls).functional if row["stage"] == "trained")
        for chunk in (
            make_chunk(stack(one, other[:2] + none, other[2:] + none), activation="relu", seeds=[0, 1, 2]),
            make_chunk(stack(other), activation="relu", seeds=[0]),
        )
    )
    # The fourth filter of the first network answers 0 to every patch: it is dead by its responses.
    assert (first["response_mean_nearest_cosine"], first["response_redundant_share"]) == pytest.approx((1, 2 / 3))
    assert (first["near_kernels_near_responses"], first["near_responses_near_kernels"]) == pytest.approx((1, 1 / 3))
    assert (second["near_kernels_near_responses"], second["near_responses_near_kernels"]) == pytest.approx((1, 1 / 6))
    assert first["strangers_near_responses_near_kernels"] == pytest.approx(1 / 6)
    # Of re-drawn kernels with a positive weight, two give the same answers if their sums have one sign.
    assert first["null_near_kernels_near_responses"] > 0.9
    assert first["null_near_responses_near_kernels"] < 0.3


# near_duplicates.csv


@pytest.mark.parametrize(("activation", "trained_pairs"), [("linear", 2), ("relu", 1)])
def test_the_curve_counts_pairs_over_each_threshold(make_chunk, nulls, activation, trained_pairs):
    chunk = make_chunk(stack(TRAINED), initial=stack(INITIAL), activation=activation)
    rows = redundancy_rows(chunk, nulls).near_duplicates
    initial_pairs = 4 if activation == "linear" else 3  # the second diagonal and its second axis are at -45 degrees
    assert [row["threshold"] for row in rows] == [0.5, 0.7, 0.95] * 2
    assert [row["pairs"] for row in rows] == [initial_pairs, initial_pairs, 0] + [trained_pairs] * 3
    pairs_of = {"initial": 10, "trained": 6}  # of five filters, and of the four live ones
    assert [row["fraction"] for row in rows] == pytest.approx([row["pairs"] / pairs_of[row["stage"]] for row in rows])


def test_the_curve_stands_beside_its_null(linear, nulls):
    rows = redundancy_rows(linear, nulls).near_duplicates
    for stage, live in (("initial", 5), ("trained", 4)):
        arguments = (live, 3, "nonzero_scale", "glorot_uniform", 20_000, np.random.default_rng(99))
        expected = redrawn(lambda drawn: count_pairs(drawn, CURVE), *arguments) / (live * (live - 1) / 2)
        found = [row["null_fraction"] for row in rows if row["stage"] == stage]
        tolerance = 5 * expected.std(axis=0) / math.sqrt(DRAWS)
        assert np.all(np.abs(found - expected.mean(axis=0)) < tolerance)


# clusters.csv


@pytest.mark.parametrize(
    ("activation", "clusters", "cosines"),
    [("linear", [0, 0, -1, 1, 1], [1, 1, None, 1, 1]), ("relu", [0, 0, -1, 1, 2], [1, 1, None, 0, 0])],
)
def test_each_filter_has_its_cluster_and_its_nearest_cosine(make_chunk, nulls, activation, clusters, cosines):
    chunk = make_chunk(stack(TRAINED), initial=stack(INITIAL), activation=activation, seeds=[3])
    rows = [row for row in redundancy_rows(chunk, nulls).clusters if row["stage"] == "trained"]
    assert [row["filter"] for row in rows] == [0, 1, 2, 3, 4]
    assert {row["seed"] for row in rows} == {3}
    assert [row["cluster"] for row in rows] == clusters
    found = [None if math.isnan(row["nearest_cosine"]) else row["nearest_cosine"] for row in rows]
    assert found == pytest.approx(cosines)


# kernels.csv


def test_kernel_rows_hold_every_weight_of_one_seed_at_both_stages(make_chunk):
    kernels = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)  # (seed, row, column, filter)
    chunk = make_chunk(kernels, initial=-kernels, seeds=[4, 5])
    rows = kernel_rows(chunk, 5)
    assert {row["seed"] for row in rows} == {5}
    assert len(rows) == 2 * 12
    places = [(row["stage"], row["filter"], row["row"], row["column"]) for row in rows]
    assert places == sorted(set(places))
    for row in rows:
        sign = {"initial": -1, "trained": 1}[row["stage"]]
        assert row["weight"] == sign * (12 + 6 * row["row"] + 2 * row["column"] + row["filter"])
        assert (row["dataset"], row["architecture"], row["filters"]) == ("mnist", "question", 2)


def test_redundancy_rows_count_never_firing_relu_filters_and_how_far_kernels_turned(make_chunk, nulls):
    initial, trained = stack([[1, 0, 0], [-1, -1, -1]]), stack([[0, 2, 0], [-1, -1, -1]])
    for activation, never in (("relu", 1), ("linear", 0)):
        before, after = stages(make_chunk(trained, initial=initial, activation=activation), nulls)
        assert (before["never_active_filters"], after["never_active_filters"]) == (never, never)
        assert before["cosine_to_initial"] == pytest.approx(1)
        assert after["cosine_to_initial"] == pytest.approx(0.5)  # one turned by 90 degrees, one not


def test_near_duplicate_pairs_stand_beside_what_chance_gives(linear, nulls):
    rows = redundancy_rows(linear, nulls)
    points = {row["stage"]: row for row in rows.near_duplicates if row["threshold"] == THRESHOLD}
    for row in rows.redundancy:
        point, live = points[row["stage"]], row["live_filters"]
        assert row["null_near_duplicate_pairs"] == pytest.approx(point["null_fraction"] * live * (live - 1) / 2)
        assert row["near_duplicate_pairs"] == point["pairs"]
