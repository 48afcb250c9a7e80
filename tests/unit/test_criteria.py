"""Criteria: what each sees and is blind to, what leaves it unchanged, and its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_networks import ACTIVATIONS, ELEMENTS, POSITIONS, by_filter, draw, draw_images

from filtertwins.experiments.removal import removal_costs
from filtertwins.networks.forward import cross_entropies, logits
from filtertwins.networks.weights import Parameters
from filtertwins.pruning.criteria import CRITERIA, TrainedNetwork, importances, saliencies
from filtertwins.pruning.hessian import hessian_diagonal

CLASSES, IMAGES = 5, 60
NAMES = [name for name in CRITERIA if name != "random"]
BY_WHAT_IT_DOES = ["obd", "taylor", "oracle"]


def drawn(rng, activation, filters=5):
    return TrainedNetwork(draw(rng, filters, CLASSES), activation, *draw_images(rng, IMAGES, CLASSES), seed=0)


def of_kernels(rng, vectors, activation="linear"):
    """A network of kernels (filter, kernel element) without biases; elements that are not given are 0."""
    trained = drawn(rng, activation, len(vectors))
    given = np.zeros((ELEMENTS, len(vectors)))
    given[: len(vectors[0])] = np.transpose(vectors)
    trained.network.kernels[0] = given.reshape(trained.network.kernels[0].shape)
    trained.network.biases[:] = 0
    return trained


DEAD, TWINS = 2, [4, 6]


@pytest.fixture(params=ACTIVATIONS)
def planted(request, rng):
    """The importances of orthogonal filters, but for two equal ones, a little longer, and one without a kernel.

    The twins' dense weights are larger than the others', and the labels are what the network answers: it needs each of
    its filters, and the twins most.
    """
    vectors = np.eye(6)[[0, 1, 0, 2, 3, 4, 3, 5]]
    vectors[TWINS] *= 1.2
    vectors[DEAD] = 0
    trained = of_kernels(rng, vectors, request.param)
    trained.network.head[:] *= 5  # the answers depend on the filters, and hardly on the output biases
    by_filter(trained.network)[:, TWINS] *= 3
    labels = logits(trained.network, trained.images, request.param)[0].argmax(axis=1).astype(np.uint8)
    return importances(replace(trained, labels=labels), NAMES)


def first_to_go(importance, count):
    return set(np.argsort(importance, kind="stable")[:count].tolist())


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_dead_filter_goes_first(planted, name):
    importance = planted[name]
    assert np.delete(importance, DEAD).min() > importance[DEAD]
    if name != "fpgm":  # which is about distances, and a dead filter has some
        assert importance[DEAD] == 0


def test_one_of_planted_twins_goes_next_by_cosine_both_by_the_geometric_median_and_none_by_the_others(planted):
    importance = planted["nearest_cosine"]
    assert first_to_go(importance, 2) == {DEAD, TWINS[0]}
    assert importance[TWINS[0]] == pytest.approx(0, abs=1e-12)
    assert importance[TWINS[1]] == pytest.approx(1, abs=1e-6)
    assert first_to_go(planted["fpgm"], 3) == {DEAD, *TWINS}
    for name in ("l1", *BY_WHAT_IT_DOES):
        assert not first_to_go(planted[name], 6) & set(TWINS)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_importance_belongs_to_the_filter_and_not_to_its_place(rng, activation, name):
    trained = drawn(rng, activation, filters=6)
    order, network = rng.permutation(6), trained.network
    head = by_filter(network)[:, order].reshape(network.head.shape)
    shuffled = Parameters(network.kernels[..., order], network.biases[..., order], head, network.head_bias)
    before, after = (CRITERIA[name](t) for t in (trained, replace(trained, network=shuffled)))
    assert before.shape == (6,)
    np.testing.assert_allclose(after, before[order], rtol=1e-5, atol=1e-12)


def rescaled(trained, factors):
    """Kernels and biases times factors (filter,), dense weights divided by them."""
    network, factors = trained.network, np.float32(factors)
    head = (by_filter(network) / factors[:, np.newaxis]).reshape(network.head.shape)
    smaller = Parameters(network.kernels * factors, network.biases * factors, head, network.head_bias)
    return replace(trained, network=smaller)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_scales_and_signs_that_the_dense_weights_undo_change_no_importance_by_what_a_filter_does(rng, activation):
    trained = drawn(rng, activation)
    before, signed, scaled, longer = (
        importances(rescaled(trained, factors), NAMES)
        for factors in (np.ones(5), [1, -1, -1, 1, -1], 2.0 ** rng.integers(-3, 4, 5), np.full(5, 4.0))
    )
    for name in NAMES:  # under ReLU a filter's opposite is another filter
        assert np.allclose(signed[name], before[name], rtol=1e-5) == (activation != "relu" or name == "l1"), name
    for name in BY_WHAT_IT_DOES if activation != "tanh" else []:
        np.testing.assert_allclose(scaled[name], before[name], rtol=1e-5)
    for name, factor in (("l1", 4), ("fpgm", 4), ("nearest_cosine", 1)):
        np.testing.assert_allclose(longer[name], factor * before[name], rtol=1e-12)


# Definitions


@pytest.mark.parametrize(
    ("activation", "bias", "signs"), [("linear", 0, [1, -1]), ("relu", 1, [1]), ("tanh", 1, [1, -1])]
)
def test_fpgm_is_the_sum_of_distances_to_the_nearer_sign_that_the_activation_allows(rng, activation, bias, signs):
    trained = drawn(rng, activation)
    kernels = trained.network.kernels[0].reshape(-1, 5).T.astype(float)
    vectors = np.column_stack([kernels, bias * trained.network.biases[0].astype(float)])
    expected = [sum(min(np.linalg.norm(own - sign * other) for sign in signs) for other in vectors) for own in vectors]
    np.testing.assert_allclose(CRITERIA["fpgm"](trained), expected, rtol=1e-12)
    np.testing.assert_allclose(CRITERIA["l1"](trained), np.abs(kernels).sum(axis=1), rtol=1e-12)


def test_by_cosine_the_smaller_of_the_most_similar_pair_goes_and_similarity_is_of_those_left(rng):
    angles, lengths = np.radians([0, 10, 25, 85]), [3, 2, 1, 4]
    vectors = np.zeros((4, 6))
    vectors[:, 0], vectors[:, 1] = lengths * np.cos(angles), lengths * np.sin(angles)
    importance = CRITERIA["nearest_cosine"](of_kernels(rng, vectors))
    # 0 and 10 degrees: the second goes; 0 and 25: the third; 0 and 85: the first; and the last is like no other.
    np.testing.assert_allclose(importance, [*(1 - np.cos(np.radians([85, 10, 25]))), 1], atol=1e-6)


def test_among_many_twins_the_order_of_going_is_the_order_of_importance_and_the_longest_stays(rng):
    importance = CRITERIA["nearest_cosine"](of_kernels(rng, np.outer([2, -1, 4, 3], np.ones(6))))
    assert len(set(importance)) == 4
    np.testing.assert_allclose(importance, [0, 0, 1, 0], atol=1e-12)
    assert CRITERIA["nearest_cosine"](drawn(rng, "relu", filters=1)).tolist() == [1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_obd_shares_out_all_saliency_but_that_of_the_output_biases(rng, activation):
    trained = drawn(rng, activation)
    curvature = hessian_diagonal(trained.network, trained.images, trained.labels, activation)
    per_weight = saliencies(trained.network, curvature)
    for name, weights in vars(trained.network).items():
        expected = getattr(curvature, name) * weights.astype(float) ** 2 / 2
        np.testing.assert_allclose(getattr(per_weight, name), expected, rtol=1e-12)
    importance = CRITERIA["obd"](trained)
    second = per_weight.kernels[..., 1].sum() + per_weight.biases[0, 1] + by_filter(per_weight)[:, 1].sum()
    assert importance[1] == pytest.approx(second, rel=1e-12)
    everything = sum(part.sum() for part in vars(per_weight).values())
    assert importance.sum() + per_weight.head_bias.sum() == pytest.approx(everything, rel=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_taylor_is_the_loss_of_each_image_by_the_filters_size(rng, activation):
    """The gradient by an entry times the entry, summed over a map, is the derivative by a factor of the whole map."""
    trained = drawn(rng, activation)
    step = 1e-5

    def losses(filter_, factor):
        network = replace(trained.network, head=trained.network.head.astype(float))
        by_filter(network)[:, filter_] *= factor
        return cross_entropies(logits(network, trained.images, activation)[0], trained.labels)

    slopes = [(losses(filter_, 1 + step) - losses(filter_, 1 - step)) / (2 * step) for filter_ in range(5)]
    expected = np.abs(np.array(slopes) / POSITIONS).mean(axis=1)
    np.testing.assert_allclose(CRITERIA["taylor"](trained), expected, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_oracle_is_the_measured_increase_of_the_loss_with_its_sign(rng, activation):
    trained = drawn(rng, activation)
    expected = removal_costs(trained.network, trained.images, trained.labels, activation).loss_increase
    np.testing.assert_allclose(CRITERIA["oracle"](trained), expected, rtol=1e-9, atol=1e-14)


def test_chance_is_fixed_by_the_seed_and_sees_nothing_else(rng):
    trained, unlike = drawn(rng, "linear"), drawn(rng, "tanh")
    first, again, other = (CRITERIA["random"](t) for t in (trained, replace(unlike, seed=0), replace(trained, seed=4)))
    assert (first == again).all()
    assert (first != other).all()
