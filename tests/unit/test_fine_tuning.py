"""Training on: pruned networks of one width together, with some weights held, and how long networks take to answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from plain_keras import fit, pixels

from filtertwins.architectures import Architecture
from filtertwins.networks.forward import cross_entropies, logits
from filtertwins.networks.weights import Parameters, stacked
from filtertwins.pruning.shrinking import remove_filters
from filtertwins.training import convolutional, fine_tune, measure_latency, plain_model
from filtertwins.training.fine_tuning import HELD_OUT
from filtertwins.training.networks import initial_parameters
from filtertwins.training.one_layer import train_stack
from filtertwins.training.streams import Purpose, batches

IMAGE, CLASSES = (28, 28, 1), 10
VALIDATION, TEST = 0, 1
STEPS = 5


# How a stack computes networks with an activation: names and values of training.convolutional.
WAYS = {
    "together": {"TOGETHER_FILTERS": 1000, "BAND_ENTRIES": 2**30},
    "together, in bands": {"TOGETHER_FILTERS": 1000, "BAND_ENTRIES": 40_000},
    "together, in bands and slices": {
        "TOGETHER_FILTERS": 1000,
        "BAND_ENTRIES": 40_000,
        "FEW_TAPS": 0,
        "FEW_FILTERS": 0,
    },
    "alone, in bands": {"TOGETHER_FILTERS": 1, "BAND_ENTRIES": 40_000},
}


@pytest.fixture
def activation(request, monkeypatch):
    """One of :func:`computed`: an activation, computed in some way."""
    activation, way = request.param
    for name, value in WAYS[way].items():
        monkeypatch.setattr(convolutional, name, value)
    return activation


def computed(activation):
    """Networks with an activation in every way; those without one are computed in one way only."""
    ways = [("linear", "together"), *((activation, way) for way in WAYS)]
    return pytest.mark.parametrize("activation", ways, indirect=True, ids=map(" ".join, ways))


def architecture(activation="relu", **changes):
    base = {"kernel": (3, 1), "activation": activation, "learning_rate": 1e-2, "batch": 32, "steps": 9, "filters": (4,)}
    return Architecture.model_validate(base | changes)


def pruned_networks(setting, seeds=(0, 0, 3, 3), kept=((0, 1), (1, 3), (0, 1), (0, 2))):
    """Networks of four filters, of which two stay."""
    drawn = (initial_parameters(setting, 4, [seed], IMAGE, CLASSES) for seed in seeds)
    return stacked([remove_filters(network, own) for network, own in zip(drawn, kept, strict=True)])


def tune(dataset, setting, networks, seeds=(0, 0, 3, 3), **options):
    return fine_tune(dataset, setting, networks, seeds, STEPS, "test", report=lambda line: None, **options)


def plainly_trained_on(dataset, setting, network, seed):
    """A Keras user's own loop from given weights; the test split's mean loss."""
    model = plain_model(setting, network.kernels.shape[-1], seed, IMAGE, CLASSES)
    model.set_weights([network.kernels[0], network.biases[0], network.head[0], network.head_bias[0]])
    fit(model, dataset, setting, seed, STEPS, Purpose.FINE_TUNING)
    return model.evaluate(pixels(dataset.test_images), dataset.test_labels, batch_size=500, verbose=0)[0]


@computed("tanh")
def test_the_first_scores_are_those_of_the_pruned_networks(digits, activation):
    setting = architecture(activation)
    pruned = pruned_networks(setting)
    before, _ = tune(digits, setting, pruned)
    answers = logits(pruned, digits.test_images, activation)
    expected = cross_entropies(answers, digits.test_labels).mean(axis=1)
    np.testing.assert_allclose(before.losses[TEST], expected, rtol=1e-5)
    np.testing.assert_array_equal(before.correct[TEST], (answers.argmax(-1) == digits.test_labels).sum(axis=1))
    assert before.splits == HELD_OUT
    assert before.images.tolist() == [180, 360]


@computed("relu")
def test_networks_train_on_as_a_keras_user_would_with_a_fresh_optimizer_and_new_batches(digits, activation):
    setting = architecture(activation)
    pruned = pruned_networks(setting)
    _, after = tune(digits, setting, pruned)
    for index, seed in enumerate((0, 0, 3, 3)):
        expected = plainly_trained_on(digits, setting, pruned.of_seed(index), seed)
        assert after.losses[TEST, index] == pytest.approx(expected, rel=2e-4)
    assert len(set(after.losses[TEST])) == 4


def test_training_on_sees_other_batches_than_training_did():
    used = {tuple(batch) for batch in itertools.islice(batches(0, 200, 20), 30)}
    assert not used & {tuple(batch) for batch in itertools.islice(batches(0, 200, 20, Purpose.FINE_TUNING), 30)}


@computed("relu")
def test_equal_networks_of_a_seed_stay_equal_whatever_stands_beside_them(digits, activation):
    rounding = 0 if activation == "relu" else 1e-6
    setting = architecture(activation)
    pruned = pruned_networks(setting, kept=((0, 1), (0, 1), (0, 1), (0, 2)))
    _, after = tune(digits, setting, pruned)
    assert after.losses[VALIDATION, 0] == pytest.approx(after.losses[VALIDATION, 1], rel=rounding, abs=0)
    _, alone = tune(digits, setting, pruned.of_seed(0), (0,))
    assert after.losses[VALIDATION, 0] == pytest.approx(alone.losses[VALIDATION, 0], rel=1e-5)


@computed("relu")
@pytest.mark.parametrize("optimizer", [{}, {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}])
def test_weights_that_are_held_stay_as_they_are_and_the_others_train(digits, activation, optimizer):
    setting = architecture(activation, **optimizer)
    initial = pruned_networks(setting)
    rng = np.random.default_rng(0)
    trainable = Parameters(*(rng.random(part.shape) < 0.5 for part in vars(initial).values()))
    start = Parameters(
        *(np.where(own, part, 0) for part, own in zip(vars(initial).values(), vars(trainable).values(), strict=True))
    )
    trained = train_stack(
        digits, setting, [start], [0, 0, 3, 3], (0, STEPS), "test", trainable=trainable, report=lambda line: None
    ).parameters[0]
    for name, own in vars(trainable).items():
        assert not getattr(trained, name)[~own].any()
    moved = trained.kernels[trainable.kernels] != start.kernels[trainable.kernels]
    assert moved.all()
    assert (trained.head[trainable.head] != start.head[trainable.head]).mean() > 0.3  # not of pixels that are dark


def test_latency_is_measured_for_each_network_and_round_and_grows_with_the_network(digits):
    models = [plain_model(architecture(), filters, 0, IMAGE, CLASSES) for filters in (1, 64)]
    latency_s = measure_latency(models, digits.test_images[:64], rounds=3)
    assert latency_s.shape == (2, 3)
    assert (latency_s > 0).all()
    assert np.median(latency_s[1]) > np.median(latency_s[0])
