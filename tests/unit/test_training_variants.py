"""What experiments train: planted starts side by side, dropout, frozen kernels, permuted labels."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view
from plain_keras import fit
from scipy.special import softmax
from small_networks import colour_dataset, condition_of

from filtertwins.architectures import Architecture, Start
from filtertwins.experiments.twins import growth_bound, pair_measures
from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters
from filtertwins.training import convolutional, fine_tune, plain_model, train_chunks
from filtertwins.training.convolutional import ConvolutionalStack
from filtertwins.training.networks import initial_parameters
from filtertwins.training.starts import outgoing_separation, start_from
from filtertwins.training.streams import batches, training_labels

IMAGE, CLASSES = (28, 28, 1), 10
OWN = (Start(),)
TWIN, HALF_TWIN, SILENT = (Start(second_filter=kind) for kind in ("twin", "half_twin", "silent"))
OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.03, "momentum": 0.9},
    "decay": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.1},
    "adam": {"optimizer": "adam", "learning_rate": 0.003},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.1},
}


def architecture(**changes):
    base = {"kernel": (3, 1), "activation": "linear", "learning_rate": 3e-3, "batch": 48, "steps": 30, "filters": (4,)}
    return Architecture.model_validate(base | changes)


def train(dataset, setting, seeds=(0,), starts=OWN, steps=(0, 1, 5, 30), filters=4):
    condition = condition_of(setting, filters, seeds, starts)
    return train_chunks(dataset, [condition], steps, report=lambda line: None)[0]


def weights(chunk, index):
    return {name: value[index] for name, value in vars(chunk.parameters).items()}


def twins_distance(chunk):
    """Of the first two filters' kernels and biases, (snapshot, network)."""
    kernels = chunk.snapshot_kernels.reshape(*chunk.snapshot_kernels.shape[:2], -1, chunk.snapshot_kernels.shape[-1])
    both = np.concatenate([kernels, chunk.snapshot_biases[:, :, np.newaxis]], axis=2).astype(float)
    return np.linalg.norm(both[..., 0] - both[..., 1], axis=2)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_starts_side_by_side_train_like_each_alone(digits, activation):
    setting, starts = architecture(activation=activation), (Start(), TWIN, Start(scale=0.1))
    chunk = train(digits, setting, (2, 5), starts)
    assert list(zip(chunk.seeds, chunk.starts, strict=True)) == list(itertools.product((2, 5), (0, 1, 2)))
    for index, start in enumerate(starts):
        alone = train(digits, setting, (5,), (start,))
        for name, value in weights(chunk, 3 + index).items():
            np.testing.assert_allclose(value, weights(alone, 0)[name], atol=3e-5, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "filters"),
    [(optimizer, 4) for optimizer in OPTIMIZERS.values()]
    + [({}, 64), ({"kernel": (3, 3)}, 16), ({"kernel": (5, 5)}, 5), ({"kernel": (5, 5)}, 64)],
)
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_planted_twins_stay_equal_to_the_bit(digits, activation, changes, filters):
    setting = architecture(activation=activation, **changes)
    chunk = train(digits, setting, (0, 1), (TWIN,), (0, 1, 5, 30 if filters == 4 else 6), filters)
    assert (twins_distance(chunk) == 0).all()
    assert (chunk.outgoing_separation == 0).all()
    assert np.abs(chunk.snapshot_kernels[-1] - chunk.snapshot_kernels[0]).max() > 1e-3


@pytest.mark.parametrize(("activation", "optimizer"), [("linear", "sgd"), ("relu", "adam")])
def test_plain_keras_trains_as_the_stacks_do_and_parts_twins_by_rounding_at_most(digits, activation, optimizer):
    starts = (TWIN, Start(second_filter="twin", pair=(-2, -1)))
    # With seed 0 or 3 a filter's answer to a patch is so near to zero that rounding decides what ReLU makes of it.
    ours, keras_own = (
        train(digits, architecture(activation=activation, implementation=own, **OPTIMIZERS[optimizer]), (1, 4), starts)
        for own in ("stacked", "keras")
    )
    for name, value in vars(ours.parameters).items():
        np.testing.assert_allclose(getattr(keras_own.parameters, name), value, atol=3e-5, err_msg=name)
    np.testing.assert_allclose(keras_own.scores.losses, ours.scores.losses, atol=1e-4)
    for chunk in (ours, keras_own):
        apart = [pair_measures(chunk, index)["relative_distance"] for index in range(4)]
        assert np.max(apart) < 1e-5
        assert (chunk.snapshot_kernels[-1, 0] != chunk.snapshot_kernels[0, 0]).any()


def test_a_start_after_some_steps_is_of_the_trained_network_which_then_sees_other_batches(digits):
    setting = architecture(activation="relu")
    starts = (Start(after=30), Start(after=30, second_filter="twin"))
    chunk, before = train(digits, setting, (2, 5), starts, (0, 3)), train(digits, setting, (2, 5))
    own, twins = chunk.snapshot_kernels[0, [0, 2]], chunk.snapshot_kernels[0, [1, 3]]
    np.testing.assert_allclose(own, before.parameters.kernels, atol=3e-5)
    np.testing.assert_allclose(twins[..., 1], own[..., 0] / np.sqrt(2), rtol=1e-6)
    _, after = fine_tune(digits, setting, before.parameters, (2, 5), 3, "test", report=lambda line: None)
    np.testing.assert_allclose(chunk.scores.losses[1:, [0, 2]], after.losses, atol=1e-4)


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


@pytest.mark.parametrize("few", [0, 1000])  # of taps or filters: maps are cut into slices, or not
@pytest.mark.parametrize("starts", [1, 3])
@pytest.mark.parametrize(("activation", "dropout"), [("relu", 0.0), ("relu", 0.5), ("tanh", 0.3), ("linear", 0.2)])
def test_gradients_are_those_of_the_loss_under_the_same_dropout(digits, activation, dropout, starts, few, monkeypatch):
    for name, value in {"FEW_TAPS": few, "FEW_FILTERS": few, "BAND_ENTRIES": 10_000}.items():
        monkeypatch.setattr(convolutional, name, value)
    monkeypatch.setattr(convolutional, "KEPT_BLOCK_IMAGES" if few == 0 else "BLOCK_IMAGES", 10)
    networks = [seed for seed in (4, 1) for _ in range(starts)]
    initial = initial_parameters(architecture(kernel=(3, 2)), 3, networks, IMAGE, CLASSES)
    rng = np.random.default_rng(2)
    initial.biases[:] = rng.uniform(0.1, 0.2, initial.biases.shape)  # At dark pixels ReLU has no gradient for zeros.
    stack = ConvolutionalStack(initial, IMAGE, activation, dropout, networks)
    pixels = tf.constant(digits.train_images[:60].reshape(60, -1))
    indices = tf.reshape(tf.range(60), (2, 30))
    labels = tf.constant(np.repeat(digits.train_labels[:60].reshape(2, 30), starts, axis=0), tf.int32)

    @tf.function(autograph=False)
    def losses_and_gradients():
        return stack.losses_and_gradients(pixels, indices, labels, tf.constant(7))

    gradients = [gradient.numpy() for gradient in losses_and_gradients()[1]]
    for variable, gradient in zip(stack.variables, gradients, strict=True):
        direction = rng.normal(size=gradient.shape) + np.sign(gradient)
        step = (0.001 / np.linalg.norm(direction) * direction).astype(np.float32)
        losses = []
        for sign in (1, -1):
            variable.assign_add(sign * step)
            losses.append(losses_and_gradients()[0].numpy().sum())
            variable.assign_sub(sign * step)
        assert losses[0] - losses[1] == pytest.approx(2 * np.sum(gradient * step), rel=0.02, abs=2e-6)


@pytest.mark.parametrize("images", [4, 30, 31])
def test_the_dropout_rate_is_the_share_of_entries_that_are_dropped(images):
    stack = ConvolutionalStack(initial_parameters(architecture(), 4, [0], IMAGE, CLASSES), IMAGE, "relu", 0.3, [0])
    dropped = stack._dropped(tf.constant([5, 7]), images).numpy()
    assert dropped.shape[-1] == images
    assert dropped.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / dropped.size))
    assert not (stack._dropped(tf.constant([5, 8]), images).numpy() == dropped).all()


def without_the_second(parameters):
    """The weights of the other three filters of one network, as a plain Keras model has them."""
    kernels, biases, head, head_bias = (value[0] for value in vars(parameters).values())
    others = [0, 2, 3]
    return [kernels[..., others], biases[others], head.reshape(-1, 4, 10)[:, others].reshape(-1, 10), head_bias]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_silent_filter_stays_so_and_the_rest_trains_as_a_network_of_one_fewer(digits, activation, optimizer):
    setting = architecture(activation=activation, **OPTIMIZERS[optimizer])
    chunk = train(digits, setting, (3,), (SILENT,))
    kernels, biases, head, _ = weights(chunk, 0).values()
    assert not any(second.any() for second in (kernels[..., 1], biases[1], head.reshape(-1, 4, 10)[:, 1]))
    model = plain_model(setting, 3, 3, IMAGE, CLASSES)
    model.set_weights(without_the_second(initial_parameters(setting, 4, [3], IMAGE, CLASSES)))
    fit(model, digits, setting, 3, chunk.snapshot_steps[-1])
    for ours, plain in zip(without_the_second(chunk.parameters), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, plain, atol=3e-5)


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
    model = plain_model(setting, 4, 3, IMAGE, CLASSES)
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


def outer_product_gradient(parameters, images, labels):
    """G from its definition, in float64: the loss's gradient by kernel (with bias) times dense weights of a filter."""
    windows = sliding_window_view(images / 255, parameters.kernels.shape[1:3], axis=(1, 2))
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # the channels last, as kernels have them
    patches = windows.reshape(len(images), windows.shape[1] * windows.shape[2], -1)  # (image, position, entry)
    patches = np.pad(patches, ((0, 0), (0, 0), (0, 1)), constant_values=1)
    classes = np.eye(parameters.head.shape[-1])
    by_scores = (softmax(logits(parameters, images, "linear")[0], axis=1) - classes[labels]) / len(images)
    return np.einsum("npe,nc->epc", patches, by_scores).reshape(patches.shape[2], -1)


@pytest.mark.parametrize(("kernel", "colour"), [((3, 1), False), ((2, 3), False), ((2, 3), True)])
def test_the_recorded_growth_is_the_largest_singular_value_of_the_outer_products_gradient(digits, kernel, colour):
    data = colour_dataset() if colour else digits
    setting = architecture(kernel=kernel, **OPTIMIZERS["sgd"])
    chunk = train(data, setting, (4,), (TWIN,), steps=(0, 1))
    first = next(batches(4, len(data.train_labels), setting.batch))
    start = start_from(initial_parameters(setting, 4, [4], data.image_shape, data.classes), TWIN, 4)
    gradient = outer_product_gradient(start, data.train_images[first], data.train_labels[first])
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
    assert [train(digits, sgd, starts=(start,), steps=(0, 2)).growth.shape[0] for start in (Start(), TWIN)] == [0, 2]


@pytest.fixture
def drawn():
    """Random weights of one network."""
    shapes = vars(initial_parameters(architecture(kernel=(3, 2)), 4, [8], IMAGE, CLASSES)).items()
    rng = np.random.default_rng(8)
    return Parameters(**{name: rng.normal(size=value.shape).astype(np.float32) for name, value in shapes})


def test_a_scale_multiplies_all_weights_and_leaves_the_draw_alone(drawn):
    before = {name: value.copy() for name, value in vars(drawn).items()}
    small = start_from(drawn, Start(scale=0.25), seed=3)
    start_from(drawn, TWIN, seed=3)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(small, name), value / 4)
        np.testing.assert_array_equal(getattr(drawn, name), value)


def test_only_the_second_filter_is_planted_and_twins_together_do_what_the_first_did(drawn):
    twins, half, silent = (start_from(drawn, start, seed=3) for start in (TWIN, HALF_TWIN, SILENT))
    for planted in (twins, half, silent):
        np.testing.assert_array_equal(planted.kernels[..., 2:], drawn.kernels[..., 2:])
        np.testing.assert_array_equal(planted.head.reshape(-1, 4, 10)[:, 2:], drawn.head.reshape(-1, 4, 10)[:, 2:])
    images = np.random.default_rng(1).integers(0, 256, (7, *IMAGE)).astype(np.uint8)
    for activation in ("linear", "relu"):
        np.testing.assert_allclose(logits(twins, images, activation), logits(silent, images, activation), atol=1e-4)
    np.testing.assert_array_equal(half.biases[:, 0], half.biases[:, 1])
    np.testing.assert_array_equal(half.head, drawn.head)
    first, second = drawn.head.reshape(-1, 4, 10).astype(float).transpose(1, 0, 2)[:2]
    np.testing.assert_allclose(outgoing_separation(half), [np.linalg.norm(first - second)])


def test_a_pair_at_other_places_is_planted_there_alone_with_biases_apart(drawn):
    planted = start_from(drawn, Start(second_filter="twin", pair=(-1, 1), bias_gap=0.5), seed=3)
    np.testing.assert_array_equal(planted.kernels[..., [0, 2]], drawn.kernels[..., [0, 2]])
    for place, gap in ((3, 0.5), (1, -0.5)):
        np.testing.assert_allclose(planted.kernels[..., place], drawn.kernels[..., 3] / np.sqrt(2), rtol=1e-6)
        np.testing.assert_allclose(planted.biases[0, place], drawn.biases[0, 3] / np.sqrt(2) + gap, rtol=1e-6)
    assert outgoing_separation(planted, [(-1, 1)]).tolist() == [0.0]
    assert outgoing_separation(planted)[0] > 0


@pytest.mark.parametrize("epsilon", [1e-5, 1e-1])
def test_near_twins_are_moved_apart_by_epsilon_each_in_opposite_directions(drawn, epsilon):
    near = start_from(drawn, Start(second_filter="twin", epsilon=epsilon), seed=3)
    twins = start_from(drawn, TWIN, seed=3)
    moved = [near.kernels[0, ..., i].astype(float) - twins.kernels[0, ..., 0] for i in (0, 1)]
    np.testing.assert_allclose(moved[0], -moved[1], atol=3e-7)
    assert np.linalg.norm(moved, axis=(1, 2)) == pytest.approx(epsilon, rel=0.05)
    assert outgoing_separation(near).tolist() == [0.0]
    again, other = (start_from(drawn, Start(second_filter="twin", epsilon=epsilon), seed).kernels for seed in (3, 4))
    np.testing.assert_array_equal(again, near.kernels)
    assert not np.array_equal(other, near.kernels)


def test_a_single_filter_has_no_second():
    one = Parameters(*(np.ones(shape, "f4") for shape in ((1, 3, 1, 1, 1), (1, 1), (1, 26 * 28, 10), (1, 10))))
    with pytest.raises(ValueError, match=r"filters = 1; second_filter: twin needs 2 or more"):
        start_from(one, TWIN, seed=0)
    assert np.isnan(outgoing_separation(one)).all()
