"""Criteria: what each sees and is blind to, what leaves it unchanged, and its definition."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import hadamard

from filtertwins.errors import StudyError
from filtertwins.experiments.removal import removal_costs
from filtertwins.networks.forward import cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.criteria import CRITERIA, METHODS, TrainedNetwork, importances, saliencies
from filtertwins.pruning.hessian import hessian_diagonal

IMAGE, KERNEL, POSITIONS, CLASSES, IMAGES = (6, 5), (4, 2), 3 * 4, 5, 60
ACTIVATIONS = ["linear", "relu", "tanh"]
BY_WHAT_IT_DOES = ["obd", "taylor", "oracle"]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (IMAGES, *IMAGE), dtype=np.uint8)


def of_filters(vectors, biases, dense, head_bias=None):
    """A network of kernels (filter, kernel element) and dense weights (filter, position, class)."""
    filters = len(vectors)
    head_bias = np.zeros(CLASSES) if head_bias is None else head_bias
    return Parameters(
        np.float32(np.transpose(vectors).reshape(1, *KERNEL, filters)),
        np.float32(biases)[np.newaxis],
        np.float32(np.transpose(dense, (1, 0, 2)).reshape(1, -1, CLASSES)),
        np.float32(head_bias)[np.newaxis],
    )


def trained_on_its_own_answers(network, images, activation, seed=0):
    """Labels as the network answers: it needs each of its filters."""
    labels = logits(network, images, activation)[0].argmax(axis=1).astype(np.uint8)
    return TrainedNetwork(network, activation, images, labels, seed)


def drawn(rng, images, activation, filters=5):
    vectors, biases = rng.normal(0, 0.5, (filters, KERNEL[0] * KERNEL[1])), rng.normal(0, 0.2, filters)
    dense = rng.normal(0, 0.3, (filters, POSITIONS, CLASSES))
    network = of_filters(vectors, biases, dense, rng.normal(0, 0.3, CLASSES))
    return TrainedNetwork(network, activation, images, rng.integers(0, CLASSES, IMAGES).astype(np.uint8), 0)


DEAD, TWINS, OTHERS = 2, [4, 6], [0, 1, 3, 5, 7]


def planted(rng, images, activation):
    """Eight filters: orthogonal ones of length 1 but for two equal ones, a little longer, and one without a kernel.

    All entries of a kernel are of one size, so that L1 depends on its length alone. The twins' dense weights are larger
    than the others': each matters much for the answers.
    """
    vectors = hadamard(8)[[1, 2, 0, 3, 4, 5, 4, 6]] / np.sqrt(8)
    vectors[TWINS] *= 1.2
    vectors[DEAD] = 0
    dense = rng.normal(0, 2, (8, POSITIONS, CLASSES))
    dense[TWINS] *= 3
    return trained_on_its_own_answers(of_filters(vectors, np.zeros(8), dense), images, activation)


def first_to_go(importance, count):
    return set(np.argsort(importance, kind="stable")[:count].tolist())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "random"])
def test_a_planted_dead_filter_goes_first(rng, images, activation, name):
    importance = CRITERIA[name].importance(planted(rng, images, activation))
    assert first_to_go(importance, 1) == {DEAD}
    assert np.delete(importance, DEAD).min() > importance[DEAD]
    if name != "fpgm":  # which is about distances, and a dead filter has some
        assert importance[DEAD] == 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_of_planted_twins_goes_next_by_cosine_and_the_other_is_as_unlike_the_rest_as_any(rng, images, activation):
    importance = CRITERIA["nearest_cosine"].importance(planted(rng, images, activation))
    assert first_to_go(importance, 2) == {DEAD, TWINS[0]}
    assert importance[TWINS[0]] == pytest.approx(0, abs=1e-12)
    assert importance[TWINS[1]] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_both_planted_twins_go_next_by_the_geometric_median(rng, images, activation):
    """It sees twins, but not that one of them is needed."""
    importance = CRITERIA["fpgm"].importance(planted(rng, images, activation))
    assert first_to_go(importance, 3) == {DEAD, *TWINS}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["l1", *BY_WHAT_IT_DOES])
def test_criteria_of_a_filter_on_its_own_keep_both_planted_twins(rng, images, activation, name):
    importance = CRITERIA[name].importance(planted(rng, images, activation))
    assert not first_to_go(importance, 6) & set(TWINS)


def test_chance_sees_nothing(rng, images):
    assert (
        importances(planted(rng, images, "relu"), ["random"])["random"]
        == importances(drawn(rng, images, "tanh", filters=8), ["random"])["random"]
    ).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "random"])
def test_importance_belongs_to_the_filter_and_not_to_its_place(rng, images, activation, name):
    trained = drawn(rng, images, activation, filters=6)
    order = rng.permutation(6)
    network = trained.network
    shuffled = Parameters(
        network.kernels[..., order],
        network.biases[..., order],
        network.head.reshape(1, POSITIONS, 6, CLASSES)[:, :, order].reshape(1, -1, CLASSES),
        network.head_bias,
    )
    before, after = (CRITERIA[name].importance(t) for t in (trained, replace(trained, network=shuffled)))
    assert before.shape == (6,)
    assert len(set(before)) == 6
    np.testing.assert_allclose(after, before[order], rtol=1e-5, atol=1e-12)


def rescaled(trained, factors):
    """Kernels and biases times factors (filter,), dense weights divided by them."""
    network, factors = trained.network, np.float32(factors)
    dense = network.head.reshape(1, POSITIONS, -1, CLASSES) / factors[:, np.newaxis]
    kernels, biases = network.kernels * factors, network.biases * factors
    return replace(trained, network=Parameters(kernels, biases, dense.reshape(network.head.shape), network.head_bias))


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("name", BY_WHAT_IT_DOES)
def test_scaling_that_the_dense_weights_undo_changes_no_importance_by_what_a_filter_does(rng, images, activation, name):
    trained = drawn(rng, images, activation)
    before, after = (CRITERIA[name].importance(t) for t in (trained, rescaled(trained, 2.0 ** rng.integers(-3, 4, 5))))
    np.testing.assert_allclose(after, before, rtol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "random"])
def test_a_sign_that_the_dense_weights_undo_changes_no_importance(rng, images, activation, name):
    trained = drawn(rng, images, activation)
    before, after = (CRITERIA[name].importance(t) for t in (trained, rescaled(trained, [1, -1, -1, 1, -1])))
    np.testing.assert_allclose(after, before, rtol=1e-5)


@pytest.mark.parametrize("name", ["fpgm", "nearest_cosine"])
def test_under_relu_a_filter_and_its_opposite_are_far_apart(rng, images, name):
    trained = drawn(rng, images, "relu")
    before, after = (CRITERIA[name].importance(t) for t in (trained, rescaled(trained, [1, -1, -1, 1, -1])))
    assert not np.allclose(after, before, rtol=0.01)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_criteria_of_kernels_scale_with_all_of_them_and_cosines_do_not(rng, images, activation):
    trained = drawn(rng, images, activation)
    longer = rescaled(trained, np.full(5, 4.0))
    for name, factor in (("l1", 4), ("fpgm", 4), ("nearest_cosine", 1)):
        before, after = (CRITERIA[name].importance(t) for t in (trained, longer))
        np.testing.assert_allclose(after, factor * before, rtol=1e-12)


# Definitions


@pytest.mark.parametrize(
    ("activation", "bias", "signs"), [("linear", 0, [1, -1]), ("relu", 1, [1]), ("tanh", 1, [1, -1])]
)
def test_fpgm_is_the_sum_of_distances_to_the_nearer_sign_that_the_activation_allows(
    rng, images, activation, bias, signs
):
    trained = drawn(rng, images, activation)
    kernels = trained.network.kernels[0].reshape(-1, 5).T.astype(float)
    vectors = np.column_stack([kernels, bias * trained.network.biases[0].astype(float)])
    expected = [sum(min(np.linalg.norm(own - sign * other) for sign in signs) for other in vectors) for own in vectors]
    np.testing.assert_allclose(CRITERIA["fpgm"].importance(trained), expected, rtol=1e-12)


def test_l1_adds_up_absolute_weights(rng, images):
    trained = drawn(rng, images, "relu")
    expected = np.abs(trained.network.kernels[0].astype(float)).reshape(-1, 5).sum(axis=0)
    np.testing.assert_allclose(CRITERIA["l1"].importance(trained), expected, rtol=1e-12)


def test_by_cosine_the_smaller_of_the_most_similar_pair_goes_and_similarity_is_of_those_left(rng, images):
    angles, lengths = np.radians([0, 10, 25, 85]), [3, 2, 1, 4]
    vectors = np.zeros((4, 8))
    vectors[:, 0], vectors[:, 1] = lengths * np.cos(angles), lengths * np.sin(angles)
    trained = drawn(rng, images, "linear", filters=4)
    network = of_filters(vectors, np.zeros(4), np.ones((4, POSITIONS, CLASSES)))
    importance = CRITERIA["nearest_cosine"].importance(replace(trained, network=network))
    # 0 and 10 degrees: the second goes; 0 and 25: the third; 0 and 85: the first; and the last is like no other.
    expected = [1 - np.cos(np.radians(85)), 1 - np.cos(np.radians(10)), 1 - np.cos(np.radians(25)), 1]
    np.testing.assert_allclose(importance, expected, atol=1e-6)


def test_among_many_twins_the_order_of_going_is_the_order_of_importance(rng, images):
    trained = drawn(rng, images, "linear", filters=4)
    vectors = np.outer([2, -1, 4, 3], np.ones(8))
    network = of_filters(vectors, np.zeros(4), np.ones((4, POSITIONS, CLASSES)))
    importance = CRITERIA["nearest_cosine"].importance(replace(trained, network=network))
    assert len(set(importance)) == 4
    assert importance.argmax() == 2  # the longest stays to the last
    assert importance[2] == 1
    np.testing.assert_allclose(np.delete(importance, 2), 0, atol=1e-12)


def test_an_only_filter_is_like_no_other(rng, images):
    assert CRITERIA["nearest_cosine"].importance(drawn(rng, images, "relu", filters=1)).tolist() == [1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_obd_shares_out_all_saliency_but_that_of_the_output_biases(rng, images, activation):
    trained = drawn(rng, images, activation)
    curvature = hessian_diagonal(trained.network, images, trained.labels, activation)
    weights, h = trained.network, curvature
    per_weight = saliencies(weights, curvature)
    for name in vars(weights):
        expected = getattr(h, name) * getattr(weights, name).astype(float) ** 2 / 2
        np.testing.assert_allclose(getattr(per_weight, name), expected, rtol=1e-12)
    importance = CRITERIA["obd"].importance(trained)
    second = (
        per_weight.kernels[..., 1].sum()
        + per_weight.biases[0, 1]
        + per_weight.head.reshape(POSITIONS, 5, CLASSES)[:, 1].sum()
    )
    assert importance[1] == pytest.approx(second, rel=1e-12)
    everything = sum(part.sum() for part in vars(per_weight).values())
    assert importance.sum() + per_weight.head_bias.sum() == pytest.approx(everything, rel=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_taylor_is_the_loss_of_each_image_by_the_filters_size(rng, images, activation):
    """The gradient by an entry times the entry, summed over a map, is the derivative by a factor of the whole map."""
    trained = drawn(rng, images, activation)
    step = 1e-5

    def losses(filter_, factor):
        head = trained.network.head.astype(float).reshape(1, POSITIONS, 5, CLASSES).copy()
        head[:, :, filter_] *= factor
        network = replace(trained.network, head=head.reshape(1, -1, CLASSES))
        return cross_entropies(logits(network, images, activation)[0], trained.labels)

    slopes = [(losses(filter_, 1 + step) - losses(filter_, 1 - step)) / (2 * step) for filter_ in range(5)]
    expected = np.abs(np.array(slopes) / POSITIONS).mean(axis=1)
    np.testing.assert_allclose(CRITERIA["taylor"].importance(trained), expected, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_oracle_is_the_measured_increase_of_the_loss_with_its_sign(rng, images, activation):
    trained = drawn(rng, images, activation)
    expected = removal_costs(trained.network, images, trained.labels, activation).loss_increase
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(CRITERIA["oracle"].importance(trained), expected, rtol=1e-9, atol=1e-14)


def test_chance_is_fixed_by_the_seed(rng, images):
    trained = drawn(rng, images, "linear")
    first, again, other = (CRITERIA["random"].importance(replace(trained, seed=seed)) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).all()


# The registry


def test_methods_are_the_criteria_and_merging():
    assert METHODS == ("random", "l1", "fpgm", "nearest_cosine", "obd", "taylor", "oracle", "cosine_merge")
    for name, entry in CRITERIA.items():
        assert entry.name == name
        assert entry.importance.__doc__
        assert (entry.paper is None) == (name == "random")
    assert str(CRITERIA["l1"].paper) == "Li et al. 2017 (ICLR; arXiv:1608.08710)"
    assert str(CRITERIA["obd"].paper) == "LeCun, Denker & Solla 1990 (NIPS 2)"


def test_importances_come_by_name_in_the_order_asked_for(rng, images):
    trained = drawn(rng, images, "tanh")
    found = importances(trained, ["taylor", "l1"])
    assert list(found) == ["taylor", "l1"]
    assert (found["l1"] == CRITERIA["l1"].importance(trained)).all()


def test_an_unknown_criterion_is_refused_with_what_is_meant(rng, images):
    with pytest.raises(StudyError, match=r"criterion 'tailor': unknown; allowed: random, .*; did you mean 'taylor'\?"):
        importances(drawn(rng, images, "linear"), ["l1", "tailor"])


def test_naming_the_criteria_is_cheap(root):
    program = "import json, sys, filtertwins.pruning.criteria; print(json.dumps(sorted(sys.modules)))"
    path = {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "filtertwins.pruning.criteria" in loaded
    assert not {"sklearn", "scipy.stats", "statsmodels", "matplotlib", "tensorflow"} & loaded
