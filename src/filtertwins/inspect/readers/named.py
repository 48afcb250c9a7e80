"""Convolutions of files that hold named arrays and nothing else: what an array is, its name and its shape tell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.readers.bounded import Tensor
from filtertwins.inspect.readers.findings import KINDS, Axes, Findings, one_row_a_filter
from filtertwins.inspect.readers.following import Node, batch_normalisation, folded

KERNELS = (
    *("kernel", "weight", "weights", "w", "depthwise_kernel", "pointwise_kernel", "filters", "weight_v", "original1"),
    *("weight_orig", "original"),  # PyTorch's, of a pruned or otherwise re-parametrised layer
    "array",  # a file of one array, which has no name
)
MASK = "weight_mask"  # PyTorch's: 0 for weights that are pruned away, 1 for the others
NORMS = {"weight_v": "weight_g", "original1": "original0"}  # of weight normalisation, beside the directions
BIASES = ("bias", "biases", "b")
# A batch normalisation's mean, variance, gamma and beta, as the frameworks name them, and the epsilon it has by default
NORMALISATIONS = (
    (("running_mean", "running_var", "weight", "bias"), 1e-5),
    (("moving_mean", "moving_variance", "gamma", "beta"), 1e-3),
    (("mean", "var", "scale", "bias"), 1e-5),
)
NORMALISED = re.compile(r"running_mean|moving_mean|batch_?norm|(^|[/._])bn\d*([/._]|$)")
UNSURE = "The file has batch normalisations, and does not say which of them follows it; none is folded in."
SLOTS = re.compile(
    r"(^|[/.])(optimizers?|optimizer_(weights|states?|state_dict)|optimizer_slot|slot_variables|exp_avg(_sq)?|"
    r"momentum_buffer|rmsprop|adam|adamw|nadam|sgd|adagrad|adadelta|ftrl)([/.]|$)",
    re.IGNORECASE,
)
# Layers whose kernels have as many axes as a convolution's, by their names or, in Keras 3, by their classes
NO_CONVOLUTION = re.compile(r"attention|attn|einsum|(conv_?)?lstm|(^|[/._])gru|p_?re_?lu", re.I)
NO_KERNEL = re.compile(r"pos_?emb|position|embed(ding)?s?$|token|anchor|grid|mask|cache|running_|moving_|window", re.I)


@dataclass
class _Layer:
    """The arrays that share all of their name but its last part."""

    name: str
    separator: str
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def kernels(self) -> int:
        """How many arrays have the shape of a kernel, once all are there."""
        return sum(_is_shaped(leaf, tensor) for leaf, tensor in self.tensors.items())

    def first(self, leaves: Iterable[str]) -> Tensor | None:
        return next((self.tensors[leaf] for leaf in leaves if leaf in self.tensors), None)


@dataclass
class _Kernel:
    """An array that is a convolution's kernel, with what stands beside it."""

    layer: _Layer
    leaf: str
    tensor: Tensor
    bias: Tensor | None

    @property
    def name(self) -> str:
        """The layer's name; the array's own where several kernels share a layer."""
        if "pointwise_kernel" in self.layer.tensors:
            return f"{self.layer.name}{self.layer.separator}{self.leaf.removesuffix('_kernel')}"
        return self.layer.name if self.layer.kernels == 1 and self.layer.name else self.tensor.name


def from_names(tensors: Sequence[Tensor], findings: Findings, axes: Axes | None = None) -> None:
    """List the convolutions among named arrays, and why each other array is none.

    Args:
        tensors: in the order of the file.
        findings: where to list them.
        axes: where the file's format says that kernels have their channels; None where it does not say.
    """
    layers: dict[str, _Layer] = {}
    used: set[str] = set()
    for tensor in tensors:
        if SLOTS.search(tensor.name):
            used.add(tensor.name)
            findings.leave_out(tensor.name, "It is a slot of an optimiser.")
            continue
        name = tensor.name.replace("parametrizations.weight.", "")  # PyTorch's; the bias is one folder above.
        owner, separator, leaf = re.fullmatch(r"(?s)(?:(.*)([/.]))?(.*?)(?::0)?", name).groups("")  # type: ignore[union-attr]
        layers.setdefault(owner, _Layer(owner, separator)).tensors[leaf] = tensor
    kernels = []
    for layer in layers.values():
        for leaf, tensor in layer.tensors.items():
            reason = _no_kernel(layer.name, leaf, tensor)
            if reason is None:
                kernels.append(_Kernel(layer, leaf, tensor, _bias(layer, leaf, tensor)))
            elif _is_shaped(leaf, tensor):
                used.add(tensor.name)
                findings.leave_out(tensor.name, reason)
    common = _common_axes(kernels, axes)
    followers = _normalisations(layers, kernels, common)
    widths: list[int] = []
    normalised = any(NORMALISED.search(f"{each.name}/{each.hint}") for each in tensors)
    for kernel in kernels:
        follower = followers.get(kernel.tensor.name)
        notes = [] if follower or not normalised else [UNSURE]
        if axes is None and "kernel" not in kernel.leaf:
            notes.append(f"The file does not say where its channels are; they are taken to be {common}.")
        used |= _list(kernel, common, follower, widths, findings, notes)
    for tensor in tensors:
        if tensor.name not in used:
            count = len(tensor.shape)
            reason = tensor.refusal or f"It has {count} {'axis' if count == 1 else 'axes'}, and a kernel has 3 to 5."
            findings.leave_out(tensor.name, reason)


def _is_shaped(leaf: str, tensor: Tensor) -> bool:
    """Whether an array has as many axes as a kernel, and is not merely the lengths or the mask of one."""
    return len(tensor.shape) in KINDS and leaf not in (*NORMS.values(), MASK)


def _no_kernel(owner: str, leaf: str, tensor: Tensor) -> str | None:
    """Why an array is no convolution's kernel, or None."""
    shape = tensor.shape
    if tensor.refusal:
        return tensor.refusal
    if len(shape) not in KINDS:
        return "A convolution's kernel has 3 to 5 axes."
    own = owner.rpartition("/")[2] + tensor.hint.rpartition("/")[2]
    found = NO_CONVOLUTION.search(f"{owner}/{tensor.hint}")
    if found and ("kernel" in leaf or leaf.isdigit()) and not re.search(r"conv(?!_?lstm)", own, re.I):
        return f"Its layer's name says {found[0]!r}, which is not listed as a convolution."
    if leaf not in KERNELS and sum(length > 1 for length in shape) < 2:
        return "Its shape is that of one number a channel."
    if leaf not in KERNELS and (NO_KERNEL.search(leaf) or (len(shape) == 3 and not leaf.isdigit())):
        return "Its name is not that of a convolution's kernel."
    return None


def _bias(layer: _Layer, leaf: str, kernel: Tensor) -> Tensor | None:
    """The biases beside a kernel: by their name, or where names are numbers, the vector that comes next."""
    # A separable convolution's biases are those of its pointwise part.
    first_part = leaf == "depthwise_kernel" and "pointwise_kernel" in layer.tensors
    named = layer.first(BIASES) if leaf in KERNELS and not first_part else None
    if named is None and leaf.isdigit() and "pointwise_kernel" not in layer.tensors:
        named = layer.tensors.get(str(int(leaf) + 1))
    if named is None or len(named.shape) != 1 or named.refusal:
        return None
    ends = (*kernel.shape[:2], *kernel.shape[-2:], kernel.shape[-1] * kernel.shape[-2])
    return named if named.shape[0] in ends else None


def _common_axes(kernels: Sequence[_Kernel], axes: Axes | None) -> Axes:
    """Where most kernels of the file have their channels."""
    if axes:
        return axes
    votes: Counter[Axes] = Counter()
    for kernel in kernels:
        shape, bias = kernel.tensor.shape, kernel.bias
        if bias and (shape[0] == bias.shape[0]) != (shape[-1] == bias.shape[0]):
            votes["first" if shape[0] == bias.shape[0] else "last"] += 2
        else:  # Taps are fewer than channels, most often.
            votes["first" if np.prod(shape[2:]) < np.prod(shape[:-2]) else "last"] += 1
    return votes.most_common(1)[0][0] if votes else "first"


def _axes(kernel: _Kernel, common: Axes) -> Axes:
    """Where a kernel has its channels: names say it more surely than the file's format."""
    if "kernel" in kernel.leaf:
        return "last"
    return "first" if kernel.leaf in ("weight_v", "original1") else common


def _kind(kernel: _Kernel, axes: Axes, widths: Sequence[int]) -> tuple[str, list[str]]:
    """What kind of convolution a kernel belongs to, and notes on how far that is sure."""
    shape, bias = kernel.tensor.shape, kernel.bias
    hint = kernel.tensor.hint.rpartition("/")[2]
    words = f"{kernel.layer.name}/{kernel.leaf}/{hint}".lower()
    if "pointwise_kernel" in kernel.layer.tensors:
        return "separable", []
    if re.search(r"transpose|deconv|convt|upconv", words):
        return "transposed", []
    if axes == "first" and bias and bias.shape[0] == shape[1] != shape[0]:
        return "transposed", ["It is taken for a transposed convolution, since its biases fit its second axis only."]
    one_each = shape[1 if axes == "first" else -1] == 1
    if "depthwise" in kernel.leaf + hint or ("depthwise" in words and one_each):
        return "depthwise", []
    by_channel = shape[-1] * shape[-2]
    if axes == "last" and bias and bias.shape[0] != shape[-1] and bias.shape[0] in (shape[-2], by_channel):
        told = "depthwise" if bias.shape[0] == by_channel else "transposed"
        return told, [f"It is taken for a {told} convolution, since its biases fit no other kind."]
    if axes == "first" and shape[1] == 1 < shape[0]:
        if _reads_the_one_before(shape[0], widths) and widths[-1] > 1:
            return "depthwise", []
        return KINDS[len(shape)], ["It reads one channel; the file does not say whether it is a depthwise convolution."]
    if len(shape) == 3 and kernel.leaf == "kernel" and "conv" not in words:
        return KINDS[3], ["It has 3 axes, as kernels of attention have, too; the file does not say what it is."]
    return KINDS[len(shape)], []


def _reads_the_one_before(filters: int, widths: Sequence[int]) -> bool:
    """Whether a depthwise convolution has as many filters for each channel that the convolution listed before gives."""
    return bool(widths) and filters % widths[-1] == 0


def _list(
    kernel: _Kernel, common: Axes, follower: Node | None, widths: list[int], findings: Findings, notes: list[str]
) -> set[str]:
    """List one convolution; the names of the arrays that it took."""
    axes = _axes(kernel, common)
    kind, doubts = _kind(kernel, axes, widths)
    notes += doubts
    notes.append("Its activation is unknown: the file does not say what follows it.")
    array = kernel.tensor.read()
    used = {kernel.tensor.name}
    if norm := kernel.layer.tensors.get(NORMS.get(kernel.leaf, "")):
        array = _normed(array, norm.read())
        used.add(norm.name)
    if kernel.leaf == "weight_orig" and (mask := kernel.layer.tensors.get(MASK)) and mask.shape == array.shape:
        array = array * mask.read()
        used.add(mask.name)
    depthwise = kind == "depthwise" or (kind == "separable" and kernel.leaf == "depthwise_kernel")
    rows = one_row_a_filter(array, axes, "depthwise" if depthwise else kind)
    biases = kernel.bias.read() if kernel.bias and kernel.bias.shape[0] == len(rows) else None
    if biases is not None and kernel.bias:
        used.add(kernel.bias.name)
    groups = array.shape[-2] if axes == "last" else len(rows)
    if axes == "first" and _reads_the_one_before(len(rows), widths) and "depthwise" not in kernel.tensor.name.lower():
        groups = widths[-1]
    widths.append(len(rows))
    name_of_norm = None
    if follower and len(follower.scale) == len(rows):
        rows, biases, name_of_norm = folded(rows, biases, [follower])
        used |= set(follower.inputs)
        notes.append("The file does not say what follows it; the batch normalisation is told by its name.")
    options = {"groups": groups if depthwise else 1, "folded": name_of_norm, "notes": tuple(notes)}
    findings.add(kernel.name, rows, kind, biases, **options)
    return used


def _normed(directions: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
    """Weight normalisation (Salimans and Kingma 2016): directions, and the length of each where the shape has ones."""
    if lengths.ndim != directions.ndim:
        return directions
    own = tuple(axis for axis, length in enumerate(lengths.shape) if length == 1)
    norms = np.sqrt(np.square(directions.astype(np.float64)).sum(own, keepdims=True))
    return np.asarray(directions * (lengths / np.where(norms > 0, norms, 1)), np.float64)


def _normalisations(layers: Mapping[str, _Layer], kernels: Sequence[_Kernel], common: Axes) -> dict[str, Node]:
    """Batch normalisations that surely follow a kernel directly, by the kernel's name.

    The next of two numbered neighbours in a sequence follows. Where names only pair (``conv1``, ``bn1``), a
    normalisation could also come before its convolution, as in pre-activation networks: it is believed to follow if
    every such pair of the file fits in width, and one of them could not be the other way round.
    """
    neighbours: dict[str, Node] = {}
    pairs: dict[str, Node] = {}
    one_way = False
    for kernel in kernels:
        if (axes := _axes(kernel, common)) == "middle" or kernel.leaf == "depthwise_kernel":
            continue
        name, shape = kernel.layer.name, kernel.tensor.shape
        into, out = (shape[1], shape[0]) if axes == "first" else shape[-2:]
        next_one = re.sub(r"\d+$", lambda found: str(int(found[0]) + 1), name)
        head, separator, last = re.fullmatch(r"(?s)(?:(.*)([/.]))?([^/.]*)", name).groups("")  # type: ignore[union-attr]
        if last.isdigit() and (node := _normalisation(layers.get(next_one))) and len(node.scale) == out:
            neighbours[kernel.tensor.name] = node
            continue
        others = ("bn", "norm", "batch_norm")
        alike = {re.sub(r"(?i)conv(?!.*conv)", other, last) for other in others}
        for other in sorted(alike - {last}):
            if node := _normalisation(layers.get(f"{head}{separator}{other}")):
                if len(node.scale) != out:
                    return neighbours
                pairs[kernel.tensor.name] = node
                one_way = one_way or into != out
    return neighbours | (pairs if one_way else {})


def _normalisation(layer: _Layer | None) -> Node | None:
    """A layer as a batch normalisation, where it is one; its arrays' names are the node's inputs."""
    for leaves, epsilon in NORMALISATIONS if layer else ():
        found = [layer.tensors.get(leaf) for leaf in leaves]  # type: ignore[union-attr]
        there = [tensor for tensor in found if tensor]
        if found[0] and found[1] and all(len(tensor.shape) == 1 and not tensor.refusal for tensor in there):
            if len({tensor.shape for tensor in there}) > 1:
                return None
            arrays = [tensor and tensor.read() for tensor in found]
            names = tuple(tensor.name for tensor in there)
            return batch_normalisation(layer.name, names, arrays[0], arrays[1], arrays[2], arrays[3], epsilon)  # type: ignore[union-attr, arg-type]
    return None
