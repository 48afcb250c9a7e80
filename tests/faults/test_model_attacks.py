"""Known attacks through model files, made here: each is refused in one line, and nothing of it has run or was read."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers import read_model
from filtertwins.inspect.readers.hdf5 import _workers as workers
from model_files import (
    Call,
    Named,
    Persistent,
    checkpoint,
    hdf5_file,
    instructions,
    keras_file,
    npy_object,
    onnx_file,
    onnx_node,
    onnx_tensor,
    pickled,
    safetensors_file,
    small_network,
    small_onnx,
    torch_legacy,
    torch_zip,
)

MOST_BYTES = 2**25  # what a refusal may take


@pytest.fixture
def refused(tmp_path):
    """A function: read a file that must be refused, in a line with these words, with little memory."""

    def read(content, *words, name="model"):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        tracemalloc.start()
        try:
            with pytest.raises(ModelError) as error:
                read_model(path)
            taken = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        message = str(error.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        for word in words:
            assert word in message
        assert taken < MOST_BYTES
        assert not (tmp_path / "ran").exists()

    return read


@pytest.fixture
def touch(tmp_path):
    """A call that leaves a trace if it is made."""
    return Call("posix.system", (f"touch {tmp_path / 'ran'}",))


def layer(file):
    """The weights of one convolution, as Keras 3 writes them."""
    group = file.create_group("layers/conv2d/vars")
    group.attrs["name"] = "conv2d"
    group["0"], group["1"] = np.arange(72, dtype="f4").reshape(3, 3, 2, 4), np.ones(4, "f4")


# --- Keras: code in a config (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9906) and in HDF5 (CVE-2025-9905)


def attacks(folder):
    """Layers of a config that older versions of Keras ran as they read them."""
    trace = str(folder / "ran")
    marshalled = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None, "closure": None}}
    return {
        "CVE-2024-3660": {"class_name": "Lambda", "config": {"name": "run", "function": marshalled}},
        "CVE-2025-1550": {
            "module": "os",
            "class_name": "system",
            "config": {"name": "run", "command": f"touch {trace}"},
        },
        "CVE-2025-8747": {
            "module": "keras.src.utils.file_utils",
            "class_name": "get_file",
            "config": {"name": "run", "fname": trace, "origin": "file:///etc/passwd"},
        },
        "CVE-2025-9906": {
            "module": "keras.config",
            "class_name": "enable_unsafe_deserialization",
            "config": {"name": "run"},
        },
    }


@pytest.mark.parametrize("attack", ["CVE-2024-3660", "CVE-2025-1550", "CVE-2025-8747", "CVE-2025-9906"])
def test_code_in_a_config_is_never_run(tmp_path, attack):
    conv = {"class_name": "Conv2D", "config": {"name": "conv2d", "activation": "relu"}}
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": [conv, attacks(tmp_path)[attack]]}}
    (tmp_path / "model.keras").write_bytes(keras_file(config, hdf5_file(layer)))

    def old(file):
        layer(file)
        file.attrs["model_config"] = json.dumps(config)
        file.move("layers/conv2d/vars/0", "model_weights/conv2d/conv2d/kernel:0")
        del file["layers"]

    (tmp_path / "model.h5").write_bytes(hdf5_file(old))  # CVE-2025-9905: safe_mode is not asked there
    for name in ("model.keras", "model.h5"):
        model = read_model(tmp_path / name)
        assert [(each.name, each.activation) for each in model.convolutions] == [("conv2d", "relu")]
    assert not (tmp_path / "ran").exists()


# --- HDF5: links (CVE-2026-1669), storage elsewhere, shapes (CVE-2026-0897)


def test_links_and_storage_outside_the_file_are_refused(refused, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(288))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        layer(other)

    def external_link(file):
        file["layers/conv2d"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/layers/conv2d")

    def soft_link(file):
        layer(file)
        file["layers/conv2d_1"] = h5py.SoftLink("/layers/conv2d")

    def external_storage(file):
        file.create_dataset("layers/conv2d/vars/0", (3, 3, 2, 4), "f4", external=[(str(secret), 0, 288)])

    def virtual(file):
        layout = h5py.VirtualLayout((3, 3, 2, 4), "f4")
        layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "layers/conv2d/vars/0", (3, 3, 2, 4))
        file.create_virtual_dataset("layers/conv2d/vars/0", layout)

    for fill, word in (
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (external_storage, "stored in other files"),
        (virtual, "stored in other files"),
    ):
        refused(hdf5_file(fill), word)
        refused(keras_file({"config": {}}, hdf5_file(fill)), word)


@pytest.mark.parametrize("shape", [(2**20, 2**10, 3, 3), (3, 3, 512, 512)])
def test_shapes_of_what_is_not_stored_are_refused(refused, shape):
    def bomb(file):
        file.create_dataset("layers/conv2d/vars/0", shape, "f4", chunks=(1, 1, 3, 3))

    refused(hdf5_file(bomb), "says that it has")
    refused(keras_file({"config": {}}, hdf5_file(bomb)), "says that it has")


def test_a_filter_of_a_plugin_is_refused(refused):
    def plugin(file):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3, 3))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((3, 3))
        h5py.h5d.create(file.id, b"kernel", h5py.h5t.NATIVE_FLOAT, space, properties)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py.h5z, "filter_avail", lambda number: True)
        try:
            content = hdf5_file(plugin)
        except (OSError, ValueError):
            pytest.skip("this HDF5 does not write the mark of a filter that it lacks")
    refused(content, "anybody's code")


def test_a_process_that_reads_and_was_ended_is_started_again(tmp_path):
    (tmp_path / "model").write_bytes(hdf5_file(layer))
    first = read_model(tmp_path / "model")
    (worker,) = workers
    worker.kill()
    worker.wait()
    assert read_model(tmp_path / "model").convolutions[0].name == first.convolutions[0].name
    assert workers[0] is not worker


def test_a_group_within_itself_ends(tmp_path):
    def within(file):
        layer(file)
        file["layers/conv2d/again"] = file["layers"]

    (tmp_path / "model").write_bytes(hdf5_file(within))
    model = read_model(tmp_path / "model")
    assert [each.name for each in model.convolutions] == ["conv2d"]
    assert "alias" in model.left_out[0].reason


# --- pickles (torch: CVE-2025-32434)


def test_pickles_that_ask_for_anything_else_are_refused_by_its_name(refused, rng, touch):
    arrays = small_network(rng)
    refused(torch_zip(arrays, around=lambda tensors: [touch, tensors]), "'posix.system'", "nothing was run")
    whole = torch_legacy(arrays)
    first = pickled(0x1950A86A20F9469CFC6C)
    refused(first + pickled(1001) + pickled({"a": touch}) + whole[len(first) :], "'posix.system'")
    refused(torch_zip(arrays, around=lambda tensors: Call("builtins.eval", ("1",))), "'builtins.eval'")
    refused(torch_zip(arrays, around=lambda tensors: Named("collections.OrderedDict.fromkeys")), "fromkeys")
    refused(torch_zip(arrays, around=lambda tensors: Call("torch.hub.load", ("a", "b"))), "'torch.hub.load'")
    refused(npy_object(instructions(touch)), "'posix.system'")
    refused(npy_object(b"N").replace(b"(), }", b"(3,)}"), "Python objects")


def test_torchs_old_tar_files_are_not_read(refused, touch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("pickle", "storages", "tensors", "sys_info"):
            payload = pickled(touch)
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
    refused(content.getvalue(), "none of the formats")


def test_what_would_take_for_ever_is_refused(refused):
    nested = b")" + b"2\x86" * 60  # a pair of the same pair, 60 times: 2 to the 60th leaves
    refused(npy_object(b"}" + nested + b"Ns"), "keys that are neither")
    refused(npy_object(b"(" + nested + b"tQ"), "damaged")
    refused(npy_object(nested + b"\x93"), "damaged")


def test_views_beyond_a_storage_or_much_larger_than_it_are_refused(refused, rng):
    def view(offset, shape, strides):
        storage = Persistent(("storage", Named("torch.FloatStorage"), "0", "cpu", 6))
        hooks = Call("collections.OrderedDict", ())
        arguments = (storage, offset, shape, strides, False, hooks)
        return lambda tensors: {"conv.weight": Call("torch._utils._rebuild_tensor_v2", arguments)}

    arrays = {"six": np.arange(6, dtype="f4")}
    for offset, shape, strides in ((4, (2, 2, 1), (2, 1, 1)), (0, (1, 2, 1), (1, -1, 1)), (-1, (2, 2, 1), (2, 1, 1))):
        refused(torch_zip(arrays, around=view(offset, shape, strides)), "reaches beyond")
    refused(torch_zip(arrays, around=view(0, (2**10, 2**10, 3), (0, 0, 1))), "says that it has")


# --- zip files


def test_zip_members_that_lead_out_or_grow_are_refused(refused):
    def archive(members, kind=zipfile.ZIP_DEFLATED):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", kind) as file:
            for name, data in members:
                file.writestr(zipfile.ZipInfo(name), data, kind)
        return content.getvalue()

    for name in ("../up.npy", "/root.npy", "a/../../b.npy", "C:\\x.npy"):
        refused(archive([(name, b"")]), "leads out")
    refused(archive([("a.npy", bytes(2**25))]), "says that it has")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive([("a.npy", b"1"), ("a.npy", b"2")])
    refused(twice, "twice")
    honest = archive([("a.npy", bytes(range(256)) * 100)])
    size = (25600).to_bytes(4, "little")
    assert honest.count(size) == 2
    refused(honest.replace(size, (256).to_bytes(4, "little")), "damaged")  # It inflates beyond what it says.


# --- ONNX: external data (CVE-2026-27489: a linked folder; CVE-2026-34447: a linked file)


def test_external_data_outside_the_folder_is_not_read(refused, tmp_path, rng):
    arrays = small_network(rng)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(arrays["conv2.weight"].tobytes())
    model = tmp_path / "model"
    model.mkdir()
    (model / "folder").symlink_to(outside)
    (model / "file").symlink_to(outside / "secret")
    places = ("../outside/secret", "a/../../outside/secret", str(outside / "secret"), "folder/secret", "file")
    for location in (*places, "lacking", ""):
        apart = onnx_tensor("conv2.weight", arrays["conv2.weight"], external={"location": location})
        word = "outside its folder" if location in places else "no such file"
        refused(small_onnx(arrays | {"conv2.weight": apart}), word, name="model/model.onnx")


def test_constants_that_are_computed_over_and_over_are_refused(refused):
    constants = {"codes": np.ones((1, 2**17), "i1"), "unit": np.ones((), "f4")}
    nodes = [onnx_node("DequantizeLinear", ["codes", "unit"], f"d{index}") for index in range(500)]
    nodes += [onnx_node("Mul", ["x", f"d{index}"], f"m{index}") for index in range(500)]
    refused(onnx_file(nodes, constants), "over and over")


def test_sizes_that_do_not_fit_are_refused(refused, rng):
    array = np.zeros((4, 3, 3, 3), "f4")
    large = safetensors_file({"conv.weight": array}).replace(b"[4, 3, 3, 3]", b"[9, 9, 3, 3]")
    refused(large, "by its shape")
    huge = safetensors_file({"conv.weight": array}).replace(b'"shape": [4, 3, 3, 3]', b'"shape":[999999999,3]')
    refused(huge.replace(b"999,3]", b"999,3,3]")[: len(huge)], "damaged")
    refused(safetensors_file({"conv.weight": array})[:-1], "outside the file")
    arrays = small_network(rng)
    bomb = small_onnx(arrays).replace(arrays["conv2.weight"].tobytes(), b"")
    refused(bomb, "")


def test_a_checkpoints_data_behind_a_link_is_not_read(tmp_path, refused):
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    refused(None, "no SavedModel")
    index, data = checkpoint({"conv/kernel": np.ones((3, 3, 2, 4), "f4")})
    (model / "variables" / "variables.index").write_bytes(index)
    refused(None, "is not beside its index")
    (tmp_path / "secret").write_bytes(data)
    (model / "variables" / "variables.data-00000-of-00001").symlink_to(tmp_path / "secret")
    refused(None, "is not beside its index")


def test_what_is_no_model_is_refused(refused):
    for content in (b"", b"hello, this is no model file", b"\x08\x08", bytes(100)):
        refused(content, "none of the formats" if content else "empty")
    refused(None, "name a file", name="lacking")
