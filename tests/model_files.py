"""Model files made by hand: Keras's, ONNX, safetensors, and torch's, without the packages that write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import dataclass

import h5py
import numpy as np

ONNX_TYPES = {"float32": 1, "int8": 3, "int64": 7, "float16": 10, "float64": 11}
STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage"}


# --- zip files and HDF5


def zip_file(members):
    """A zip file of some contents by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return content.getvalue()


def hdf5_file(fill, **options):
    """An HDF5 file that a function has filled."""
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        fill(file)
    return content.getvalue()


def keras_file(config, weights):
    """A file of Keras 3."""
    return zip_file({"config.json": json.dumps(config), "model.weights.h5": weights})


# --- protocol buffers and ONNX


def varint(value):
    """An unsigned integer of seven bits a byte."""
    value %= 2**64
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    return bytes([*content, value])


def proto(*fields):
    """A message: pairs of a number and an integer, a float, text, or bytes, as which messages are given too."""
    content = b""
    for number, value in fields:
        if isinstance(value, int):
            content += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            content += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            value = value.encode() if isinstance(value, str) else value
            content += varint(number << 3 | 2) + varint(len(value)) + value
    return content


def onnx_tensor(name, array, *, external=None):
    """A tensor, stored within or where pairs of keys and values say."""
    array = np.asarray(array)
    fields = [*((1, length) for length in array.shape), (2, ONNX_TYPES[array.dtype.name]), (8, name)]
    if external is None:
        return proto(*fields, (9, array.tobytes()))
    return proto(*fields, *((13, proto((1, key), (2, value))) for key, value in external.items()), (14, 1))


def onnx_node(operation, inputs, output, *, name=None, outputs=(), **options):
    """A node; options are integers, lists of them, floats, or graphs and tensors as bytes."""
    fields = [
        *((1, each) for each in inputs),
        *((2, each) for each in (output, *outputs)),
        (3, name or f"node_{output}"),
        (4, operation),
    ]
    for key, value in options.items():
        kind = {int: 3, float: 2, bytes: 5 if key == "value" else 6, str: 4}.get(type(value))
        values = [(kind, value)] if kind else [(8, each) for each in value]
        fields.append((5, proto((1, key), *values)))
    return proto(*fields)


def onnx_graph(nodes, constants, outputs=()):
    """A graph, whose outputs are named; constants are arrays or whole tensors by name."""
    tensors = (each if isinstance(each, bytes) else onnx_tensor(name, each) for name, each in constants.items())
    return proto(
        *((1, node) for node in nodes),
        (2, "graph"),
        *((5, tensor) for tensor in tensors),
        *((12, proto((1, name))) for name in outputs),
    )


def onnx_file(nodes, constants, outputs=()):
    """An ONNX file of one graph."""
    return proto((1, 8), (2, "by hand"), (7, onnx_graph(nodes, constants, outputs)), (8, proto((1, ""), (2, 17))))


# --- TensorFlow's checkpoints


def table(entries):
    """A table of sorted keys in one block, which no key shares a beginning in."""

    def block(pairs):
        content = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs)
        return content + struct.pack("<II", 0, 1)

    data, no_data = block(sorted(entries.items())), block([])
    places = [0, len(data) + 5, len(data) + 5 + len(no_data) + 5]
    index = block([(b"\xff", varint(places[0]) + varint(len(data)))])
    footer = b"".join(map(varint, (places[1], len(no_data), places[2], len(index)))).ljust(40, b"\0")
    blocks = b"".join(each + bytes(5) for each in (data, no_data, index))  # not compressed; no checksum
    return blocks + footer + 0xDB4775248B80FB57.to_bytes(8, "little")


def checkpoint(arrays, *, folders=("layer",)):
    """An index and its data: float32 arrays by their names, at places in a model that are mere numbers.

    They are stored in each of some folders.
    """
    stored = [
        (f"{folder}/{index}/.ATTRIBUTES/VARIABLE_VALUE", name, array)
        for folder in folders
        for index, (name, array) in enumerate(arrays.items())
    ]
    attributes = [proto((2, proto((1, "VARIABLE_VALUE"), (2, name), (3, place)))) for place, name, _ in stored]
    graph = proto(*((1, attribute) for attribute in attributes))
    entries, data = {b"": proto((1, 1))}, b""
    for place, _, array in stored:
        shape = proto(*((2, proto((1, length))) for length in array.shape))
        entries[place.encode()] = proto((1, 1), (2, shape), (4, len(data)), (5, array.nbytes))
        data += array.tobytes()
    text = varint(len(graph)) + bytes(4) + graph
    entries[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = proto((1, 7), (2, b""), (4, len(data)), (5, len(text)))
    return table(entries), data + text


# --- safetensors


def safetensors_file(arrays, **metadata):
    """A file of safetensors, with its arrays in the order given."""
    header, content = ({"__metadata__": metadata} if metadata else {}), b""
    names = {"float32": "F32", "float64": "F64", "int64": "I64"}
    for name, array in arrays.items():
        places = [len(content), len(content) + array.nbytes]
        header[name] = {"dtype": names[array.dtype.name], "shape": array.shape, "data_offsets": places}
        content += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


# --- pickles, instruction by instruction, so that they can name what is not installed, or should not be run


@dataclass
class Named:
    """A global: a class or a function."""

    name: str


@dataclass
class Call:
    """A call of a global."""

    name: str
    arguments: tuple


@dataclass
class Persistent:
    """Something that is stored outside the pickle."""

    identity: tuple


def instructions(value):
    """The instructions that make a value."""
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        return b"\x8a\x0b" + value.to_bytes(11, "little", signed=True)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack("<I", len(value)) + value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(instructions, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(instructions, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(instructions(key) + instructions(each) for key, each in value.items()) + b"u"
    if isinstance(value, Named):
        return b"c" + value.name.rpartition(".")[0].encode() + b"\n" + value.name.rpartition(".")[2].encode() + b"\n"
    if isinstance(value, Call):
        return instructions(Named(value.name)) + instructions(value.arguments) + b"R"
    return instructions(value.identity) + b"Q"


def pickled(value):
    """A pickle, protocol 2."""
    return b"\x80\x02" + instructions(value) + b"."


def _torch_tensor(key, array, legacy, parameter=False):
    kind = Named(f"torch.{STORAGES[array.dtype.name]}")
    storage = Persistent(("storage", kind, key, "cpu", array.size, *((None,) if legacy else ())))
    strides = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides)
    hooks = Call("collections.OrderedDict", ())
    tensor = Call("torch._utils._rebuild_tensor_v2", (storage, 0, array.shape, strides, False, hooks))
    return Call("torch._utils._rebuild_parameter", (tensor, True, hooks)) if parameter else tensor


def torch_zip(arrays, *, around=lambda tensors: tensors):
    """A file of torch.save; ``around`` makes of the tensors by name what is saved."""
    tensors = {name: _torch_tensor(str(index), array, False) for index, (name, array) in enumerate(arrays.items())}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model/data.pkl", pickled(around(tensors)))
        archive.writestr("model/byteorder", b"little")
        for index, array in enumerate(arrays.values()):
            archive.writestr(f"model/data/{index}", array.tobytes())
    return content.getvalue()


def torch_legacy(arrays):
    """A file as torch.save wrote it before version 1.6."""
    keys = [str(1000 + index) for index in range(len(arrays))]
    pairs = zip(keys, arrays.items(), strict=True)
    tensors = {name: _torch_tensor(key, array, True, parameter=True) for key, (name, array) in pairs}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    content = b"".join(pickled(each) for each in (0x1950A86A20F9469CFC6C, 1001, system, tensors, keys))
    return content + b"".join(struct.pack("<q", array.size) + array.tobytes() for array in arrays.values())


def npy_object(instructions_of_it):
    """A file of numpy.save that holds an object: a pickle, of which its instructions are given."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + b"\x80\x02" + instructions_of_it + b"."


def npy_lists(arrays):
    """A file of numpy.save that holds lists of arrays by name."""

    def pickled_array(array):
        made = Call("numpy.core.multiarray._reconstruct", (Named("numpy.ndarray"), (0,), b"b"))
        kind = instructions(Call("numpy.dtype", ("f4", 0, 1))) + instructions((3, "<", None)) + b"b"
        state = instructions(1) + instructions(array.shape) + kind + instructions(False) + instructions(array.tobytes())
        return instructions(made) + b"(" + state + b"tb"

    lists = (instructions(name) + b"](" + b"".join(map(pickled_array, each)) + b"e" for name, each in arrays.items())
    return npy_object(b"}(" + b"".join(lists) + b"u")


def npz_file(arrays):
    """A file of numpy.savez."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


# --- a network's weights in the order and by the names of torch, and the same as ONNX


def small_network(rng):
    """A convolution with its batch normalisation, and one without, by torch's names; float32."""
    return {
        "conv1.weight": rng.normal(size=(6, 3, 3, 2)).astype("f4"),
        "conv1.bias": rng.normal(size=6).astype("f4"),
        "bn1.weight": np.array([1, -2, 0.5, 1, 3, 1], "f4"),
        "bn1.bias": rng.normal(size=6).astype("f4"),
        "bn1.running_mean": rng.normal(size=6).astype("f4"),
        "bn1.running_var": rng.uniform(0.5, 2, 6).astype("f4"),
        "conv2.weight": rng.normal(size=(4, 6, 3, 3)).astype("f4"),
        "fc.weight": rng.normal(size=(10, 4)).astype("f4"),
    }


def small_onnx(arrays):
    """The same network as a graph: convolution, normalisation, relu, convolution."""
    normalisation = [f"bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    nodes = [
        onnx_node("Conv", ["x", "conv1.weight", "conv1.bias"], "a", dilations=[2, 2]),
        onnx_node("BatchNormalization", ["a", *normalisation], "b", name="bn1", epsilon=1e-5),
        onnx_node("Relu", ["b"], "c"),
        onnx_node("Conv", ["c", "conv2.weight"], "d"),
    ]
    return onnx_file(nodes, arrays)
