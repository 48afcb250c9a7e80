"""Penalties on kernels, and what several networks can share: weights to start from, or batches."""

import keras
import numpy as np
import pytest
from plain_keras import fit
from small_networks import OWN, condition_of

from filtertwins.architectures import Architecture, Start
from filtertwins.training import plain_model, train_chunks

IMAGE, STEPS = (28, 28, 1), 20
BASE = {"kernel": (3, 1), "activation": "linear", "learning_rate": 1e-3, "batch": 48, "steps": STEPS, "filters": (4,)}
ORTHOGONAL = {"OrthogonalRegularizer": {"factor": 1.0, "mode": "columns"}}
SGD = {"optimizer": "sgd", "learning_rate": 0.1}


def architecture(**changes):
    return Architecture.model_validate(BASE | changes)


def train(dataset, settings, seeds=(5, 2), filters=4, starts=OWN):
    """A chunk for each of some settings, trained side by side."""
    conditions = [condition_of(setting, filters, seeds, starts) for setting in settings]
    return train_chunks(dataset, conditions, (0, STEPS), report=lambda line: None)


class OfMatrix(keras.regularizers.Regularizer):
    """A Keras user's penalty on the kernels (row, column, 1, filter) of a layer as a matrix (tap, filter)."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, kernels):
        return self.inner(keras.ops.reshape(kernels, (-1, kernels.shape[-1])))


def plain_training(dataset, setting, seed, penalty=None, batch_seed=None):
    """The weights of a plain Keras network with a penalty on its kernels, after training."""
    model = keras.Sequential(
        [
            keras.layers.Input(IMAGE),
            keras.layers.Conv2D(4, setting.kernel, activation=setting.activation, kernel_regularizer=penalty),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.set_weights(plain_model(setting, 4, seed, IMAGE, 10).get_weights())
    return fit(model, dataset, setting, seed if batch_seed is None else batch_seed, STEPS).get_weights()


def assert_same_weights(chunk, place, weights, atol=2e-5):
    kernels, biases, head, head_bias = weights
    expected = (kernels, biases, head, head_bias)
    for (name, value), plain in zip(vars(chunk.parameters).items(), expected, strict=True):
        np.testing.assert_allclose(value[place], plain, atol=atol, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "penalty", "plain"),
    [
        ({}, ORTHOGONAL, [keras.regularizers.OrthogonalRegularizer(1.0, "columns")]),
        ({"kernel": (5, 2), **SGD}, {"L2": {"l2": 0.5}}, [keras.regularizers.L2(0.5)]),
        ({"activation": "relu"}, ORTHOGONAL, [keras.regularizers.OrthogonalRegularizer(1.0, "columns")]),
        (
            {"activation": "relu", "kernel": (5, 5)},
            {"OrthogonalRegularizer": {"factor": 0.5, "mode": "rows"}},
            [keras.regularizers.OrthogonalRegularizer(0.5, "rows")],
        ),
        (
            {"activation": "tanh", "kernel": (2, 3), **SGD},
            ORTHOGONAL | {"L1": {"l1": 0.1}},
            [keras.regularizers.OrthogonalRegularizer(1.0, "columns"), keras.regularizers.L1(0.1)],
        ),
    ],
)
def test_a_stack_with_penalties_trains_as_plain_keras_with_its_own_regularizers(digits, changes, penalty, plain):
    setting = architecture(**changes, kernel_regularizer=penalty)
    (chunk,) = train(digits, [setting])
    for place, seed in enumerate((5, 2)):
        of_all = OfMatrix(lambda matrix: sum(own(matrix) for own in plain))
        assert_same_weights(chunk, place, plain_training(digits, setting, seed, of_all))
    without = plain_training(digits, setting, 2)
    assert np.abs(without[0] - chunk.parameters.kernels[1]).max() > 1e-3  # far above the tolerance


def test_linear_conditions_with_a_penalty_are_the_same_side_by_side_and_alone(digits):
    setting = architecture(**SGD, kernel_regularizer=ORTHOGONAL, draw_seed=3)
    settings = [setting, setting.model_copy(update={"kernel": (5, 4)})]
    for own, found in zip(settings, train(digits, settings), strict=True):
        (alone,) = train(digits, [own])
        np.testing.assert_array_equal(found.parameters.kernels, alone.parameters.kernels)
        np.testing.assert_array_equal(found.parameters.head, alone.parameters.head)


def test_the_penalty_keeps_filters_apart_where_there_is_room_and_not_where_they_outnumber_the_taps(digits):
    """The sum of absolute cosines is least where all are 0 or 1: if filters outnumber the taps, some coincide."""
    strong = {"OrthogonalRegularizer": {"factor": 100.0, "mode": "columns"}}
    setting = architecture(activation="relu", learning_rate=0.03, kernel_regularizer=strong)
    for kernel, filters, extreme in (((5, 5), 4, 0.0), ((1, 2), 4, 1.0)):
        own = setting.model_copy(update={"kernel": kernel})
        condition = condition_of(own, filters, [0])
        (chunk,) = train_chunks(digits, [condition], (0, 300), report=lambda line: None)
        units = chunk.parameters.kernels[0].reshape(-1, filters)
        units = units / np.linalg.norm(units, axis=0)
        cosines = np.abs(units.T @ units) - 2 * np.eye(filters)
        np.testing.assert_allclose(cosines.max(axis=1), extreme, atol=0.05)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_networks_share_the_initial_weights_of_one_seed_or_its_batches(digits, activation):
    plain = architecture(activation=activation)
    for shared, of_draw, of_batches in (("draw_seed", 7, None), ("batch_seed", None, 7)):
        (chunk,) = train(digits, [plain.model_copy(update={shared: 7})])
        for place, seed in enumerate((5, 2)):
            weights = plain_training(digits, plain, of_draw or seed, batch_seed=of_batches or seed)
            assert_same_weights(chunk, place, weights)
        assert (chunk.snapshot_kernels[0, 0] == chunk.snapshot_kernels[0, 1]).all() == (shared == "draw_seed")
        assert np.abs(chunk.parameters.kernels[0] - chunk.parameters.kernels[1]).max() > 1e-3


def test_an_architectures_scale_multiplies_that_of_each_start_and_a_penalty_leaves_twins_without_a_bound(digits):
    starts = (Start(), Start(second_filter="twin", scale=0.5))
    (scaled,) = train(digits, [architecture(**SGD, scale=0.1)], starts=starts)
    both = [start.model_copy(update={"scale": 0.1 * start.scale}) for start in starts]
    (expected,) = train(digits, [architecture(**SGD)], starts=both)
    np.testing.assert_array_equal(scaled.parameters.kernels, expected.parameters.kernels)
    assert len(scaled.growth) == STEPS
    (penalised,) = train(digits, [architecture(**SGD, kernel_regularizer=ORTHOGONAL)], starts=starts)
    assert len(penalised.growth) == 0
