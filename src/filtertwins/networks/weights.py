"""What a chunk of runs leaves behind: weights, kernel snapshots, losses and scores, in one file.

No TensorFlow here: everything after training reads these files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.errors import StudyError
from filtertwins.files import DamagedFile, Shape, check_shapes, read_npz, write_npz
from filtertwins.names import CONDITION, SPLITS, chunk_name


class WrongCondition(StudyError, ValueError):  # noqa: N818 - the name says what is wrong
    """A file holds networks of another condition than it should."""


_SHAPES: dict[str, Shape] = {
    "condition": (),
    "seeds": ("seed",),
    "starts": ("seed",),
    "kernels": ("seed", "row", "column", "channel", "filter"),
    "biases": ("seed", "filter"),
    "head": ("seed", "input", "class"),
    "head_bias": ("seed", "class"),
    "snapshot_steps": ("snapshot",),
    "snapshot_kernels": ("snapshot", "seed", "row", "column", "channel", "filter"),
    "snapshot_biases": ("snapshot", "seed", "filter"),
    "outgoing_separation": ("snapshot", "seed"),
    "growth": ("step", "seed"),
    "reported_steps": ("report",),
    "reported_losses": ("report", "seed"),
    "scored_steps": ("scoring",),
    "losses": ("scoring", "split", "seed"),
    "correct": ("scoring", "split", "seed"),
    "images": ("split",),
}


@dataclass(frozen=True)
class Parameters:
    """The weights of S networks of one condition, float32 as trained, in Keras's layout with a leading seed axis."""

    kernels: NDArray[np.floating[Any]]  # (seed, row, column, channel, filter)
    biases: NDArray[np.floating[Any]]  # (seed, filter)
    head: NDArray[np.floating[Any]]  # (seed, position x filter, class), positions row by row
    head_bias: NDArray[np.floating[Any]]  # (seed, class)

    def of_seed(self, index: int) -> Parameters:
        """The weights of one network, still with a seed axis (of length 1)."""
        return Parameters(*(array[index : index + 1] for array in vars(self).values()))

    @property
    def count(self) -> int:
        """How many parameters one network has."""
        return sum(int(array[0].size) for array in vars(self).values())


def stacked(networks: Sequence[Parameters]) -> Parameters:
    """Networks of one shape as one stack."""
    arrays = zip(*(vars(network).values() for network in networks), strict=True)
    return Parameters(*(np.concatenate(parts) for parts in arrays))


@dataclass(frozen=True)
class Scores:
    """How well networks do on some splits of a dataset."""

    splits: tuple[str, ...]
    losses: NDArray[np.float64]  # (split, network), mean cross-entropy in nats
    correct: NDArray[np.int64]  # (split, network), right predictions
    images: NDArray[np.int64]  # (split,)


@dataclass(frozen=True)
class Runs:
    """What all chunks have: S trained networks of one condition, one for each seed and start.

    Most chunks have a single start, so the axis of networks is called seed. ``condition`` holds as plain data all that
    the result depends on: architecture, filters, steps, dataset. Networks are scored after the last step, and perhaps
    at earlier steps too. A scoring has the mean cross-entropy in nats, the correct predictions and the number of images
    of each of ``SPLITS``.
    """

    condition: Mapping[str, Any]
    seeds: NDArray[np.int64]  # (seed,)
    starts: NDArray[np.int64]  # (seed,), the place of the network's start in the condition's list
    reported_steps: NDArray[np.int64]  # (report,)
    reported_losses: NDArray[np.float32]  # (report, seed), mean training loss since the last report
    scored_steps: NDArray[np.int64]  # (scoring,), the last is the last step
    losses: NDArray[np.float64]  # (scoring, split, seed)
    correct: NDArray[np.int64]  # (scoring, split, seed)
    images: NDArray[np.int64]  # (split,)

    @property
    def scores(self) -> Scores:
        """How well its networks do on all splits."""
        return self.scores_at(int(self.scored_steps[-1]))

    def scores_at(self, step: int) -> Scores:
        """How well they did after so many steps.

        Raises:
            ValueError: they were not scored then.
        """
        index = self.scored_steps.tolist().index(step)
        return Scores(SPLITS, self.losses[index], self.correct[index], self.images)


@dataclass(frozen=True)
class Chunk(Runs):
    """Trained runs whose networks have one convolution, and nothing else before the dense layer."""

    parameters: Parameters
    snapshot_steps: NDArray[np.int64]  # (snapshot,), the first is 0
    snapshot_kernels: NDArray[np.float32]  # (snapshot, seed, row, column, filter)
    snapshot_biases: NDArray[np.float32]  # (snapshot, seed, filter)
    outgoing_separation: NDArray[np.float64]  # (snapshot, seed), between the first two filters' dense weights
    growth: NDArray[np.float32]  # (step, seed), see experiments.twins; without rows where it was not recorded


@dataclass(frozen=True)
class LayeredChunk(Runs):
    """Trained runs whose networks have any layers.

    Stages are ``initial`` and ``trained``. Weights are named ``<place of the layer>_<name in Keras>``; the dense layer
    at the end, which no config names, has the place after the last one.
    """

    weights: Mapping[str, NDArray[np.float32]]  # (stage, seed, ...), in Keras's own layout
    answers: Mapping[str, NDArray[np.float32]]  # by convolution, (stage, seed, place, filter), before the activation
    active: Mapping[str, NDArray[np.bool_]]  # by convolution, (stage, seed, filter): whether any answer is above 0


AnyChunk = Chunk | LayeredChunk
_GROUPS = ("weights", "answers", "active")  # of arrays of a LayeredChunk; a dot stands between group and name


def save_chunk(chunk: AnyChunk, path: Path) -> None:
    """Write a chunk atomically; equal chunks give equal bytes."""
    arrays: dict[str, Any] = {"condition": np.array(json.dumps(chunk.condition, sort_keys=True))}
    for name, value in vars(chunk).items():
        if name == "parameters":
            arrays |= vars(value)
        elif name in _GROUPS:
            arrays |= {f"{name}.{key}": array for key, array in value.items()}
        elif name != "condition":
            arrays[name] = value
    write_npz(path, arrays)


def load_chunk(path: Path, expected: Mapping[str, Any] | None = None) -> Chunk:
    """Read a chunk of networks with one convolution; as :func:`load_any_chunk`.

    Raises:
        StudyError: its networks have more layers.
    """
    chunk = load_any_chunk(path, expected)
    if not isinstance(chunk, Chunk):
        raise StudyError(f"{path}: networks with `layers`; this is about networks of one convolution")
    return chunk


def load_any_chunk(path: Path, expected: Mapping[str, Any] | None = None) -> AnyChunk:
    """Read a chunk.

    Args:
        path: the file.
        expected: the condition that its networks must have; by default any.

    Raises:
        DamagedFile: the file is not a chunk, or its arrays do not fit each other.
        WrongCondition: it holds networks of another condition.
    """
    arrays = read_npz(path, {"condition": ()})
    try:
        condition = json.loads(str(arrays["condition"]))
    except json.JSONDecodeError as error:
        raise DamagedFile(f"{path}: array 'condition' is not JSON ({error}); delete the file and run again") from None
    model = condition.get("model") if isinstance(condition, dict) else None
    layered = isinstance(model, dict) and "layers" in model
    check_shapes(path, arrays, _layered_shapes(arrays) if layered else _SHAPES)
    del arrays["condition"]
    if expected is not None:
        _check_condition(path, condition, expected)
    if layered:
        groups: dict[str, Any] = {
            group: {name.partition(".")[2]: arrays.pop(name) for name in list(arrays) if name.startswith(f"{group}.")}
            for group in _GROUPS
        }
        common: dict[str, Any] = {field.name: arrays[field.name] for field in fields(Runs) if field.name in arrays}
        return LayeredChunk(condition=condition, **groups, **common)
    _check_networks(path, condition, arrays["kernels"].shape)
    parameters = Parameters(*(arrays.pop(field.name) for field in fields(Parameters)))
    return Chunk(condition=condition, parameters=parameters, **arrays)


def _layered_shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, Shape]:
    """The shapes of a layered chunk's arrays, of which the condition does not name all."""
    own = {field.name: _SHAPES[field.name] for field in fields(Runs)}
    for name, array in arrays.items():
        if name.partition(".")[0] in _GROUPS:
            own[name] = (2, "seed", *(None,) * max(0, array.ndim - 2))
    return own


def holds_condition(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether a file is there that holds networks of a condition, whole and trained just so."""
    try:
        return path.exists() and load_any_chunk(path, expected) is not None
    except (DamagedFile, WrongCondition):
        return False


def _check_networks(path: Path, condition: Any, found: tuple[int, ...]) -> None:
    """Check the kernels' shape (network, row, column, channel, filter) against what the file itself says was trained.

    The number of channels is the dataset's, which no condition names.
    """
    try:
        networks = len(condition["seeds"]) * len(condition["starts"])
        expected = (networks, *condition["model"]["kernel"], found[3], condition["filters"])
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"{path}: array 'condition' lacks what was trained; delete the file and run again") from error
    if found != expected:
        raise DamagedFile(
            f"{path}: array 'kernels': found shape {found}, expected {expected}, as its condition says; "
            "delete the file and run again"
        )


def _check_condition(path: Path, found: Any, expected: Mapping[str, Any], above: str = "") -> None:
    """Check what is expected, key by key; ``above`` names the keys above these, with a dot after each."""
    for key, wanted in expected.items():
        own = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(wanted, Mapping) and isinstance(own, Mapping):
            _check_condition(path, own, wanted, f"{above}{key}.")
        elif wanted != own:
            raise WrongCondition(
                f"{path}: networks of another condition: {above}{key} = {json.dumps(own)}, "
                f"expected {json.dumps(wanted)}; delete the file and run again"
            )


def conditions(chunks: Iterable[AnyChunk]) -> Iterator[AnyChunk]:
    """All runs of each condition as one chunk; chunks of one condition follow each other."""
    for _, own in groupby(chunks, key=lambda chunk: [chunk.condition[name] for name in CONDITION]):
        yield _joined(list(own))


def _joined(chunks: Sequence[AnyChunk]) -> AnyChunk:
    first = chunks[0]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(chunk, name) for chunk in chunks], axis=axes.index("seed"))
        for name, axes in _SHAPES.items()
        if "seed" in axes and hasattr(first, name)
    }
    seeds = [seed for chunk in chunks for seed in chunk.condition["seeds"]]
    if isinstance(first, Chunk):
        arrays["parameters"] = stacked([chunk.parameters for chunk in chunks if isinstance(chunk, Chunk)])
    else:
        for group in _GROUPS:
            own = [getattr(chunk, group) for chunk in chunks]
            arrays[group] = {name: np.concatenate([each[name] for each in own], axis=1) for name in own[0]}
    return replace(first, condition={**first.condition, "seeds": seeds}, **arrays)


def study_chunks(folder: Path, study: Mapping[str, Any]) -> Iterator[AnyChunk]:
    """Read the chunks of a study, one after another, in the order of the study.

    Args:
        folder: holds a folder for each architecture.
        study: ``architectures``, name to filter counts; ``chunks``, pairs of first seed and number of seeds; and
            ``conditions``, by architecture what its chunks' conditions have in common. If it has ``names``,
            architectures are called by these.

    Raises:
        DamagedFile: a file can't be read.
        WrongCondition: a file holds networks that were trained otherwise.
    """
    for architecture, counts in study["architectures"].items():
        for filters in counts:
            for first, seeds in study["chunks"]:
                own = {"filters": filters, "seeds": list(range(first, first + seeds))}
                expected = study["conditions"][architecture] | own
                chunk = load_any_chunk(folder / architecture / chunk_name(filters, first, seeds), expected)
                called = {"architecture": study.get("names", {}).get(architecture, expected["architecture"])}
                yield replace(chunk, condition={**chunk.condition, **called})
