"""What experiments train: planted starts side by side, dropout, frozen kernels, permuted labels."""

import copy
import dataclasses
import itertools

import keras
import numpy as np
import pytest

from filtertwins.data import datasets
from filtertwins.experiments.twins import growth_bound
from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters
from filtertwins.settings import Architecture, Start
from filtertwins.training import plain_model, train_chunk
from filtertwins.training.networks import initial_parameters
from filtertwins.training.starts import outgoing_separation, start_from
from filtertwins.training.streams import batches, training_labels

IMAGE = (28, 28)
OWN = (Start(),)
TWIN, HALF_TWIN, SILENT = (Start(second_filter=kind) for kind in ("twin", "half_twin", "silent"))
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9},
    "decay": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.1},
    "adam": {"optimizer": "adam", "learning_rate": 0.003},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.1},
}


@pytest.fixture(scope="module")
def digits():
    return datasets.load_digits()


def architecture(**changes):
    base = {"kernel": (3, 1), "activation": "linear", "learning_rate": 3e-3, "batch": 48, "steps": 30, "filters": (4,)}
    return Architecture.model_validate(base | changes)


def train(dataset, setting, seeds=(0,), starts=OWN, steps=(0, 1, 5, 30), filters=4):
    return train_chunk(dataset, setting, filters, seeds, steps, {}, starts, report=lambda line: None)


def of(chunk, seed, start=0):
    """Place of a network in its chunk."""
    return int(np.flatnonzero((chunk.seeds == seed) & (chunk.starts == start)).item())


def weights(chunk, index):
    return {name: value[index] for name, value in vars(chunk.parameters).items()}


def twins_distance(chunk):
    """Of the first two filters' kernels and biases, (snapshot, network)."""
    kernels = chunk.snapshot_kernels.astype(float)
    apart = (kernels[..., 0] - kernels[..., 1]).reshape(*kernels.shape[:2], -1)
    by_bias = chunk.snapshot_biases[..., 0].astype(float) - chunk.snapshot_biases[..., 1]
    return np.hypot(np.linalg.norm(apart, axis=2), by_bias)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_starts_side_by_side_train_like_each_alone(digits, activation):
    setting, starts = architecture(activation=activation), (Start(), TWIN, Start(scale=0.1))
    chunk = train(digits, setting, (2, 5), starts)
    assert chunk.seeds.tolist() == [2, 2, 2, 5, 5, 5]
    assert chunk.starts.tolist() == [0, 1, 2, 0, 1, 2]
    for index, start in enumerate(starts):
        alone = train(digits, setting, (5,), (start,))
        for name, value in weights(chunk, of(chunk, 5, index)).items():
            np.testing.assert_allclose(value, weights(alone, 0)[name], atol=3e-5, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_planted_twins_stay_equal_to_the_bit(digits, activation, optimizer):
    setting = architecture(activation=activation, **OPTIMIZERS[optimizer])
    chunk = train(digits, setting, (0, 1), (TWIN,))
    assert (twins_distance(chunk) == 0).all()
    assert (chunk.outgoing_separation == 0).all()
    assert np.abs(chunk.snapshot_kernels[-1] - chunk.snapshot_kernels[0]).max() > 1e-3


def test_many_filters_and_large_kernels_leave_twins_equal_too(digits):
    for changes, filters in (({}, 64), ({"activation": "relu", "kernel": (5, 5)}, 64)):
        chunk = train(digits, architecture(**changes), starts=(TWIN,), steps=(0, 3), filters=filters)
        assert (twins_distance(chunk) == 0).all()
        assert (chunk.outgoing_separation == 0).all()


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize(("dropout", "start"), [(0.0, HALF_TWIN), (0.5, TWIN)])
def test_half_twins_and_twins_under_dropout_part_at_the_first_step(digits, activation, dropout, start):
    distance = twins_distance(train(digits, architecture(activation=activation, dropout=dropout), starts=(start,)))
    assert distance[0] == 0
    assert (distance[1:] > 0).all()


def test_dropout_draws_depend_on_the_seed_and_step_alone(digits):
    setting = architecture(activation="relu", dropout=0.5)
    together, alone = train(digits, setting, (0, 1, 2)), train(digits, setting, (2,))
    np.testing.assert_allclose(together.parameters.kernels[2], alone.parameters.kernels[0], atol=2e-6)
    assert not np.allclose(together.parameters.kernels[1], together.parameters.kernels[2])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_silent_filter_stays_so_and_the_rest_trains_as_a_network_of_one_fewer(digits, activation, optimizer):
    setting = architecture(activation=activation, **OPTIMIZERS[optimizer])
    chunk = train(digits, setting, (3,), (SILENT,))
    trained = weights(chunk, 0)
    assert not trained["kernels"][..., 1].any()
    assert trained["biases"][1] == 0
    head = trained["head"].reshape(-1, 4, 10)
    assert not head[:, 1].any()

    model = plain_model(setting, 3, 3, IMAGE)
    drawn = initial_parameters(setting, 4, [3], IMAGE)
    others = [0, 2, 3]
    model.set_weights(
        [
            drawn.kernels[0][:, :, None, others],
            drawn.biases[0][others],
            drawn.head[0].reshape(-1, 4, 10)[:, others].reshape(-1, 10),
            drawn.head_bias[0],
        ]
    )
    fit(model, digits, setting, 3, chunk.snapshot_steps[-1])
    kernels, biases, plain_head, _ = model.get_weights()
    np.testing.assert_allclose(trained["kernels"][..., others], kernels[:, :, 0], atol=3e-5)
    np.testing.assert_allclose(trained["biases"][others], biases, atol=3e-5)
    np.testing.assert_allclose(head[:, others].reshape(-1, 10), plain_head, atol=3e-5)


@pytest.mark.parametrize("optimizer", ["momentum", "decay"])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_under_gradient_descent_twins_follow_the_network_of_one_fewer(digits, activation, optimizer):
    setting = architecture(activation=activation, **OPTIMIZERS[optimizer])
    chunk = train(digits, setting, (3,), (TWIN, SILENT))
    twins, silent = weights(chunk, 0), weights(chunk, 1)
    np.testing.assert_allclose(np.sqrt(2) * twins["kernels"][..., 0], silent["kernels"][..., 0], atol=1e-5)
    np.testing.assert_allclose(twins["kernels"][..., 2:], silent["kernels"][..., 2:], atol=1e-5)
    np.testing.assert_allclose(twins["head_bias"], silent["head_bias"], atol=1e-5)
    np.testing.assert_allclose(chunk.scores.losses[:, 0], chunk.scores.losses[:, 1], atol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_frozen_kernels_stay_and_the_dense_layer_trains_as_in_keras(digits, activation):
    setting = architecture(activation=activation, freeze_kernels=True)
    chunk = train(digits, setting, (3,))
    np.testing.assert_array_equal(chunk.snapshot_kernels[-1], chunk.snapshot_kernels[0])
    np.testing.assert_array_equal(chunk.snapshot_biases[-1], chunk.snapshot_biases[0])
    model = plain_model(setting, 4, 3, IMAGE)
    model.layers[0].trainable = False
    fit(model, digits, setting, 3, chunk.snapshot_steps[-1])
    np.testing.assert_allclose(chunk.parameters.head[0], model.get_weights()[2], atol=3e-5)


def test_shuffled_labels_are_each_seeds_own_permutation_and_scores_stay_on_the_true_ones(digits):
    labels = training_labels(digits.train_labels, [0, 1, 0], shuffle=True)
    np.testing.assert_array_equal(labels[0], labels[2])
    assert not np.array_equal(labels[0], labels[1])
    np.testing.assert_array_equal(np.sort(labels[1]), np.sort(digits.train_labels))
    shuffled = train(digits, architecture(shuffle_labels=True), (1,))
    expected = train(dataclasses.replace(digits, train_labels=labels[1]), architecture(), (1,))
    np.testing.assert_array_equal(shuffled.parameters.kernels, expected.parameters.kernels)
    assert shuffled.scores.losses[0] != expected.scores.losses[0]  # of the training images, by their true labels
    np.testing.assert_array_equal(shuffled.scores.losses[2], expected.scores.losses[2])


def fit(model, dataset, setting, seed, steps):
    """Train a plain Keras model on the seed's own batches."""
    kind = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[setting.optimizer]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kind(setting.learning_rate), loss, run_eagerly=True)
    for indices in itertools.islice(batches(seed, len(dataset.train_labels), setting.batch), int(steps)):
        images = dataset.train_images[indices][..., None].astype(np.float32) / 255
        model.train_on_batch(images, dataset.train_labels[indices])


# Growth of near twins


def outer_product_gradient(parameters, images, labels):
    """G from its definition, in float64: the loss's gradient by kernel (with bias) times dense weights of a filter."""
    kernels, biases, head, head_bias = (x[0].astype(float) for x in vars(parameters).values())
    height, width, filters = kernels.shape
    rows, columns = 29 - height, 29 - width
    pixels = images / 255
    patches = np.stack(
        [pixels[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
        + [np.ones((len(images), rows, columns))],
        axis=1,
    ).reshape(len(images), -1, rows * columns)  # (image, entry, position)
    extended = np.vstack([kernels.reshape(-1, filters), biases])
    maps = np.einsum("nep,ef->npf", patches, extended)
    scores = np.einsum("npf,pfc->nc", maps, head.reshape(-1, filters, 10)) + head_bias
    exponential = np.exp(scores - scores.max(axis=1, keepdims=True))
    by_scores = (exponential / exponential.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / len(images)
    return np.einsum("nep,nc->epc", patches, by_scores).reshape(len(extended), -1)


@pytest.mark.parametrize("kernel", [(3, 1), (2, 3)])
def test_the_recorded_growth_is_the_largest_singular_value_of_the_outer_products_gradient(digits, kernel):
    setting = architecture(kernel=kernel, **OPTIMIZERS["sgd"])
    chunk = train(digits, setting, (4,), (TWIN,), steps=(0, 1))
    first = next(batches(4, len(digits.train_labels), setting.batch))
    start = start_from(initial_parameters(setting, 4, [4], IMAGE), TWIN, 4)
    gradient = outer_product_gradient(start, digits.train_images[first], digits.train_labels[first])
    assert chunk.growth[0, 0] == pytest.approx(np.linalg.svd(gradient, compute_uv=False)[0], rel=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.1, 1.0])
def test_near_twins_under_gradient_descent_stay_below_their_bound_and_near_it_at_first(digits, decay):
    setting = architecture(optimizer="sgd", learning_rate=0.1, weight_decay=decay, batch=480)
    starts = [Start(second_filter="twin", epsilon=epsilon) for epsilon in (1e-5, 1e-3, 1e-1)]
    condition = {"model": setting.model_dump(mode="json")}
    chunk = dataclasses.replace(train(digits, setting, (0, 1), starts), condition=condition)
    distance = np.hypot(twins_distance(chunk), chunk.outgoing_separation)
    bound = growth_bound(chunk, distance[0])
    assert (distance <= bound * (1 + 1e-4)).all()
    assert (distance[1] > 0.5 * bound[1]).all()


def test_growth_is_recorded_where_its_bound_holds_only(digits):
    for changes in ({"optimizer": "adam"}, OPTIMIZERS["momentum"], {"activation": "relu", **OPTIMIZERS["sgd"]}):
        assert train(digits, architecture(**changes), starts=(TWIN,), steps=(0, 2)).growth.shape == (0, 1)
    sgd = architecture(**OPTIMIZERS["sgd"])
    assert train(digits, sgd, starts=(Start(),), steps=(0, 2)).growth.shape == (0, 1)
    assert train(digits, sgd, starts=(TWIN,), steps=(0, 2)).growth.shape == (2, 1)


# Starts

DRAWN_FILTERS = 5


@pytest.fixture
def drawn():
    """The random initial weights of one network."""
    rng = np.random.default_rng(8)
    shapes = {
        "kernels": (1, 3, 2, DRAWN_FILTERS),
        "biases": (1, DRAWN_FILTERS),
        "head": (1, 26 * 27 * DRAWN_FILTERS, 10),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return Parameters(**arrays, head_bias=np.ones((1, 10), np.float32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (7, 28, 28)).astype(np.uint8)


def outgoing(parameters, index):
    return parameters.head.reshape(-1, DRAWN_FILTERS, 10)[:, index]


def test_a_scale_multiplies_all_weights_and_leaves_the_draw_alone(drawn):
    before = copy.deepcopy(drawn)
    small = start_from(drawn, Start(scale=0.25), seed=3)
    start_from(drawn, TWIN, seed=3)
    for name, value in vars(before).items():
        np.testing.assert_array_equal(getattr(small, name), value / 4)
        np.testing.assert_array_equal(getattr(drawn, name), value)


def test_twins_are_equal_to_the_bit_and_together_do_what_the_first_did(drawn, images):
    twins = start_from(drawn, TWIN, seed=3)
    np.testing.assert_array_equal(twins.kernels[..., 0], twins.kernels[..., 1])
    np.testing.assert_array_equal(twins.biases[:, 0], twins.biases[:, 1])
    np.testing.assert_array_equal(outgoing(twins, 0), outgoing(twins, 1))
    assert outgoing_separation(twins).tolist() == [0.0]
    for index in (2, 3, 4):
        np.testing.assert_array_equal(twins.kernels[..., index], drawn.kernels[..., index])
        np.testing.assert_array_equal(outgoing(twins, index), outgoing(drawn, index))
    silent = start_from(drawn, SILENT, seed=3)
    for activation in ("linear", "relu"):
        np.testing.assert_allclose(logits(twins, images, activation), logits(silent, images, activation), atol=1e-4)


def test_half_twins_share_kernel_and_bias_only(drawn):
    half = start_from(drawn, HALF_TWIN, seed=3)
    np.testing.assert_array_equal(half.kernels[..., 0], half.kernels[..., 1])
    np.testing.assert_array_equal(half.biases[:, 0], half.biases[:, 1])
    np.testing.assert_array_equal(half.head, drawn.head)
    expected = np.linalg.norm(outgoing(drawn, 0).astype(float) - outgoing(drawn, 1))
    np.testing.assert_allclose(outgoing_separation(half), [expected])


@pytest.mark.parametrize("epsilon", [1e-5, 1e-1])
def test_near_twins_are_moved_apart_by_epsilon_each_in_opposite_directions(drawn, epsilon):
    near = start_from(drawn, Start(second_filter="twin", epsilon=epsilon), seed=3)
    twins = start_from(drawn, TWIN, seed=3)
    moved = [near.kernels[0, ..., i].astype(float) - twins.kernels[0, ..., 0] for i in (0, 1)]
    np.testing.assert_allclose(moved[0], -moved[1], atol=3e-7)
    for move in moved:
        assert np.linalg.norm(move) == pytest.approx(epsilon, rel=0.05)
    assert outgoing_separation(near).tolist() == [0.0]
    again, other = (start_from(drawn, Start(second_filter="twin", epsilon=epsilon), seed).kernels for seed in (3, 4))
    np.testing.assert_array_equal(again, near.kernels)
    assert not np.array_equal(other, near.kernels)


def test_a_single_filter_has_no_second():
    one = Parameters(*(np.ones(shape, "f4") for shape in ((1, 3, 1, 1), (1, 1), (1, 26 * 28, 10), (1, 10))))
    with pytest.raises(ValueError, match=r"filters = 1; second_filter: twin needs 2 or more"):
        start_from(one, TWIN, seed=0)
    assert np.isnan(outgoing_separation(one)).all()
