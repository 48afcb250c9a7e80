"""Networks as Keras describes them: the layers of a config, as plain data, and which reads which."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from filtertwins.inspect.readers.bounded import Tensor
from filtertwins.inspect.readers.findings import Findings, dilated, one_row_a_filter
from filtertwins.inspect.readers.following import Does, Network, Node, add_followed, batch_normalisation

CONVOLUTION = re.compile(r"(Depthwise|Separable)?(Conv|Convolution)([123]D)(Transpose)?")
ACTIVATIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh"),
    *("leaky_relu", "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu"),
    *("soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh"),
    *("tanh_shrink", "thresholded_relu"),
)
VARIABLES = {  # a layer's variables in the order of their numbers, by the beginning of its class's name
    "separable_conv": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "depthwise_conv": ("depthwise_kernel", "bias"),
    "conv": ("kernel", "bias"),
}
WRAPPERS = ("TimeDistributed", "SpectralNormalization")  # layers that do what the layer within them does
# Layers whose kernels are no convolution's, but for the recurrent ones, whose kernels are those of gates
OTHERS = re.compile(r"(Einsum)?Dense|.*Attention|Embedding|.*(LSTM|GRU|RNN)\w*|.*Normalization|PReLU")
_MOVED = r"Concatenate|Reshape|Flatten|(Global)?(Max|Average)Pool.*|ZeroPadding.*|Cropping.*|Permute|UpSampling.*"
STEPS: dict[Does, re.Pattern[str]] = {
    "pass": re.compile(r".*Dropout.*|InputLayer|Identity|ActivityRegularization|GaussianNoise"),
    "move": re.compile(rf"{_MOVED}|Resizing"),
    "weigh": re.compile(rf"{CONVOLUTION.pattern}|(Einsum)?Dense|.*Attention|.*(LSTM|GRU|RNN)\w*"),
    "multiply": re.compile(r"Multiply"),
}
ADD = re.compile(r"Add|Average|Subtract|(tf\.)?(math\.add|__operators__\.add)")


@dataclass
class _Layer:
    """A layer of a config, wherever it is nested, with the outputs of its calls."""

    name: str  # with those of the models around it
    path: str  # where Keras 3 puts its weights
    kind: str  # its class
    config: Mapping[str, Any]
    outputs: list[str] = field(default_factory=list)


class _Layers:
    """The layers of a config and the edges between their calls."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.layers: dict[str, _Layer] = {}
        self.inputs: dict[str, list[str]] = defaultdict(list)  # of a call, by the name of its output
        self.outputs: set[str] = set()
        self._add_model(config, "", "", "")

    def _add_model(self, model: Mapping[str, Any], scope: str, path: str, call: str) -> tuple[list[str], str]:
        """Add a model's layers; the outputs of those that read its input, and the last output."""
        config = model["config"]
        entries: list[Mapping[str, Any]] = config["layers"] if isinstance(config, Mapping) else config
        used: Counter[str] = Counter()
        made: dict[tuple[str, int], str] = {}
        first: list[str] = []
        last = ""
        waiting: list[tuple[list[str], list[str] | list[tuple[str, int]]]] = []
        for entry in entries:
            kind = _snake_case(entry["class_name"])
            own_path = f"{path}layers/{kind}" + (f"_{used[kind]}" if used[kind] else "")
            used[kind] += 1
            name = str(entry.get("name") or entry["config"].get("name", ""))
            calls = entry.get("inbound_nodes")
            for number, call_inputs in enumerate(calls or [[]]):
                begins, last_of_it = self._add(entry, name, scope, own_path, f"{call}{number}")
                made[name, number] = last_of_it
                if calls is None and last:
                    waiting.append((begins, [last]))
                elif calls:
                    waiting.append((begins, list(_references(call_inputs))))
                else:
                    first += begins
                last = last_of_it
        for begins, references in waiting:
            for begin in begins:
                self.inputs[begin] += [each if isinstance(each, str) else made.get(each, "") for each in references]
        outputs = config.get("output_layers") if isinstance(config, Mapping) else None
        given = [made.get(each, last) for each in _references([outputs])] or [last]
        self.outputs = set(given)  # Those of the models within are replaced by those of the whole.
        return first, given[0]

    def _add(self, entry: Mapping[str, Any], name: str, scope: str, path: str, call: str) -> tuple[list[str], str]:
        kind, config = str(entry["class_name"]), entry["config"]
        if not isinstance(config, Mapping | list):
            config = {}
        inner = config.get("layer") if isinstance(config, Mapping) else None
        if isinstance(inner, Mapping) and kind in WRAPPERS:
            self.layers.setdefault(f"{scope}{name}", _Layer(f"{scope}{name}", path, kind, config))
            own = str(inner["config"].get("name", ""))
            return self._add(inner, f"{name}/{own}" if own else name, scope, f"{path}/layer", call)
        if isinstance(config, list) or "layers" in config:
            return self._add_model({"config": config}, f"{scope}{name}/", f"{path}/", f"{call}.")
        layer = self.layers.setdefault(f"{scope}{name}", _Layer(f"{scope}{name}", path, kind, config))
        layer.outputs.append(f"{scope}{name}:{call}")
        return [layer.outputs[-1]], layer.outputs[-1]


def _references(inputs: Any) -> Iterator[tuple[str, int]]:
    """The calls that a call reads, as (layer, number of its call), in the notations of Keras 2 and 3."""
    if isinstance(inputs, Mapping):
        if "keras_history" in inputs:
            yield from _references(inputs["keras_history"])
        else:
            for value in inputs.values():
                yield from _references(value)
    elif isinstance(inputs, list):
        if len(inputs) > 2 and isinstance(inputs[0], str) and isinstance(inputs[1], int):
            yield inputs[0], inputs[1]
            inputs = inputs[3:]
        for value in inputs:
            yield from _references(value)


def from_config(config: Mapping[str, Any], tensors: Sequence[Tensor], findings: Findings) -> list[Tensor]:
    """List the convolutions that a config tells of; the arrays that it tells nothing of.

    Args:
        config: of a model, as Keras writes it.
        tensors: the file's arrays, named by layer and place or variable.
        findings: where to list them.
    """
    layers = _Layers(config)
    weights = _Weights(tensors)
    nodes, used = [], set()
    taken: dict[str, dict[str, Tensor]] = {}
    for layer in layers.layers.values():
        taken[layer.name] = weights.of(layer)
        for output in layer.outputs:
            nodes.append(_node(layer, output, tuple(layers.inputs[output]), taken[layer.name]))
    network = Network(nodes, layers.outputs)
    for layer in layers.layers.values():
        if found := CONVOLUTION.fullmatch(layer.kind):
            used |= {tensor.name for tensor in taken[layer.name].values()}
            for norm in _list(layer, found, taken[layer.name], network, findings):
                used |= {tensor.name for tensor in taken[norm].values()}
    others = {layer.name: layer.kind for layer in layers.layers.values() if OTHERS.fullmatch(layer.kind)}
    left = []
    for tensor in tensors:
        parts = tensor.name.split("/")
        owner = next((name for end in range(len(parts)) if (name := "/".join(parts[:end])) in others), None)
        if owner and tensor.name not in used:
            findings.leave_out(tensor.name, f"Its layer is {others[owner]}, which is not listed as a convolution.")
        elif tensor.name not in used:
            left.append(tensor)
    return left


class _Weights:
    """A file's arrays by the layers that they belong to."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._by_layer: dict[str, list[Tensor]] = defaultdict(list)
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for tensor in tensors:
            self._by_layer[tensor.name.rpartition("/")[0]].append(tensor)
        for name in self._by_layer:
            self._by_last[name.rpartition("/")[2]].append(name)

    def of(self, layer: _Layer) -> dict[str, Tensor]:
        """The arrays of a layer by the names of Keras's variables."""
        outer, _, inner = layer.name.rpartition("/")
        alike = [each for each in self._by_last[inner] if len(self._by_last[inner]) == 1]
        for name in (layer.path, layer.name, *alike, outer):
            if name and name in self._by_layer:
                found = {tensor.name.rpartition("/")[2].removesuffix(":0"): tensor for tensor in self._by_layer[name]}
                if layer.kind == "BatchNormalization" and "0" in found:  # Keras 3 numbers those that there are.
                    own = [
                        leaf for leaf, key in (("gamma", "scale"), ("beta", "center")) if layer.config.get(key, True)
                    ]
                    found = dict(zip((*own, "moving_mean", "moving_variance"), found.values(), strict=False))
                return {named(leaf, _snake_case(layer.kind)): tensor for leaf, tensor in found.items()}
        return {}


def named(leaf: str, kind: str) -> str:
    """The variable that a number stands for in a file of Keras 3, given its layer's class in snake case."""
    leaves = next((leaves for begin, leaves in VARIABLES.items() if kind.startswith(begin)), ())
    return leaves[int(leaf)] if leaf.isdigit() and int(leaf) < len(leaves) else leaf


def _list(
    layer: _Layer, found: re.Match[str], taken: Mapping[str, Tensor], network: Network, findings: Findings
) -> list[str]:
    """List a layer; the names of the layers that were folded in."""
    config = layer.config
    kernel = taken.get("kernel") or taken.get("depthwise_kernel")
    if kernel is None:
        findings.leave_out(layer.name, "The file has no weights of this layer.")
        return []
    taps = int(found[3][0])
    if len(kernel.shape) != taps + 2:
        findings.leave_out(layer.name, f"Its kernel has {len(kernel.shape)} axes, and by its class {taps + 2}.")
        return []
    groups = config.get("groups") or 1
    kind = "grouped" if groups > 1 else f"conv{taps}d"
    kind = {"Depthwise": "depthwise", "Separable": "separable"}.get(found[1], "transposed" if found[4] else kind)
    rates = config.get("dilation_rate") or 1
    notes = dilated(rates if isinstance(rates, list | tuple) else [rates])
    one_channel = "depthwise" if found[1] else kind
    rows = one_row_a_filter(kernel.read(), "last", one_channel)
    groups = kernel.shape[-2] if found[1] else groups
    name = layer.name
    if kind == "separable":
        findings.add(f"{name}/depthwise", rows, kind, groups=groups, activation="linear", notes=notes)
        rows, groups, name = one_row_a_filter(taken["pointwise_kernel"].read(), "last", "conv"), 1, f"{name}/pointwise"
        notes = ()
    bias = taken.get("bias")
    biases, own = bias.read() if bias else None, _activation(config)
    options = {"groups": groups, "notes": notes}
    scales = add_followed(findings, network, layer.outputs, name, rows, kind, biases, own, **options)
    return [scale.label for scale in scales]


def _activation(config: Mapping[str, Any]) -> str | None:
    """A layer's own activation, which may be written as a name or as an object."""
    own = config.get("activation", "linear")
    if isinstance(own, Mapping):
        inner, kind = own.get("config"), own.get("class_name")
        own = inner if isinstance(inner, str) else _function(str(kind), inner or {}) or kind
    if own is not None and not isinstance(own, str):
        return None
    return {None: "linear", "swish": "silu"}.get(own, own)


def _function(kind: str, options: Mapping[str, Any]) -> str | None:
    """The activation that a class or a function of TensorFlow is; None if it is none.

    >>> _function("ReLU", {"max_value": 6.0}), _function("nn.leaky_relu", {})
    ('relu6', 'leaky_relu')
    """
    name = _snake_case(kind.rpartition(".")[2]).replace("re_lu", "relu").replace("p_relu", "prelu")
    if name == "relu" and options.get("threshold"):
        return "thresholded_relu"
    if name == "relu" and options.get("max_value") is not None:
        return "relu6" if options["max_value"] == 6 else "clip"
    return name if name in ACTIVATIONS else None


def _node(layer: _Layer, output: str, inputs: tuple[str, ...], taken: Mapping[str, Tensor]) -> Node:
    """A layer's call as what it does to a convolution's output."""
    kind, config = layer.kind, layer.config
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        kind = str(config.get("function", ""))
    label = (_activation(config) or "unknown") if kind == "Activation" else _function(kind, config)
    if label:
        return Node(output, "pass" if label == "linear" else "activate", inputs, label)
    if kind == "BatchNormalization" and {"moving_mean", "moving_variance"} <= taken.keys():
        gamma, beta = (taken[name].read() if name in taken else None for name in ("gamma", "beta"))
        mean, variance = taken["moving_mean"].read(), taken["moving_variance"].read()
        epsilon = float(config.get("epsilon", 1e-3))
        return batch_normalisation(output, inputs, mean, variance, gamma, beta, epsilon, layer.name)
    if ADD.fullmatch(kind) and len(inputs) > 1:
        return Node(output, "add", inputs, kind)
    return Node(output, next((does for does, words in STEPS.items() if words.fullmatch(kind)), "other"), inputs, kind)


def _snake_case(name: str) -> str:
    """A class's name as Keras 3 writes it in paths."""
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", apart).lower()
