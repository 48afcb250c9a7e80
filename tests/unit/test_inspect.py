"""Verdicts on layers: what is planted is found, what is random is not, and what can be merged is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inspected import convolution, network, random_kernels, with_twins

from filtertwins.errors import StudyError
from filtertwins.inspect.model import LeftOut, Model
from filtertwins.inspect.page import beside_null
from filtertwins.inspect.report import inspect_arrays, inspect_models
from filtertwins.inspect.sameness import sameness_of
from filtertwins.inspect.verdicts import isotropic_p_value, judge_layers
from filtertwins.measures.multiplicity import holm
from filtertwins.measures.redundancy import directions, similarities_among


def judged(kernels, biases=None, **options):
    (layer,) = judge_layers("model", [convolution(kernels, biases, **options)])
    return layer


def merges(layer):
    return {(pair.first, pair.second): pair.merge for pair in layer.pairs[:3]}


PLANTED = [(0, 47), (1, 46), (2, 45)]


# What is planted is found


@pytest.mark.parametrize(
    ("activation", "scales"),
    [("linear", (-2.0, 0.5, 1.0)), ("relu", (0.3, 4.0, 1.0)), ("tanh", (-1.0, 1.0)), ("gelu", (1.0,)), (None, (1.0,))],
    ids=["any multiple, linear", "scaled twins, ReLU", "antitwins, tanh", "copies, GELU", "copies, unknown"],
)
def test_twins_are_found_and_can_be_merged(rng, activation, scales):
    kernels = with_twins(random_kernels(rng), rng, scales=scales)
    layer = judged(kernels, activation=activation)
    assert layer.verdict == "twins"
    assert layer.test.maximum_p_value == 1 / 200
    assert layer.test.pairs_p_value <= 0.05
    assert merges(layer) == dict.fromkeys(PLANTED, "yes")
    assert layer.clustered[:3] == [list(pair) for pair in PLANTED]
    assert layer.near_pairs == 3
    assert layer.share == pytest.approx(3 / 48)


def test_near_twins_are_found_and_merge_at_a_loss(rng):
    layer = judged(with_twins(random_kernels(rng), rng, noise=0.03), activation="relu")
    assert layer.verdict == "twins"
    assert set(merges(layer)) == set(PLANTED)
    assert all(answer.startswith("at a loss") for answer in merges(layer).values())


def test_a_permuted_copy_has_its_twins_elsewhere_and_all_else_is_the_same(rng):
    kernels = with_twins(random_kernels(rng), rng)
    order = rng.permutation(48)
    layer, permuted = judged(kernels), judged(kernels[order])
    assert permuted.verdict == "twins"
    found = {tuple(sorted(order[[pair.first, pair.second]].tolist())) for pair in permuted.pairs[:3]}
    assert found == set(PLANTED)
    assert permuted.share == layer.share
    assert permuted.test.pairs == layer.test.pairs


def test_half_twins_have_equal_kernels_and_their_biases_keep_them_apart(rng):
    kernels, biases = with_twins(random_kernels(rng), rng), np.zeros(48)
    biases[47] = 1.0
    assert merges(judged(kernels, biases, activation="relu"))[0, 47] == "no: their biases differ"
    assert merges(judged(kernels, biases, activation="relu"))[1, 46] == "yes"
    assert merges(judged(kernels, biases, activation="linear"))[0, 47] == "yes"
    scaled, biases[:] = with_twins(random_kernels(rng), rng, scales=(2.0,)), 1.0
    assert merges(judged(scaled, biases))[0, 47] == "no: their biases differ"
    biases[45:] = 2.0
    assert merges(judged(scaled, biases)) == dict.fromkeys(PLANTED, "yes")


def test_what_keeps_twins_from_being_merged_is_said(rng):
    scaled = with_twins(random_kernels(rng), rng, scales=(2.0,))
    assert merges(judged(scaled, activation="gelu"))[0, 47].endswith("the activation keeps no scale")
    assert merges(judged(scaled, activation=None))[0, 47].endswith("the activation is unknown")
    assert merges(judged(scaled, residual=True))[0, 47].startswith("not alone")
    assert merges(judged(scaled, activation="relu", output=True))[0, 47] == "no: they are outputs of the network"
    depthwise = judged(scaled, kind="depthwise", groups=48)
    assert depthwise.verdict == "twins"
    assert merges(depthwise)[0, 47] == "no: they read different channels"
    assert merges(judged(scaled, kind="grouped", groups=2))[0, 47] == "no: they read different channels"


def test_antitwins_are_none_where_signs_count(rng):
    opposite = with_twins(random_kernels(rng), rng, scales=(-1.0,))
    assert judged(opposite, activation="relu").near_pairs == 0
    assert judged(opposite, activation="relu").verdict == "alike"
    assert judged(opposite, activation="tanh").near_pairs == 3


def test_dead_filters_are_apart_and_no_twins(rng):
    kernels = random_kernels(rng)
    kernels[[3, 5]] = 0
    kernels[8] *= 1e-9
    layer = judged(kernels)
    assert layer.dead == (3, 5, 8)
    assert layer.verdict == "alike"
    assert layer.test.filters == 45
    assert (layer.clusters[[3, 5, 8]] == -1).all()


# When it cannot be told


def test_too_few_filters_are_undecidable_unless_some_are_equal(rng):
    kernels = random_kernels(rng, filters=16, channels=8)
    layer = judged(kernels)
    assert (layer.verdict, layer.reason) == ("undecidable", "16 live filters are too few in 72 dimensions.")
    assert np.isnan([layer.p_value, layer.test.pairs_p_value]).all()
    assert layer.null_share == 0
    assert layer.isotropic_p_value > 0.05
    equal = judged(with_twins(kernels, rng, scales=(1.0, 3.0)))
    assert equal.verdict == "twins"
    assert "equal" in equal.reason
    text = inspect_models([network(convolution(kernels))]).to_text()
    assert "undecidable (n < 1.3 d)" in text
    assert "too few" not in text
    kernels[2:, :] = 0
    assert "2 live filters are too few" in inspect_models([network(convolution(kernels[:, :1]))]).to_text()
    assert judged(kernels[:1]).reason == "Fewer than two of its filters are live."
    assert judged(0 * kernels).verdict == "undecidable"


def test_filters_of_one_weight_are_no_twins(rng):
    assert judged(rng.standard_normal((40, 1, 1, 1))).verdict != "twins"
    assert judged(rng.standard_normal((40, 1, 1, 1)), activation="linear").verdict != "twins"


# Chance


def test_smooth_filters_are_beyond_chance_but_not_beyond_their_shape(rng):
    places = np.arange(3)
    root = np.linalg.cholesky(np.exp(-((places[:, np.newaxis] - places) ** 2) / 2) + 1e-9 * np.eye(3))
    kernels = np.einsum("ab,nkbc,dc->nkad", root, rng.standard_normal((48, 1, 3, 3)), root)
    layer = judged(kernels)
    assert layer.verdict == "alike"
    assert layer.isotropic_p_value < 0.001


@pytest.mark.parametrize(("sets", "margin"), [(100, 0.04), pytest.param(500, 0.015, marks=pytest.mark.slow)])
@pytest.mark.parametrize("initial", ["normal", "uniform"])
def test_random_initialisations_are_no_twins_and_beyond_chance_as_often_as_meant(rng, initial, sets, margin):
    shapes = [(16, 1, 3), (32, 1, 3), (48, 1, 5), (64, 3, 3), (128, 1, 5)]
    layers = []
    for place in range(sets):
        kernels = random_kernels(rng, *shapes[place % len(shapes)])
        layers.append(judged(rng.standard_normal(kernels.shape) if initial == "normal" else kernels))
    twins, chance = np.mean([[each.verdict == "twins", each.isotropic_p_value <= 0.05] for each in layers], axis=0)
    print(f"{sets} {initial} layers: beyond their shape {twins:.3f}, beyond random directions {chance:.3f}")
    assert twins <= 0.05 + margin
    if initial == "normal":  # Uniform kernels are no random directions: more of them are near a cube's corners.
        assert abs(chance - 0.05) <= margin


@pytest.mark.parametrize("equivalence", ["nonzero_scale", "positive_scale"])
@pytest.mark.parametrize(("dimension", "filters"), [(3, 24), (9, 16), (9, 48), (25, 64), (300, 24)])
def test_random_directions_are_rejected_by_isotropic_chance_as_often_as_meant(rng, dimension, filters, equivalence):
    first, second = np.triu_indices(filters, 1)
    p_values = []
    for _ in range(2_000):
        units = directions(rng.standard_normal((filters, dimension)))
        p_values.append(
            isotropic_p_value(similarities_among(units, equivalence)[first, second], dimension, equivalence)
        )
    assert 0.035 <= np.mean(np.array(p_values) <= 0.05) <= 0.065


def test_isotropic_chance_has_answers_at_its_ends():
    assert np.isnan(isotropic_p_value(np.zeros(0), 9, "sign"))
    assert isotropic_p_value(np.ones(3), 1, "sign") == 1
    assert isotropic_p_value(np.array([-0.5]), 3, "positive_scale") > 0.4
    for cosine, equivalence in [(0.0, "sign"), (-1.0, "positive_scale")]:
        assert isotropic_p_value(np.full(10, cosine), 9, equivalence) > 0.99
    assert isotropic_p_value(np.ones(10), 9, "positive_scale") == 0


def test_holms_correction():
    assert holm([0.01, np.nan, 0.04, 0.03]) == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_with_many_layers_a_twin_is_found_by_more_draws(rng):
    layers = [convolution(random_kernels(rng, 20), name=f"conv{place}") for place in range(9)]
    layers.append(convolution(with_twins(random_kernels(rng), rng), name="twins"))
    found = judge_layers("model", layers)
    assert found[-1].draws == 400
    assert found[-1].p_value == pytest.approx(20 / 401)
    assert [layer.name for layer in found if layer.verdict == "twins"] == ["twins"]


# The report


def test_equal_weights_give_equal_numbers_whatever_the_place_and_the_name(rng):
    kernels, others = random_kernels(rng), random_kernels(rng, 20)
    one = judge_layers("a", [convolution(kernels, name="x"), convolution(others, name="y")])
    other = judge_layers("b", [convolution(others, name="p"), convolution(kernels, name="q")])
    assert [layer.test for layer in one] == [layer.test for layer in reversed(other)]
    assert judge_layers("a", [convolution(kernels)], seed=1)[0].test != one[0].test


def test_json_has_the_promised_keys_and_repeats_to_the_byte(rng):
    kernels = {"conv": with_twins(random_kernels(rng), rng), "bad": [[[[np.nan]]]]}
    text = inspect_arrays(kernels, layout="torch", activation="relu", seed=3).to_json()
    assert text == inspect_arrays(kernels, layout="torch", activation="relu", seed=3).to_json()
    report = json.loads(text)
    assert list(report) == ["files", "layers", "left_out"]
    (layer,) = report["layers"]
    head = ["file", "name", "kind", "filters", "dimension", "activation", "verdict", "p_pairs", "p_maximum"]
    assert list(layer) == [*head, "pairs", "clusters", "dead"]
    assert layer["pairs"][0] == {"first": 0, "second": 47, "cosine": 1.0, "norm_ratio": 1.0, "merge": "yes"}
    assert report["left_out"] == [
        {"file": "arrays", "name": "bad", "reason": "Some of its weights are infinite or not numbers."}
    ]


def test_long_names_lose_their_middle():
    left_out = tuple(LeftOut(f"optimizer/{'x' * 100}/{place}", "It is a slot of an optimiser.") for place in range(3))
    lines = inspect_models([Model("model", "arrays", (), left_out)]).to_text().splitlines()
    assert max(map(len, lines)) < 130
    assert "/0, optimizer/" in lines[2]
    assert "/1 and 1 more" in lines[2]


def test_arrays_give_the_same_report_in_either_layout(rng):
    kernels, biases = with_twins(random_kernels(rng, channels=3, filters=64), rng), rng.standard_normal(64)
    torch = inspect_arrays({"c": kernels}, {"c": biases}, activation="relu", layout="torch")
    keras = inspect_arrays({"c": kernels.transpose(2, 3, 1, 0)}, {"c": biases}, activation="relu")
    assert torch.to_json() == keras.to_json()
    assert torch.layers[0].test.dimension == 27
    assert "Nearest pairs of twins" in torch.to_text()
    for wrong, options in [(kernels[0, 0], {}), (kernels, {"layout": "chw"})]:
        with pytest.raises(StudyError, match="allowed"):
            inspect_arrays({"c": wrong}, **options)
    with pytest.raises(StudyError, match="biases of shape"):
        inspect_arrays({"c": kernels}, {"c": biases[:3]}, layout="torch")


def test_the_picture_shows_the_strongest_channel_and_as_many_kernels_of_the_null(rng):
    kernels = random_kernels(rng, channels=2) * np.array([1, 3])[:, np.newaxis, np.newaxis]
    own, null = beside_null(judged(kernels), seed=0)
    np.testing.assert_array_equal(own[0], kernels[:, 1])
    assert null[0].shape == (48, 3, 3)
    assert not own[1].any()


def test_activations_are_known_by_the_names_of_several_frameworks():
    assert sameness_of("LeakyReLU") == sameness_of("leaky_relu") == sameness_of("relu")
    assert sameness_of("Tanh").equivalence == "sign"
    assert sameness_of("relu6") == sameness_of("silu") != sameness_of(None)
