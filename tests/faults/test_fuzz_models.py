"""Whatever bytes a model file has, its reader answers with a model or with its own error, in bounded memory.

Some mutated files of each format are read with all tests. More than 1,000, as with ``FUZZ_EXAMPLES=20000``, are other
ones each time; the seed is then in the error.
"""

from __future__ import annotations

import io
import json
import os
import resource
import zipfile

import numpy as np
import pytest

from filtertwins.inspect.model import Model, ModelError
from filtertwins.inspect.readers import read_model
from model_files import (
    checkpoint,
    hdf5_file,
    npy_lists,
    npz_file,
    proto,
    safetensors_file,
    small_network,
    small_onnx,
    torch_legacy,
    torch_zip,
    zip_file,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
MOST_KIB = 300 * 2**10  # how much the process may grow

LAYERS = [
    {"class_name": "InputLayer", "config": {"name": "image"}, "name": "image", "inbound_nodes": []},
    {
        "class_name": "Conv2D",
        "config": {"name": "conv", "activation": "linear", "dilation_rate": [2, 2]},
        "name": "conv",
        "inbound_nodes": [[["image", 0, 0, {}]]],
    },
    {
        "class_name": "BatchNormalization",
        "config": {"name": "norm", "epsilon": 0.001},
        "name": "norm",
        "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["conv", 0, 0]}}]}],
    },
]
CONFIG = {"class_name": "Functional", "config": {"name": "net", "layers": LAYERS, "output_layers": [["norm", 0, 0]]}}
KERNEL = np.arange(72, dtype="f4").reshape(3, 3, 2, 4)


def hdf5(arrays, texts, **options):
    """An HDF5 file of arrays by path, and of attributes by path and name."""

    def fill(file):
        for path, array in arrays.items():
            file.create_dataset(path, data=array, compression="gzip" if array.size > 60 else None)
        for (path, name), text in texts.items():
            file.require_group(path).attrs[name] = text

    return hdf5_file(fill, **options)


def whole_files():
    """A small file of each format, as members by name: of a folder, of a zip file, or one alone."""
    arrays = small_network(np.random.default_rng(8))
    numbers = {f"layers/conv2d/vars/{index}": array for index, array in enumerate((KERNEL, np.ones(4, "f4")))}
    norm = {f"layers/batch_normalization/vars/{index}": np.ones(4, "f4") for index in range(4)}
    named = {("layers/conv2d/vars", "name"): "conv", ("layers/batch_normalization/vars", "name"): "norm"}
    keras_3 = hdf5(numbers | norm, named)
    keras_2 = {
        f"model_weights/conv/conv/{name}:0": array for name, array in (("kernel", KERNEL), ("bias", np.ones(4, "f4")))
    }
    index, data = checkpoint({"conv/kernel": KERNEL, "conv/bias": np.ones(4, "f4"), "norm/gamma": np.ones(4, "f4")})
    metadata = proto((1, proto((3, "root"), (5, json.dumps(CONFIG)))))
    return {
        "keras": {"config.json": json.dumps(CONFIG).encode(), "model.weights.h5": keras_3},
        "keras 3 weights": {"": keras_3},
        "newest hdf5": {"": hdf5(numbers | norm, named, libver="latest")},
        "keras 2": {"": hdf5(keras_2, {("/", "model_config"): json.dumps(CONFIG)})},
        "saved model": {
            "variables/variables.index": index,
            "variables/variables.data-00000-of-00001": data,
            "keras_metadata.pb": metadata,
        },
        "onnx": {"": small_onnx(arrays)},
        "safetensors": {"": safetensors_file(arrays, format="pt")},
        "torch": members_of(torch_zip(arrays)),
        "torch legacy": {"": torch_legacy(arrays)},
        "npz": members_of(npz_file(arrays)),
        "npy": {"": members_of(npz_file({"kernel": KERNEL}))["kernel.npy"]},
        "pickled npy": {"": npy_lists({"net": [KERNEL, np.ones(4, "f4"), KERNEL + 1]})},
    }


def members_of(content):
    """What is in a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def mutated(rng, content):
    """Some bytes with a few changed, cut out, repeated, copied to elsewhere, or cut off."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        # Headers and directories are at the ends, so half of the changes are made there.
        last = len(content) - 1
        place = int(
            rng.choice([rng.integers(last + 1), min(last, rng.integers(200)), max(0, last - rng.integers(250))])
        )
        length = int(rng.integers(1, 30))
        kind = rng.choice(["change", "change", "flip", "extreme", "number", "cut out", "repeat", "splice", "cut off"])
        if kind == "change":
            content[place] = rng.integers(256)
        elif kind == "flip":
            content[place] ^= 1 << rng.integers(8)
        elif kind == "extreme":
            content[place] = rng.choice([0, 1, 127, 128, 255])
        elif kind == "number":
            content[place : place + 4] = int(rng.choice([0, 2**16, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
        elif kind == "cut out":
            del content[place : place + length]
        elif kind == "repeat":
            content[place:place] = content[place : place + length]
        elif kind == "splice":
            other = int(rng.integers(last + 1))
            content[place : place + length] = content[other : other + length]
        elif rng.random() < 0.3:
            del content[place:]
    return bytes(content)


def write(rng, members, path, folder):
    """Write a mutated file; of a zip file either a member or the whole is mutated."""
    inside = folder or rng.random() < 0.7
    if inside:
        name = str(rng.choice(list(members)))
        members = members | {name: mutated(rng, members[name])}
    if folder:
        for name, content in members.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    else:
        content = members[""] if "" in members else zip_file(members)
        path.write_bytes(content if inside else mutated(rng, content))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # in a damaged header, which NumPy parses
@pytest.mark.parametrize("name", whole_files())
def test_a_mutated_model_file_is_read_or_refused_by_name(tmp_path, name):
    members = whole_files()[name]
    path = tmp_path / "model"
    first_seed = 0 if EXAMPLES <= 1000 else int(np.random.SeedSequence().generate_state(1)[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    for seed in range(first_seed, first_seed + EXAMPLES):
        write(np.random.default_rng(seed), members, path, name == "saved model")
        try:
            model = read_model(path)
        except ModelError as error:
            assert str(error).startswith(f"{path}: "), seed  # noqa: PT017 - Both outcomes are right.
            assert "\n" not in str(error), seed  # noqa: PT017
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        assert isinstance(model, Model)
        assert all(np.isfinite(each.kernels).all() for each in model.convolutions), seed
        read += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB
    assert 0 < read < EXAMPLES, "either nothing was mutated, or the whole file can't be read"
    print(f"{name}: {read:,} of {EXAMPLES:,} were read")
