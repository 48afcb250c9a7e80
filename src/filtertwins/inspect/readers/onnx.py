"""ONNX files, without onnx: the nodes of a graph and its subgraphs, and the constants that they read."""

from __future__ import annotations

import re
from collections import ChainMap, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import Tensor, as_array, element, file_bytes
from filtertwins.inspect.readers.findings import KINDS, Findings, dilated, one_row_a_filter
from filtertwins.inspect.readers.following import Does, Network, Node, add_followed, batch_normalisation
from filtertwins.inspect.readers.protobuf import Message

DTYPES = {
    1: "<f4", 2: "<u1", 3: "<i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4",
    13: "<u8", 16: "BF16",
}  # fmt: skip
ACTIVATIONS = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "LeakyRelu": "leaky_relu", "PRelu": "prelu", "Elu": "elu",
    "Selu": "selu", "Gelu": "gelu", "Softplus": "softplus", "HardSwish": "hard_swish", "HardSigmoid": "hard_sigmoid",
    "Clip": "clip", "Softmax": "softmax", "Mish": "mish", "Softsign": "softsign", "Celu": "celu", "Swish": "silu",
    "ThresholdedRelu": "thresholded_relu", "Abs": "abs", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Pow": "pow",
    "Erf": "erf",
}  # fmt: skip
PASS = ("Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear")
MOVE = (
    *("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Split", "Slice", "Pad"),
    *("Gather", "Expand", "DepthToSpace", "SpaceToDepth", "GlobalMaxPool", "AveragePool", "GlobalAveragePool"),
    *("ReduceMean", "ReduceSum", "Resize", "Upsample", "If"),
)
MOST_GROWTH_OF_CONSTANTS = 16  # in all, beside those that they are computed from
NUMBERED = r"onnx::|const_fold_opt__|\d+$"  # how exporters name a kernel that has no name
CONVOLUTIONS = ("Conv", "ConvTranspose", "FusedConv")
WEIGH = (*CONVOLUTIONS, "QLinearConv", "ConvInteger", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN")


class _Step:
    """A node of a graph; its inputs are named as the steps are that they come from, in this graph or around it."""

    def __init__(self, node: Message, names: ChainMap[str, str], scope: str) -> None:
        self.inputs = [names.get(name, name) for name in node.texts(1)]
        outputs = [output for output in node.texts(2) if output]
        self.output = scope + outputs[0] if outputs else ""
        names.update(dict.fromkeys(outputs, self.output))  # What reads any of its outputs comes after this step.
        self.operation = node.text(4)
        self.name = node.text(3) or self.output
        self.options = {option.text(1): option for option in node.messages(5)}

    def integers(self, option: str) -> list[int]:
        return self.options[option].integers(8) if option in self.options else []

    def integer(self, option: str, default: int) -> int:
        return self.options[option].integer(3, default) if option in self.options else default


class _Graph:
    """The steps of a graph and of its subgraphs, and its constants by their names."""

    def __init__(self, graph: Message, folder: Path) -> None:
        self.steps: list[_Step] = []
        self.constants: dict[str, Tensor] = {}
        self._folder = folder
        self._bytes_left = 2**20  # of constants that are computed from others
        self._collect(graph, ChainMap(), "")
        self._made_by = {step.output: step for step in self.steps}
        self._known: dict[str, tuple[str, NDArray[Any]] | None] = {}

    def _collect(self, graph: Message, names: ChainMap[str, str], scope: str) -> None:
        for proto in graph.messages(5):
            names[proto.text(8)] = scope + proto.text(8)
            self.constants[scope + proto.text(8)] = _tensor(proto, scope + proto.text(8), self._folder)
        for node in graph.messages(1):
            step = _Step(node, names, scope)
            if step.operation == "Constant" and "value" in step.options:
                for proto in step.options["value"].messages(5):
                    self.constants[step.output] = _tensor(proto, step.output, self._folder)
            self.steps.append(step)
            for option in step.options.values():
                for inner in option.messages(6) + option.messages(11):
                    own_names = names.new_child()
                    self._collect(inner, own_names, f"{scope}{step.name}/{option.text(1)}/")
                    step.inputs += [own_names.get(name, name) for name in _outputs(inner)]

    def constant(self, name: str) -> tuple[str, NDArray[Any]] | None:
        """The constant that an input is in the end, and the name of its array; None where it depends on the input."""
        if name not in self._known:
            self._known[name] = self._constant(name)
        return self._known[name]

    def _constant(self, name: str) -> tuple[str, NDArray[Any]] | None:
        if tensor := self.constants.get(name):
            if tensor.refusal:
                return None
            array = tensor.read()
            self._bytes_left += MOST_GROWTH_OF_CONSTANTS * array.nbytes
            return name, array
        step = self._made_by.get(name)
        if step is None or not step.inputs or step.operation not in _ON_CONSTANTS:
            return None
        first = self.constant(step.inputs[0])
        others = [self.constant(other) for other in step.inputs[1:]]
        if first is None or None in others:
            return None
        array = _ON_CONSTANTS[step.operation](step, first[1], [other[1] for other in others if other])
        self._bytes_left -= array.nbytes
        if self._bytes_left < 0:
            raise ModelError("its constants are computed from each other over and over, which is not followed")
        return first[0], array


def _outputs(graph: Message) -> list[str]:
    return [output.text(1) for output in graph.messages(12)]


def _axes(step: _Step, others: Sequence[NDArray[Any]]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in (others[0].reshape(-1) if others else step.integers("axes")))


def _dequantised(step: _Step, array: NDArray[Any], others: Sequence[NDArray[Any]]) -> NDArray[Any]:
    shape = [1] * array.ndim
    if others[0].size > 1:
        shape[step.integer("axis", 1)] = -1
    shifted = array.astype(np.float32) - (others[1].reshape(shape).astype(np.float32) if len(others) > 1 else 0)
    return np.asarray(shifted * others[0].reshape(shape))


_ON_CONSTANTS = {
    "Identity": lambda step, array, others: array,
    "Cast": lambda step, array, others: array,
    "Transpose": lambda step, array, others: array.transpose(step.integers("perm") or None),
    "Reshape": lambda step, array, others: array.reshape([int(length) for length in others[0]]),
    "Unsqueeze": lambda step, array, others: np.expand_dims(array, _axes(step, others)),
    "Squeeze": lambda step, array, others: np.squeeze(array, _axes(step, others) or None),
    "DequantizeLinear": _dequantised,
}


def is_onnx(content: memoryview) -> bool:
    """Whether a file is a message that begins with a version and has a graph with nodes."""
    try:
        return content[0] == 8 and any(1 in graph for graph in Message(content).messages(7))
    except ValueError:
        return False


def read_onnx(content: memoryview, folder: Path, findings: Findings) -> str:
    """List what an ONNX file holds; returns the format's name.

    Args:
        content: of the file.
        folder: where the file is; external data is read from there only.
        findings: where to list it.
    """
    model = Message(content)
    main = model.messages(7)[0]
    graph = _Graph(main, folder)
    nodes = [_node(graph, step) for step in graph.steps if step.operation not in ("Shape", "Size")]
    network = Network(nodes, _outputs(main))
    used: set[str] = set()
    uses: dict[tuple[Any, ...], list[_Step]] = defaultdict(list)
    for step in graph.steps:
        if step.operation in ("QLinearConv", "ConvInteger"):
            findings.leave_out(step.name, "It is a convolution of integers.")
        elif step.operation in CONVOLUTIONS:
            uses[step.operation, step.inputs[1], step.integer("group", 1)].append(step)
    for steps in uses.values():
        used |= _list(graph, network, steps, findings)
    if 25 in model:
        findings.leave_out("functions", "The file defines functions of its own, which are not looked into.")
    for name, tensor in graph.constants.items():
        if name not in used and tensor.shape:
            findings.leave_out(name, tensor.refusal or "No convolution has it as its kernel.")
    return "ONNX"


def _list(graph: _Graph, network: Network, steps: Sequence[_Step], findings: Findings) -> set[str]:
    """List the convolution that some nodes with the same kernel are; the names of the constants that it took."""
    step = steps[0]
    constant = graph.constant(step.inputs[1])
    if constant is None:
        kernel = graph.constants.get(step.inputs[1])
        findings.leave_out(step.name, kernel.refusal if kernel else "Its kernel is computed while the network runs.")
        return set()
    name, array = constant
    if array.ndim not in KINDS:
        findings.leave_out(name, f"Its kernel has {array.ndim} axes, and one of a convolution has 3 to 5.")
        return {name}
    groups = step.integer("group", 1)
    kind = "transposed" if step.operation == "ConvTranspose" else KINDS[array.ndim]
    rows = one_row_a_filter(array, "first", kind, groups)
    if groups > 1 and kind != "transposed":
        kind = "depthwise" if rows.shape[1] == 1 else "grouped"
    bias = graph.constant(step.inputs[2]) if len(step.inputs) > 2 else None
    used = {name} | ({bias[0]} if bias else set())
    own_name = step.name.rpartition(";")[2] if re.match(NUMBERED, name) else name
    options = {"groups": groups, "notes": dilated(step.integers("dilations"))}
    outputs, biases = [each.output for each in steps], bias and bias[1]
    scales = add_followed(findings, network, outputs, own_name, rows, kind, biases, _own_activation(step), **options)
    return used | {each for scale in scales for each in scale.inputs}


def _own_activation(step: _Step) -> str | None:
    if "activation" not in step.options:
        return "linear"
    own = step.options["activation"].text(4)
    return ACTIVATIONS.get(own, own.lower())


def _node(graph: _Graph, step: _Step) -> Node:
    """A node as what it does to a convolution's output."""
    inputs = tuple(step.inputs)
    does: Does = "weigh" if step.operation in WEIGH else "other"
    if step.operation in ACTIVATIONS:
        return Node(step.output, "activate", inputs, _label(graph, step))
    if step.operation == "BatchNormalization":
        gamma, beta, mean, variance = (constant and constant[1] for constant in map(graph.constant, inputs[1:5]))
        if mean is not None and variance is not None:
            epsilon = step.options["epsilon"].real(2, 1e-5) if "epsilon" in step.options else 1e-5
            return batch_normalisation(step.output, inputs, mean, variance, gamma, beta, epsilon, step.name)
    elif step.operation in ("Add", "Mul", "Sum"):
        constants = [constant[1] for constant in map(graph.constant, inputs) if constant]
        does = "multiply" if step.operation == "Mul" else "add"
        if len(constants) == 1 and len(inputs) == 2:
            number = constants[0]
            # One number a channel is (channel, 1, ...), which is laid along the second axis of (image, channel, ...).
            if number.size == 1 or (number.ndim > 1 and number.shape[-1] == 1 and max(number.shape) == number.size):
                flat = number.reshape(-1).astype(np.float64)
                multiplied = does == "multiply"
                both = (flat, np.zeros_like(flat)) if multiplied else (np.ones_like(flat), flat)
                return Node(step.output, "scale", inputs, step.name, *both, normalises=multiplied)
            does = "other"
    elif step.operation in PASS or step.operation in MOVE:
        does = "pass" if step.operation in PASS else "move"
    return Node(step.output, does, inputs, step.operation)


def _label(graph: _Graph, step: _Step) -> str:
    """An activation's name; a rectifier that is cut off is exported as a clip."""
    if step.operation != "Clip":
        return ACTIVATIONS[step.operation]
    ends = [graph.constant(name) for name in step.inputs[1:3] if name]
    limits = [float(end[1]) for end in ends if end and end[1].size == 1]
    limits = limits or [step.options[name].real(2, 0) for name in ("min", "max") if name in step.options]
    return {(0.0,): "relu", (0.0, 6.0): "relu6"}.get(tuple(limits), "clip")


def _tensor(proto: Message, name: str, folder: Path) -> Tensor:
    shape, dtype = tuple(proto.integers(1)), DTYPES.get(proto.integer(2))
    if dtype is None:
        return Tensor(name, shape, refusal="Its elements are of a type that is not read.")

    def read() -> NDArray[Any]:
        if proto.integer(14) == 1:
            return as_array(name, _external(proto, folder), dtype, shape)
        if 9 in proto:
            return as_array(name, proto.piece(9), dtype, shape)
        if dtype in ("<f4", "<f8"):
            return as_array(name, proto.floats(4 if dtype == "<f4" else 10, dtype).tobytes(), dtype, shape)
        bits = np.array(proto.integers(7 if dtype == "<i8" else 5), "<i8")
        narrow = element(dtype)
        unsigned = np.dtype(f"<u{narrow.itemsize}") if narrow.kind == "f" else narrow
        return as_array(name, bits.astype(unsigned).tobytes(), dtype, shape)

    return Tensor(name, shape, read)


def _external(proto: Message, folder: Path) -> memoryview:
    """The bytes of an array that is stored beside the model.

    Raises:
        ModelError: the place is outside the model's folder, or a link could lead there.
    """
    said = {entry.text(1): entry.text(2) for entry in proto.messages(13)}
    location = Path(said.get("location", ""))
    target = folder.resolve() / location
    if location.is_absolute() or ".." in location.parts or target.resolve() != target:
        raise ModelError(f"its data is in {str(location)!r}, outside its folder or behind a link; copy it there")
    if not target.is_file():
        raise ModelError(f"its data is in {str(location)!r}, and no such file is in its folder; copy it there")
    content = file_bytes(target)
    first = int(said.get("offset", "0"))
    last = first + int(said.get("length", len(content) - first))
    if not 0 <= first <= last <= len(content):
        raise ModelError(f"its data in {str(location)!r} is cut off; get the files anew")
    return content[first:last]
