"""What follows a convolution in its network: batch normalisation, activation, a sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.readers.findings import Findings

Does: TypeAlias = Literal["scale", "activate", "pass", "move", "weigh", "add", "multiply", "other"]
MOST_STEPS = 1000  # how far a network is followed from one convolution


@dataclass(frozen=True)
class Node:
    """One step of a network's computation.

    ``name`` is that of its output, and ``label`` that of the step or of the activation. ``does`` tells what is known
    of it: "scale" multiplies each channel by a number and adds one, "activate" applies an activation, "pass" hands its
    input on as it is when the network is used, "move" hands elements on at other places, picks some of them or takes
    means of them, "weigh" is another layer's sum by weights, "add" sums its inputs, and "multiply" multiplies them.
    """

    name: str
    does: Does
    inputs: tuple[str, ...] = ()
    label: str = ""
    scale: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # (channel,)
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # (channel,)
    normalises: bool = False  # whether a "scale" is a batch normalisation


@dataclass(frozen=True)
class Following:
    """What follows one convolution."""

    scales: tuple[Node, ...]
    activation: str | None
    residual: bool
    output: bool
    notes: tuple[str, ...]


class Network:
    """The steps of a network, which of them read which output, and the names of the network's own outputs."""

    def __init__(self, nodes: Iterable[Node], outputs: Collection[str] = ()) -> None:
        self._outputs = frozenset(outputs)
        self._users: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            for name in dict.fromkeys(node.inputs):
                self._users[name].append(node)

    def after(self, outputs: Sequence[str], filters: int, own_activation: str | None = "linear") -> Following:
        """What follows a convolution, where it is the same wherever the convolution is used.

        Args:
            outputs: the names of its outputs, one for each time it is used.
            filters: how many channels they have.
            own_activation: the one that it applies itself; None where that is unknown.
        """
        each = [self._after(output, filters, own_activation) for output in outputs]
        first = each[0]
        notes = list(dict.fromkeys(note for after in each for note in after.notes))
        # A normalisation that is used as often as the convolution is a step of its own each time.
        folds = [[(step.scale.tolist(), step.shift.tolist()) for step in after.scales] for after in each]
        same = all(own == folds[0] for own in folds)
        if not same:
            notes.append("What scales its output differs between its uses, so that nothing is folded in.")
        activation = first.activation if len({after.activation for after in each}) == 1 else None
        residual, output = any(after.residual for after in each), any(after.output for after in each)
        return Following(first.scales if same else (), activation, residual, output, tuple(notes))

    def _after(self, name: str, filters: int, own_activation: str | None) -> Following:
        scales: list[Node] = []
        at, notes = name, []
        while own_activation == "linear" and len(users := self._users[at]) == 1:
            (user,) = users
            fits = user.does == "pass" or (user.does == "scale" and user.scale.size in (1, filters))
            if not fits or len(scales) > 8 or user.name == at:
                break
            scales += [user] if user.does == "scale" else []
            at = user.name
        activation, at = (own_activation, at) if own_activation != "linear" else self._activation(at)
        reached, output = self._reached(at)
        if activation is None and own_activation is not None:
            names = sorted({node.label or "another step" for node in reached})
            notes.append(f"Its activation is unknown: its output goes to {', '.join(names)}.")
        if any(node.normalises for node in reached):
            behind = "its activation" if activation not in ("linear", None) else "something else"
            notes.append(f"A batch normalisation follows {behind}, so that it is not folded in.")
        residual = any(node.does == "add" for node in reached)
        return Following(tuple(scales), activation, residual, output, tuple(notes))

    def _activation(self, at: str) -> tuple[str | None, str]:
        """The activation that an output goes through, and the step after which it is done."""
        users = self._users[at]
        if len(users) == 2:  # x times sigmoid(x), and x times 1 + erf(x / 2**0.5), are exported as several steps
            for first, second in (users, users[::-1]):
                if first.label == "sigmoid" and second.does == "multiply" and set(second.inputs) == {at, first.name}:
                    return "silu", second.name
                if second.does == "multiply" and any(user.label == "erf" for user in self._users[first.name]):
                    return "gelu", second.name
        reached, _ = self._reached(at)
        labels = {node.label for node in reached if node.does == "activate"}
        if all(node.does in ("weigh", "add") for node in reached):
            return "linear", at
        if len(labels) == 1 and all(node.does == "activate" for node in reached):
            return labels.pop(), reached[0].name
        return None, at

    def _reached(self, at: str) -> tuple[Sequence[Node], bool]:
        """The steps that read an output, moved or passed on before or not; and whether it is one of the network."""
        found: dict[str, Node] = {}
        handed_on = [at]
        for name in handed_on:
            for user in self._users[name]:
                if user.does not in ("move", "pass"):
                    found[user.name] = user
                elif user.name not in handed_on and len(handed_on) < MOST_STEPS:
                    handed_on.append(user.name)
        return list(found.values()), not self._outputs.isdisjoint(handed_on)


def add_followed(
    findings: Findings,
    network: Network,
    outputs: Sequence[str],
    name: str,
    rows: NDArray[Any],
    kind: str,
    biases: NDArray[Any] | None,
    own_activation: str | None,
    **properties: Any,
) -> tuple[Node, ...]:
    """List a convolution of a graph with what follows it; the steps that were folded in.

    Args:
        findings: where to list it.
        network: that it belongs to.
        outputs: the names of its outputs, one for each time it is used.
        name: as the file names it.
        rows: its kernels, (filter, input channel of its group, *taps).
        kind: see :class:`filtertwins.inspect.model.Convolution`.
        biases: (filter,).
        own_activation: the one that it applies itself; None where that is unknown.
        properties: groups and notes.
    """
    after = network.after(outputs, len(rows), own_activation)
    kernels, shifts, norm = folded(rows, biases, after.scales)
    properties["notes"] = (*properties["notes"], *after.notes)
    told = {"activation": after.activation, "folded": norm, "shared_by": len(outputs), "residual": after.residual}
    told["output"] = after.output
    findings.add(name, kernels, kind, shifts, **told, **properties)
    return after.scales


def folded(
    kernels: NDArray[Any], biases: NDArray[Any] | None, scales: Sequence[Node]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, str | None]:
    """Kernels (filter, ...) and biases (filter,) with what scales and shifts their output, and the name of that step.

    The name is that of the batch normalisation; a constant that is only added is a bias, and has none.
    """
    rows = np.asarray(kernels, np.float64)
    shifts = None if biases is None else np.asarray(biases, np.float64).reshape(-1)
    for step in scales:
        rows = rows * np.broadcast_to(step.scale, len(rows)).reshape(-1, *[1] * (rows.ndim - 1))
        shifts = np.broadcast_to((0 if shifts is None else shifts) * step.scale + step.shift, len(rows))
    return rows, shifts, next((step.label or step.name for step in scales if step.normalises), None)


def batch_normalisation(
    name: str,
    inputs: tuple[str, ...],
    mean: NDArray[Any],
    variance: NDArray[Any],
    gamma: NDArray[Any] | None,
    beta: NDArray[Any] | None,
    epsilon: float,
    label: str = "",
) -> Node:
    """A trained batch normalisation, all of whose arrays are (channel,), as the scale and shift that it is in use."""
    scale = 1 / np.sqrt(np.asarray(variance, np.float64).reshape(-1) + epsilon)
    scale = scale if gamma is None else np.asarray(gamma, np.float64).reshape(-1) * scale
    shift = -np.asarray(mean, np.float64).reshape(-1) * scale
    shift = shift if beta is None else np.asarray(beta, np.float64).reshape(-1) + shift
    return Node(name, "scale", inputs, label, scale, shift, normalises=True)
