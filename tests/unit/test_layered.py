"""Networks of several layers: they train as the plain Keras model does, and tables see each of their convolutions."""

from __future__ import annotations

import inspect
import itertools

import keras
import numpy as np
import pytest
from plain_keras import pixels
from pydantic import ValidationError

from filtertwins.architectures import Architecture, LayeredArchitecture
from filtertwins.errors import StudyError
from filtertwins.keras_names import ACTIVATIONS, INITIALIZERS, OPTIMIZERS, REGULARIZERS, canonical
from filtertwins.layers import last_shape, totals
from filtertwins.measures.redundancy import equivalence_of
from filtertwins.networks.convolutions import convolutions, folded_weights
from filtertwins.networks.rows import layers_of, parameter_count
from filtertwins.networks.weights import load_any_chunk, load_chunk, save_chunk
from filtertwins.settings import Measures
from filtertwins.tables.nulls import Nulls
from filtertwins.tables.redundancy import redundancy_rows
from filtertwins.tables.strangers import stranger_tables
from filtertwins.training import layered, train_chunks
from filtertwins.training.streams import batches

STEPS = 12
COMMON = {"learning_rate": 1e-2, "batch": 32, "steps": STEPS, "filters": (4,), "scored_training_images": 200}
PLAIN = [
    {"Conv2D": {"filters": 1, "kernel_size": 3, "activation": "relu"}},
    {"MaxPooling2D": {"pool_size": 2}},
    {"Conv2D": {"filters": 2, "kernel_size": [3, 2], "activation": "gelu", "kernel_initializer": "he_normal"}},
    "GlobalAveragePooling2D",
]
NORMALIZED = [
    {"Conv2D": {"filters": 1, "kernel_size": 5, "strides": 2, "padding": "same", "use_bias": False}},
    "BatchNormalization",
    {"Activation": {"activation": "relu"}},
    {"DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2}},
    {"Dropout": {"rate": 0.25}},
    {"SeparableConv2D": {"filters": 1, "kernel_size": 3, "activation": "tanh"}},
    {"AveragePooling2D": {"pool_size": 2}},
    "Flatten",
    {"Dense": {"units": 8, "activation": "silu", "kernel_regularizer": {"L2": {"l2": 0.01}}}},
]
PENALISED = [
    {"Conv2D": {"filters": 6, "scaled": False, "kernel_size": 3, "dilation_rate": 2, "activation": "elu"}},
    {
        "Conv2D": {
            "filters": 1,
            "kernel_size": 3,
            "groups": 2,
            "kernel_regularizer": {"OrthogonalRegularizer": {"mode": "columns"}},
        }
    },
]


def architecture(layers, **changes):
    return LayeredArchitecture.model_validate(COMMON | {"layers": layers} | changes)


def condition_of(setting, seeds=(3, 8)):
    return {
        "dataset": "digits",
        "architecture": "deep",
        "model": setting.model_dump(mode="json", exclude={"filters", "label"}),
        "filters": setting.filters[0],
        "seeds": list(seeds),
        "starts": [{}],
        "also_scored": [],
    }


def train(dataset, setting, seeds=(3, 8)):
    [chunk] = train_chunks(dataset, [condition_of(setting, seeds)], (0, STEPS), report=lambda line: None)
    return chunk


def plain_training(dataset, setting, seed, optimizer):
    """A Keras user's own training of the same model on the seed's batches."""
    model = layered.layered_model(setting, setting.filters[0], seed, dataset.image_shape, dataset.classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    for indices in itertools.islice(batches(seed, len(dataset.train_labels), setting.batch), STEPS):
        model.train_on_batch(pixels(dataset.train_images[indices]), dataset.train_labels[indices])
    return model


@pytest.mark.parametrize(
    ("layers", "optimizer", "plain"),
    [
        (PLAIN, "adam", lambda: keras.optimizers.Adam(1e-2)),
        (NORMALIZED, {"SGD": {"momentum": 0.9}}, lambda: keras.optimizers.SGD(1e-2, momentum=0.9)),
        (PENALISED, "lion", lambda: keras.optimizers.Lion(1e-2)),
        (PLAIN, {"RMSprop": {"rho": 0.8}}, lambda: keras.optimizers.RMSprop(1e-2, rho=0.8)),
    ],
)
def test_each_seed_equals_the_plain_keras_model_trained_on_the_same_batches(digits, layers, optimizer, plain):
    setting = architecture(layers, optimizer=optimizer)
    chunk = train(digits, setting)
    for place, seed in enumerate(chunk.seeds.tolist()):
        model = plain_training(digits, setting, seed, plain())
        for layer in model.layers:
            for variable in layer.weights:
                if "seed_generator" not in variable.path:
                    found = chunk.weights[f"{layer.name.split('_')[0]}_{variable.name}"][1, place]
                    np.testing.assert_allclose(found, variable.numpy(), rtol=1e-3, atol=2e-4, err_msg=variable.path)


def test_the_same_chunk_gives_the_same_bytes_and_survives_its_file(digits, tmp_path):
    setting = architecture(NORMALIZED)
    for name in ("first", "second"):
        save_chunk(train(digits, setting), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    chunk = load_any_chunk(tmp_path / "first", condition_of(setting))
    assert chunk.losses.shape == (1, 3, 2)
    with pytest.raises(StudyError, match="one convolution"):
        load_chunk(tmp_path / "first")


def test_a_seed_does_not_depend_on_the_others(digits):
    setting = architecture(PLAIN)
    both, alone = train(digits, setting), train(digits, setting, seeds=(8,))
    for name, array in alone.weights.items():
        np.testing.assert_array_equal(both.weights[name][:, 1:], array, err_msg=name)


def test_each_convolution_is_a_layer_of_the_tables_with_what_follows_it(digits):
    chunk = train(digits, architecture(NORMALIZED))
    layers = {layer.name: layer for layer in layers_of(chunk)}
    assert list(layers) == ["conv1", "conv2", "conv3_depthwise", "conv3_pointwise"]
    assert [layer.activation for layer in layers.values()] == ["relu", "linear", "linear", "tanh"]
    assert [layer.kernels.shape[2:] for layer in layers.values()] == [
        (5, 5, 1, 4),
        (3, 3, 1, 8),
        (3, 3, 1, 8),
        (1, 1, 8, 4),
    ]
    assert [layer.one_basis for layer in layers.values()] == [True, False, False, False]
    assert layers["conv3_depthwise"].answers is None  # Keras gives no access to what lies between.
    assert layers["conv1"].answers.shape == (2, 2, layered.ANSWERS, 4)
    trained = sum(array[0, 0].size for name, array in chunk.weights.items() if "moving" not in name)
    assert parameter_count(chunk) == trained
    nulls = Nulls(Measures(null_draws=100, cluster_null_draws=20), digits.train_images)
    responses = {row["layer"]: row["response_redundant_share"] for row in redundancy_rows(chunk, nulls).functional}
    assert [name for name, share in responses.items() if np.isnan(share)] == ["conv3_depthwise"]


def test_max_pooling_counts_as_an_activation_that_silences_no_filter():
    layers = [{"Conv2D": {"filters": 1, "kernel_size": 3}}, "MaxPooling2D"]
    (own,) = convolutions(architecture(layers).layers)
    assert (own.activation, equivalence_of(own.activation)) == ("max_pooling", "positive_scale")


def test_batch_normalisation_is_folded_into_the_kernels_before_it(digits):
    setting = architecture(NORMALIZED)
    model = plain_training(digits, setting, 3, keras.optimizers.Adam(1e-2))
    images = pixels(digits.train_images[:5])
    norm = keras.Model(model.inputs, model.get_layer("1_own").output)
    wanted = np.asarray(norm(images, training=False))
    weights = {
        f"{layer.name.split('_')[0]}_{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }
    weights["1_gamma"] = -weights["1_gamma"]  # A negative gamma turns a filter's sign.
    model.get_layer("1_own").gamma.assign(weights["1_gamma"])
    wanted = np.asarray(norm(images, training=False))
    first = convolutions(setting.layers)[0]
    kernels, biases = folded_weights(first, setting.layers, weights)
    found = np.asarray(keras.ops.conv(images, kernels, strides=2, padding="same")) + biases
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_half_siblings_share_their_lower_layers_which_stay_as_they_are(digits):
    chunk = train(digits, architecture(PLAIN, half_siblings=1))
    lower, upper = layers_of(chunk)
    np.testing.assert_array_equal(lower.kernels[:, 0], lower.kernels[:, 1])
    np.testing.assert_array_equal(lower.kernels[0], lower.kernels[1])
    assert (upper.kernels[0, 0] != upper.kernels[0, 1]).all()
    assert upper.one_basis
    assert (lower.frozen, upper.frozen) == (True, False)
    rows = stranger_tables([chunk], digits).strangers
    assert {(row["layer"], row["basis"]) for row in rows} == {("conv2", "kernels")}


def test_shapes_and_sizes_are_those_of_keras(digits):
    for layers in (PLAIN, NORMALIZED, PENALISED):
        setting = architecture(layers)
        model = layered.layered_model(setting, 4, 0, digits.image_shape, digits.classes)
        head = model.layers[-1]
        assert np.prod(last_shape(setting.layers, 4, digits.image_shape)) == head.kernel.shape[0]
        counted = sum(np.prod(w.shape) for w in model.weights if "seed_generator" not in w.path)
        assert totals(setting.layers, 4, digits.image_shape, 10)[0] == counted - 10  # the last layer's biases


COMMON_OPTIONS = {
    *("learning_rate", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum", "name", "seed", "self"),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "kwargs", "input_axes"),
    *("output_axes", "args"),
}


@pytest.mark.parametrize(
    ("module", "table"),
    [(keras.optimizers, OPTIMIZERS), (keras.initializers, INITIALIZERS), (keras.regularizers, REGULARIZERS)],
)
def test_the_names_and_options_are_those_of_the_installed_keras(module, table):
    for name, options in table.items():
        parameters = inspect.signature(getattr(module, name).__init__).parameters
        found = {key: own.default for key, own in parameters.items() if key not in COMMON_OPTIONS}
        assert found == dict(options), name


def test_every_activation_is_one_of_keras():
    for name in ACTIVATIONS:
        assert keras.activations.get(name)(np.ones((1, 2), np.float32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("rmsprp", "did you mean 'RMSprop'"),
        ({"SGD": {"momentun": 0.9}}, "did you mean 'momentum'"),
        ({"SGD": {"nesterov": 1}}, "true or false"),
        ({"SGD": {"momentum": "fast"}}, "must be a finite number"),
        ({"SGD": {"momentum": float("nan")}}, "must be a finite number"),
        ({"SGD": 0.9}, "its options are a section"),
        ({"SGD": {}, "Adam": {}}, "one name"),
    ],
)
def test_what_is_no_name_of_keras_is_refused_with_the_nearest(given, words):
    with pytest.raises(ValueError, match=words):
        canonical(given, OPTIMIZERS)


@pytest.mark.parametrize(
    "given", [{"VarianceScaling": {"mode": "fan_uot"}}, {"VarianceScaling": {"distribution": "x"}}]
)
def test_words_among_the_options_are_those_that_keras_knows(given):
    with pytest.raises(ValueError, match="allowed: "):
        canonical(given, INITIALIZERS)


@pytest.mark.parametrize("size", [[3, None], [[3], [1]], float("inf"), [3, "a"], [3, 0], [3, 1.5], [3], True, "3"])
def test_a_size_that_is_no_number_or_pair_is_refused_in_words(size):
    with pytest.raises(ValidationError, match=r"must be a whole number of at least 1|truth values"):
        architecture([{"Conv2D": {"filters": 1, "kernel_size": size}}])


def test_several_activations_are_refused_in_words():
    with pytest.raises(ValidationError, match="activation\n"):
        Architecture.model_validate(COMMON | {"kernel": [3, 1], "activation": ["relu"]})


def test_an_initialiser_that_prefers_a_sign_is_refused():
    with pytest.raises(ValueError, match="as likely positive"):
        canonical({"RandomNormal": {"mean": 1.0}}, INITIALIZERS)
