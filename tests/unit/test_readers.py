"""Model files of every format, made here: which convolutions are in them, with what follows, and what is left out."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from filtertwins import keras_names
from filtertwins.inspect.readers import keras_config, read_model
from model_files import (
    checkpoint,
    hdf5_file,
    keras_file,
    npy_lists,
    npz_file,
    onnx_file,
    onnx_graph,
    onnx_node,
    onnx_tensor,
    safetensors_file,
    small_network,
    small_onnx,
    torch_legacy,
    torch_zip,
)


def read(path, content):
    """What is read from a file of this content: the model, its convolutions by name, and reasons by name."""
    path.write_bytes(content)
    model = read_model(path)
    return model, by_name(model), {each.name: each.reason for each in model.left_out}


def by_name(model):
    return {each.name: each for each in model.convolutions}


# --- the same weights in every format


def test_the_same_weights_are_the_same_bytes_in_every_format_without_keras(tmp_path, rng):
    arrays = small_network(rng)
    files = {
        "safetensors": safetensors_file(arrays, format="pt"),
        "PyTorch": torch_zip(arrays),
        "legacy": torch_legacy(arrays),
        "ONNX": small_onnx(arrays),
        "NumPy": npz_file(arrays),
    }
    scale = arrays["bn1.weight"] / np.sqrt(arrays["bn1.running_var"].astype(float) + 1e-5)
    kernels = arrays["conv1.weight"] * scale[:, None, None, None]
    biases = arrays["bn1.bias"] + (arrays["conv1.bias"] - arrays["bn1.running_mean"].astype(float)) * scale
    first = None
    for name, content in files.items():
        model, found, left_out = read(tmp_path / "model", content)
        assert model.format == {"legacy": "PyTorch"}.get(name, name)
        one, two = model.convolutions
        first = first or (one.kernels.tobytes(), one.biases.tobytes(), two.kernels.tobytes())
        assert first == (one.kernels.tobytes(), one.biases.tobytes(), two.kernels.tobytes()), name
        np.testing.assert_allclose(one.kernels, kernels, rtol=1e-12)
        np.testing.assert_allclose(one.biases, biases, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(two.kernels, arrays["conv2.weight"].astype(float))
        assert (one.kind, one.folded, two.folded, two.biases) == ("conv2d", "bn1", None, None)
        assert [each.activation for each in (one, two)] == (["relu", "linear"] if name == "ONNX" else [None, None])
        assert "fc.weight" in left_out
        assert len(found) == 2


@pytest.fixture(scope="module")
def keras_model():
    keras = pytest.importorskip("keras")
    layers, initializer = keras.layers, keras.initializers
    keras.utils.set_random_seed(1)
    image = layers.Input((12, 12, 3))
    x = layers.Conv2D(8, (3, 2), padding="same", dilation_rate=2, name="dilated", bias_initializer="normal")(image)
    x = layers.BatchNormalization(
        name="norm", gamma_initializer=initializer.RandomNormal(0, 1), beta_initializer="normal", epsilon=1e-4
    )(x)
    x = skipped = layers.ReLU(name="rectified")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="tanh", name="by_channel")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", name="apart")(x)
    x = layers.Conv2D(8, 3, groups=4, padding="same", name="grouped")(x)
    x = layers.Add(name="sum")([x, skipped])
    inner = keras.Sequential([layers.Input((12, 12, 8)), layers.Conv2D(8, 1, name="dilated")], name="inner")
    shared = layers.Conv2D(8, 3, padding="same", activation="swish", name="shared")
    x = shared(shared(inner(x)))
    x = layers.Conv2DTranspose(4, 2, name="transposed")(x)
    x = layers.Reshape((-1, 4), name="flat")(x)
    x = layers.Conv1D(5, 7, name="line")(x)
    model = keras.Model(image, x)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def keras_files(model, folder):
    """The model in each of Keras's formats."""
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model.h5")
    legacy_h5_format = importlib.import_module("keras.src.legacy.saving.legacy_h5_format")  # It has no public way in.
    with h5py.File(folder / "bare.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    model.export(folder / "saved", verbose=False)
    return {
        "model.keras": "Keras 3",
        "model.weights.h5": "Keras 3 weights",
        "model.h5": "Keras 2",
        "bare.h5": "Keras 2",
        "saved": "SavedModel",
    }


def keras_rows(model):
    """What each layer's kernels should be, one row a filter."""
    weights = {
        layer.name: layer.get_weights() for layer in (*model.layers, *model.get_layer("inner").layers) if layer.weights
    }
    inner = model.get_layer("inner").layers[-1].get_weights()[0]
    outer = model.get_layer("dilated").get_weights()[0]
    depthwise = weights["by_channel"][0]
    return {
        "dilated": outer.transpose(3, 2, 0, 1),
        "by_channel": depthwise.reshape(3, 3, 16, 1).transpose(2, 3, 0, 1),
        "apart/depthwise": weights["apart"][0].reshape(3, 3, 16, 1).transpose(2, 3, 0, 1),
        "apart/pointwise": weights["apart"][1].transpose(3, 2, 0, 1),
        "grouped": weights["grouped"][0].transpose(3, 2, 0, 1),
        "inner/dilated": inner.transpose(3, 2, 0, 1),
        "shared": weights["shared"][0].transpose(3, 2, 0, 1),
        "transposed": weights["transposed"][0].transpose(2, 3, 0, 1),
        "line": weights["line"][0].transpose(2, 1, 0),
    }


def test_keras_models_are_the_same_in_each_of_its_formats(keras_model, tmp_path):
    expected = {name: np.ascontiguousarray(rows, float) for name, rows in keras_rows(keras_model).items()}
    gamma, beta, mean, variance = keras_model.get_layer("norm").get_weights()
    scale = gamma / np.sqrt(variance.astype(float) + 1e-4)
    for name, format_name in keras_files(keras_model, tmp_path).items():
        model = read_model(tmp_path / name)
        assert model.format == format_name
        found = by_name(model)
        told = name in ("model.keras", "model.h5")  # by a config
        plain = {each: rows for each, rows in expected.items() if not (told and each == "dilated")}
        if told:
            assert list(found) == list(expected), name
            assert {each: found[each].kernels.tobytes() for each in plain} == {
                each: rows.tobytes() for each, rows in plain.items()
            }, name
        else:
            # Without a config only the class in a path of Keras 3 tells these kinds.
            untold = set() if name == "model.weights.h5" else {"by_channel", "transposed"}
            known = {each: found[each].kernels.tobytes() for each in plain.keys() - untold}
            assert known == {each: plain[each].tobytes() for each in plain.keys() - untold}, name
            assert {each for each in expected.keys() - untold if found[each].biases is None} == {"apart/depthwise"}
            assert any("none is folded in" in note for note in found["dilated"].notes)
            assert all(each.activation is None for each in model.convolutions if not each.name.startswith("apart"))
            continue
        one = found["dilated"]
        np.testing.assert_allclose(one.kernels, expected["dilated"] * scale[:, None, None, None], rtol=1e-12)
        bias = keras_model.get_layer("dilated").get_weights()[1]
        np.testing.assert_allclose(one.biases, beta + (bias - mean) * scale, rtol=1e-5, atol=1e-6)
        assert (one.folded, one.notes, one.activation) == ("norm", ("It is dilated by 2.",), "relu")
        assert {each.name: (each.kind, each.groups, each.activation) for each in model.convolutions} == {
            "dilated": ("conv2d", 1, "relu"),
            "by_channel": ("depthwise", 8, "tanh"),
            "apart/depthwise": ("separable", 16, "linear"),
            "apart/pointwise": ("separable", 1, "linear"),
            "grouped": ("grouped", 4, "linear"),
            "inner/dilated": ("conv2d", 1, "linear"),
            "shared": ("conv2d", 1, "silu"),
            "transposed": ("transposed", 1, "linear"),
            "line": ("conv1d", 1, "linear"),
        }
        assert {each.name for each in model.convolutions if each.residual} == {"dilated", "grouped"}
        assert {each.name: each.shared_by for each in model.convolutions if each.shared_by > 1} == {"shared": 2}
        slots = [each for each in model.left_out if each.reason == "It is a slot of an optimiser."]
        assert len(slots) > 2 * len(expected)


def keras_files_of(layers, arrays):
    """A file of Keras 3 and its weights: a chain of layers as (class, name[, options]), and arrays by their paths."""
    weights = hdf5_file(lambda file: [file.create_dataset(path, data=array) for path, array in arrays.items()])
    entries = [{"class_name": kind, "config": {"name": name} | dict(*own)} for kind, name, *own in layers]
    config = {"class_name": "Sequential", "config": {"name": "chain", "layers": entries}}
    return keras_file(config, weights), weights


def test_kernels_of_other_layers_are_no_convolutions_though_they_have_as_many_axes(tmp_path, rng):
    layers = [
        ("Conv2D", "conv2d"),
        ("EinsumDense", "einsum_dense"),
        ("MultiHeadAttention", "multi_head_attention"),
        ("ConvLSTM2D", "conv_lstm2d"),
        ("PReLU", "p_re_lu"),
    ]
    arrays = {
        "layers/conv2d/vars/0": rng.normal(size=(3, 3, 2, 4)),
        "layers/einsum_dense/vars/0": rng.normal(size=(4, 3, 2)),
        "layers/multi_head_attention/key_dense/vars/0": rng.normal(size=(4, 2, 5)),
        "layers/conv_lstm2d/cell/vars/0": rng.normal(size=(3, 3, 2, 16)),
        "layers/p_re_lu/vars/0": rng.normal(size=(4, 4, 6)),
    }
    for content in keras_files_of(layers, arrays):  # with a config, and without
        _, found, left_out = read(tmp_path / "model", content)
        assert list(found) in (["conv2d"], ["layers/conv2d"])
        assert len(left_out) == 4
        assert all("not listed as a convolution" in reason for reason in left_out.values())
    attention = {"spatial_attention/conv1d/kernel": arrays["layers/einsum_dense/vars/0"]}
    assert list(read(tmp_path / "model", npz_file(attention))[1]) == ["spatial_attention/conv1d"]


@pytest.mark.parametrize(
    ("kind", "options", "activation"),
    [
        ("Dense", {}, "linear"),
        ("AveragePooling2D", {}, "relu"),
        ("GroupNormalization", {}, None),
        ("AnybodysLayer", {}, None),
        ("HardSilu", {}, "hard_silu"),
        ("ReLU", {"max_value": 1.0}, "clip"),
        ("TFOpLambda", {"function": "nn.leaky_relu"}, "leaky_relu"),
    ],
)
def test_an_activation_is_what_comes_first_and_unknown_if_that_mixes_channels(tmp_path, rng, kind, options, activation):
    layers = [("Conv2D", "conv2d", {}), (kind, "next", options), ("ReLU", "rectified", {}), ("Dense", "dense", {})]
    content, _ = keras_files_of(layers, {"layers/conv2d/vars/0": rng.normal(size=(3, 3, 2, 4))})
    _, found, _ = read(tmp_path / "model", content)
    assert found["conv2d"].activation == activation
    assert not found["conv2d"].output
    assert any(kind in note for note in found["conv2d"].notes) == (activation is None)


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "SpectralNormalization"])
def test_a_convolution_within_another_layer_is_listed_with_what_follows(tmp_path, rng, wrapper):
    inner = {"class_name": "DepthwiseConv2D", "config": {"name": "inner"}}
    layers = [(wrapper, "outer", {"layer": inner}), ("ReLU", "rectified", {}), ("Flatten", "flat", {})]
    kernel = rng.normal(size=(3, 3, 2, 4))
    place = f"layers/{'time_distributed' if wrapper == 'TimeDistributed' else 'spectral_normalization'}"
    arrays = {f"{place}/layer/vars/0": kernel, f"{place}/layer/vars/1": np.ones(8), "layers/outer/vars/0": kernel}
    arrays |= {f"{place}/vars/0": kernel} if wrapper == "SpectralNormalization" else {}
    _, found, _ = read(tmp_path / "model", keras_files_of(layers, arrays)[0])
    one = found["outer/inner"]
    assert (one.kind, one.activation, one.output, one.biases.tolist()) == ("depthwise", "relu", True, [1] * 8)
    np.testing.assert_array_equal(one.kernels, kernel.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3))


def test_a_reader_knows_all_activations_of_keras():
    assert {*keras_names.ACTIVATIONS} <= {*keras_config.ACTIVATIONS, "linear"}


def test_biases_tell_transposed_and_depthwise_convolutions_in_a_saved_model_without_a_config(tmp_path, rng):
    arrays = {
        "up/kernel": rng.normal(size=(3, 4, 14)).astype("f4"),
        "up/bias": np.ones(4, "f4"),
        "apart/kernel": rng.normal(size=(3, 7, 2)).astype("f4"),
        "apart/bias": np.ones(14, "f4"),
    }
    (tmp_path / "variables").mkdir()
    index, data = checkpoint(arrays, folders=("variables", "_all_variables"))
    (tmp_path / "variables" / "variables.index").write_bytes(index)
    (tmp_path / "variables" / "variables.data-00000-of-00001").write_bytes(data)
    model = read_model(tmp_path)
    found = by_name(model)
    assert {name: (each.kind, each.shared_by) for name, each in found.items()} == {
        "up": ("transposed", 1),
        "apart": ("depthwise", 1),
    }
    assert found["up"].kernels.shape == (4, 14, 3)
    assert found["apart"].kernels.shape == (14, 1, 3)
    assert sum("stored twice" in each.reason for each in model.left_out) == 4


# --- ONNX


def test_activations_that_are_exported_as_several_steps_are_told(tmp_path, rng):
    constants = {"k": rng.normal(size=(4, 4, 3, 3)).astype("f4"), "n": np.array(2, "f4"), "m": np.array(3, "f4")}
    gelu = [
        onnx_node("Div", ["a", "n"], "b"),
        onnx_node("Erf", ["b"], "c"),
        onnx_node("Add", ["c", "n"], "d"),
        onnx_node("Mul", ["a", "d"], "e"),
    ]
    gated = [onnx_node("Add", ["a", "m"], "b"), onnx_node("Clip", ["b"], "c"), onnx_node("Mul", ["a", "c"], "e")]
    sized = [onnx_node("Shape", ["a"], "b"), onnx_node("Relu", ["a"], "c"), onnx_node("Reshape", ["c", "b"], "e")]
    for steps, activation in ((gelu, "gelu"), (gated, None), (sized, "relu")):
        nodes = [onnx_node("Conv", ["x", "k"], "a"), *steps]
        assert read(tmp_path / "model", onnx_file(nodes, constants))[1]["k"].activation == activation


def test_a_graph_tells_what_follows(tmp_path, rng):
    kernels = {f"k{index}": rng.normal(size=(4, 4, 3, 3)).astype("f4") for index in range(5)}
    constants = kernels | {
        "one_a_channel": np.array([1, -1, 2, 0.5], "f4").reshape(4, 1, 1),
        "wide": rng.normal(size=(4, 2, 3, 3)).astype("f4"),
        "flat": rng.normal(size=(4, 36)).astype("f4"),
        "shape": np.array([4, 4, 3, 3]),
        "quantised": rng.integers(-9, 9, (4, 1, 3, 3)).astype("i1"),
        "unit": np.array(0.25, "f4"),
        "six": np.array(6, "f4"),
        "zero": np.array(0, "f4"),
    }
    inner = onnx_graph(
        [onnx_node("Conv", ["f", "k4"], "inner_f"), onnx_node("Relu", ["inner_f"], "g")], {"k4": kernels["k0"] * 2}
    )
    nodes = [
        onnx_node("Conv", ["x", "k0"], "a"),
        onnx_node("Mul", ["a", "one_a_channel"], "a1"),
        onnx_node("Conv", ["a1", "k0"], "a2"),
        onnx_node("Conv", ["a2", "k1"], "b"),
        onnx_node("Mul", ["b", "one_a_channel"], "b2", name="scaled"),
        onnx_node("Sigmoid", ["b2"], "s"),
        onnx_node("Mul", ["s", "b2"], "b3"),
        onnx_node("ConvTranspose", ["b3", "wide"], "c", group=2),
        onnx_node("Clip", ["c", "zero", "six"], "c2"),
        onnx_node("Add", ["c2", "b3"], "c3"),
        onnx_node("Reshape", ["flat", "shape"], "made"),
        onnx_node("Conv", ["c3", "made"], "d"),
        onnx_node("DequantizeLinear", ["quantised", "unit"], "back"),
        onnx_node("Conv", ["d", "back"], "e", group=4),
        onnx_node("MaxPool", ["e"], "e2"),
        onnx_node("Tanh", ["e2"], "e3"),
        onnx_node("Conv", ["e3", "d"], "f"),
        onnx_node("If", ["flag"], "g2", then_branch=inner),
    ]
    _, found, left_out = read(tmp_path / "model.onnx", onnx_file(nodes, constants))
    told = {name: (each.kind, each.groups, each.activation, each.folded, each.residual) for name, each in found.items()}
    assert told == {
        "k0": ("conv2d", 1, "linear", None, False),
        "k1": ("conv2d", 1, "silu", "scaled", True),
        "wide": ("transposed", 2, "relu6", None, True),
        "flat": ("conv2d", 1, "linear", None, False),
        "quantised": ("depthwise", 4, "tanh", None, False),
        "node_g2/then_branch/k4": ("conv2d", 1, "relu", None, False),
    }
    assert found["k0"].shared_by == 2
    np.testing.assert_array_equal(found["k0"].kernels, kernels["k0"])  # Only one of its two nodes is scaled.
    scales = constants["one_a_channel"].astype(float)[..., np.newaxis]
    np.testing.assert_array_equal(found["k1"].kernels, kernels["k1"] * scales)
    wide = constants["wide"].astype(float)  # (input, filter of its group, row, column); two inputs a group
    np.testing.assert_array_equal(found["wide"].kernels[3], wide[2:, 1])
    np.testing.assert_array_equal(found["quantised"].kernels, constants["quantised"] / 4)
    assert left_out["node_f"] == "Its kernel is computed while the network runs."
    assert {"k2", "k3"} <= left_out.keys()


def test_a_normalisation_is_folded_into_a_convolution_that_it_follows_at_every_use(tmp_path, rng):
    arrays = small_network(rng)
    names = [f"bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    nodes = [onnx_node("Conv", [f"x{use}", "conv1.weight"], f"a{use}") for use in range(2)]
    nodes += [onnx_node("BatchNormalization", [f"a{use}", *names], f"b{use}") for use in range(2)]
    nodes += [onnx_node("Sub", ["b0", "b1"], "c")]
    _, found, _ = read(tmp_path / "model.onnx", onnx_file(nodes, arrays))
    assert found["conv1.weight"].folded == "node_b0"
    assert found["conv1.weight"].shared_by == 2
    assert not any("differs between its uses" in note for note in found["conv1.weight"].notes)


def test_all_outputs_of_a_step_and_those_of_its_branches_are_followed(tmp_path, rng):
    arrays = {name: rng.normal(size=(4, 4, 3, 3)).astype("f4") for name in ("split", "branched")}
    branch = onnx_graph([onnx_node("Conv", ["c", "branched"], "d")], {}, outputs=["d"])
    nodes = [
        onnx_node("Conv", ["x", "split"], "a"),
        onnx_node("Split", ["a"], "b1", outputs=["b2"]),
        onnx_node("Sigmoid", ["b1"], "s"),
        onnx_node("Mul", ["s", "b2"], "c"),
        onnx_node("If", ["flag"], "e", then_branch=branch),
        onnx_node("Relu", ["e"], "f"),
    ]
    _, found, _ = read(tmp_path / "model.onnx", onnx_file(nodes, arrays, outputs=["f"]))
    assert {name: (each.activation, each.output) for name, each in found.items()} == {
        "split": (None, False),  # A gated linear unit takes one half of the channels for the gates of the other.
        "branched": ("relu", True),
    }


def test_external_data_is_read_from_the_files_own_folder(tmp_path, rng):
    arrays = small_network(rng)
    whole = read(tmp_path / "whole.onnx", small_onnx(arrays))[0]
    (tmp_path / "weights.bin").write_bytes(b"1234" + arrays["conv2.weight"].tobytes())
    place = {"location": "weights.bin", "offset": "4", "length": str(arrays["conv2.weight"].nbytes)}
    apart = arrays | {"conv2.weight": onnx_tensor("conv2.weight", arrays["conv2.weight"], external=place)}
    model, _, _ = read(tmp_path / "apart.onnx", small_onnx(apart))
    assert [each.kernels.tobytes() for each in model.convolutions] == [
        each.kernels.tobytes() for each in whole.convolutions
    ]


# --- files of names and arrays


def test_what_is_no_trained_kernel_is_left_out_with_the_reason(tmp_path, rng):
    kernel = rng.normal(size=(8, 4, 3, 3)).astype("f4")
    turns = np.outer(np.arange(65), np.arange(128)) * 2 * np.pi / 128
    stft = np.concatenate([np.cos(turns), -np.sin(turns)]) * np.hanning(128)
    arrays = {
        "stft.weight": stft[:, np.newaxis].astype("f4"),
        "features.weight": kernel,
        "tied.weight": kernel,
        "optimizer.state.0.exp_avg": kernel + 1,
        "pos_embed": rng.normal(size=(1, 16, 8)).astype("f4"),
        "broken.weight": np.full((2, 2, 3, 3), np.nan, "f4"),
        "codes.weight": np.ones((2, 2, 3, 3), "i8"),
        "head.weight": rng.normal(size=(10, 8)).astype("f4"),
        "waves.weight": rng.normal(size=(64, 1, 128)).astype("f4"),
    }
    _, found, left_out = read(tmp_path / "model.safetensors", safetensors_file(arrays))
    assert list(found) == ["features", "waves"]
    assert found["features"].shared_by == 2
    for name, word in {
        "stft": "fixed basis",
        "tied": "alias of features",
        "optimizer.state.0.exp_avg": "optimiser",
        "pos_embed": "name",
        "broken": "not numbers",
        "codes": "integers",
        "head.weight": "2 axes",
    }.items():
        assert word in left_out[name], name


def test_batch_normalisations_are_folded_only_where_it_is_sure_that_they_follow(tmp_path, rng):
    def norm(name, width):
        values = {
            each: rng.uniform(0.5, 2, width).astype("f4") for each in ("running_mean", "running_var", "weight", "bias")
        }
        return {f"{name}.{each}": value for each, value in values.items()}

    def folded(arrays):
        found = read(tmp_path / "model", torch_zip(arrays))[1]
        assert all(("none is folded in" in " ".join(each.notes)) == (each.folded is None) for each in found.values())
        return {name: each.folded for name, each in found.items()}

    def kernel(out, into):
        return rng.normal(size=(out, into, 3, 3)).astype("f4")

    neighbours = {"0.weight": kernel(8, 3), **norm("1", 8), "3.weight": kernel(8, 8), **norm("5", 8)}
    assert folded(neighbours) == {"0": "1", "3": None}
    after = {"a.conv1.weight": kernel(8, 3), **norm("a.bn1", 8), "a.conv2.weight": kernel(8, 8), **norm("a.bn2", 8)}
    assert folded(after) == {"a.conv1": "a.bn1", "a.conv2": "a.bn2"}
    before = {**norm("a.bn1", 3), "a.conv1.weight": kernel(8, 3), **norm("a.bn2", 8), "a.conv2.weight": kernel(8, 8)}
    assert folded(before) == {"a.conv1": None, "a.conv2": None}
    unsure = {"a.conv1.weight": kernel(8, 8), **norm("a.bn1", 8)}
    assert folded(unsure) == {"a.conv1": None}


def test_weight_normalisation_is_multiplied_out_and_shapes_tell_other_kinds(tmp_path, rng):
    directions, lengths = rng.normal(size=(6, 4, 5)).astype("f4"), rng.uniform(1, 2, (6, 1, 1)).astype("f4")
    arrays = {
        "first.weight_g": lengths,
        "first.weight_v": directions,
        "apart.weight": rng.normal(size=(6, 1, 5)).astype("f4"),
        "up.weight": rng.normal(size=(6, 9, 5)).astype("f4"),
        "up.bias": np.ones(9, "f4"),
        "volume.weight": rng.normal(size=(4, 9, 2, 2, 2)).astype("f4"),
    }
    _, found, _ = read(tmp_path / "model.pt", torch_zip(arrays, around=lambda tensors: {"net": tensors, "epoch": 3}))
    assert {name: each.kind for name, each in found.items()} == {
        "net.first": "conv1d",
        "net.apart": "depthwise",
        "net.up": "transposed",
        "net.volume": "conv3d",
    }
    norms = np.sqrt(np.square(found["net.first"].kernels).sum((1, 2)))
    np.testing.assert_allclose(norms, lengths.ravel(), rtol=1e-6)
    assert found["net.up"].kernels.shape == (9, 6, 5)


def test_masks_are_multiplied_in_and_biases_found_beside_reparametrised_kernels(tmp_path, rng):
    kernels, mask = rng.normal(size=(6, 4, 3, 3)).astype("f4"), np.ones((6, 4, 3, 3), "f4")
    mask[:3] = 0
    arrays = {
        "pruned.weight_orig": kernels,
        "pruned.weight_mask": mask,
        "normed.parametrizations.weight.original0": np.ones((6, 1, 1, 1), "f4"),
        "normed.parametrizations.weight.original1": kernels,
        "spectral.parametrizations.weight.original": kernels,
    }
    arrays |= {f"{name}.bias": np.arange(6, dtype="f4") for name in ("pruned", "normed", "spectral")}
    _, found, left_out = read(tmp_path / "model.safetensors", safetensors_file(arrays))
    assert list(found) == ["pruned", "normed", "spectral"]
    np.testing.assert_array_equal(found["pruned"].kernels, kernels * mask)
    assert [each.biases.tolist() for each in found.values()] == [list(range(6))] * 3
    assert not left_out


def test_a_name_alone_tells_no_number_of_channels_for_a_depthwise_convolution(tmp_path, rng):
    kernels = {f"{name}.weight": rng.normal(size=shape).astype("f4") for name, shape in (
        ("first", (8, 3, 3, 3)), ("depthwise", (16, 1, 3, 3)))}  # fmt: skip
    for arrays in (kernels, dict(reversed(kernels.items()))):
        _, found, _ = read(tmp_path / "model.safetensors", safetensors_file(arrays))
        assert (found["depthwise"].kind, found["depthwise"].groups) == ("depthwise", 16)


def test_anonymous_arrays_and_early_pickled_dictionaries_are_read(tmp_path, rng):
    first, second = rng.normal(size=(3, 3, 2, 16)).astype("f4"), rng.normal(size=(3, 3, 16, 20)).astype("f4")
    arrays = [first, np.ones(16, "f4"), np.ones((1, 1, 16), "f4"), second, np.zeros(20, "f4")]

    _, found, _ = read(tmp_path / "old.npy", npy_lists({"net": arrays}))
    assert list(found) == ["net.0", "net.3"]
    np.testing.assert_array_equal(found["net.3"].kernels, second.transpose(3, 2, 0, 1))
    assert found["net.0"].biases.tolist() == [1] * 16
    _, found, _ = read(tmp_path / "new.npz", npz_file({f"arr_{index}": array for index, array in enumerate(arrays)}))
    np.testing.assert_array_equal(found["arr_3"].kernels, second.transpose(3, 2, 0, 1))
    assert "taken to be last" in " ".join(found["arr_3"].notes)


# --- files that packages ship


def shipped(package, ending):
    """A file that an installed package ships."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    (path,) = (Path(file.locate()) for file in files if re.search(ending, str(file)))
    return read_model(path)


@pytest.mark.models
def test_mtcnn():
    model = shipped("mtcnn", r"\.npy$")
    assert [len(each.kernels) for each in model.convolutions] == [10, 16, 32, 2, 4, 28, 48, 64, 32, 64, 64, 128]
    assert all(each.biases is not None for each in model.convolutions)


@pytest.mark.models
def test_basic_pitch_is_the_same_network_in_both_formats():
    graph, saved = shipped("basic-pitch", r"nmp\.onnx$"), shipped("basic-pitch", r"saved_model\.pb$")
    shapes = {each.kernels.shape: each for each in graph.convolutions}
    assert len(saved.convolutions) == 6
    assert sum("fixed basis" in each.reason for each in graph.left_out) == 2
    for each in saved.convolutions:
        same = shapes[each.kernels.shape]
        assert each.activation == same.activation
        np.testing.assert_allclose(each.kernels, same.kernels, rtol=1e-4, atol=1e-6)


@pytest.mark.models
def test_silero_vad_is_the_same_network_in_each_of_its_files():
    graph, both = shipped("silero-vad", r"silero_vad_16k_op15\.onnx$"), shipped("silero-vad", r"op18_ifless\.onnx$")
    named = shipped("silero-vad", r"\.safetensors$")  # It was trained again: only the basis is the same.
    for one, other, trained_again in zip(graph.convolutions, both.convolutions, named.convolutions, strict=False):
        assert one.kernels.tobytes() == other.kernels.tobytes()
        assert one.kernels.shape == trained_again.kernels.shape
        assert one.activation in ("relu", "sigmoid")
    assert [len(model.convolutions) for model in (graph, both, named)] == [5, 10, 5]
    bases = [sum("fixed basis" in each.reason for each in model.left_out) for model in (graph, both, named)]
    assert bases == [1, 2, 1]
