"""From a chunk to rows of tables: what names each network, how well it does, and its filters at each stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.architectures import LayeredArchitecture, described_by
from filtertwins.names import CONDITION, Row
from filtertwins.networks.convolutions import convolutions, first_trained, folded_weights
from filtertwins.networks.weights import AnyChunk, Chunk, LayeredChunk, Parameters, Runs, Scores

STAGES = ("initial", "trained")


def run_names(chunk: Runs) -> Iterator[Row]:
    """The first columns of a network's rows, which name it; for each network of a chunk, in order."""
    condition: Mapping[str, Any] = chunk.condition
    for seed in chunk.seeds.tolist():
        yield {name: condition[name] for name in CONDITION} | {"seed": seed}


def named_networks(chunk: Chunk) -> Iterator[tuple[Row, Parameters]]:
    """The name and the weights, with a seed axis of length 1, of each network of a chunk, in order."""
    for index, run in enumerate(run_names(chunk)):
        yield run, chunk.parameters.of_seed(index)


def network_scores(scores: Scores) -> Iterator[Row]:
    """How well each network does, in order. Losses are mean cross-entropies in nats, accuracies in [0, 1]."""
    for index in range(scores.losses.shape[1]):
        row: Row = {}
        for place, split in enumerate(scores.splits):
            loss, correct = float(scores.losses[place, index]), int(scores.correct[place, index])
            images = int(scores.images[place])
            row[f"{split}_loss"] = loss
            if split != "train":
                row[f"{split}_accuracy"] = correct / images
            if split == "test":
                row |= {"test_correct": correct, "test_images": images}
        yield row


@dataclass(frozen=True)
class LayerRuns:
    """One convolution of the networks of a chunk, at the stages ``initial`` and ``trained``."""

    name: str  # conv1, conv2, ...
    activation: str
    initializer: str  # Keras's name of the distribution that its kernels start from
    kernels: NDArray[np.float32]  # (stage, seed, row, column, channel, filter), batch normalisation folded in
    biases: NDArray[np.float32]  # (stage, seed, filter)
    answers: NDArray[np.float32] | None = None  # (stage, seed, place, filter), before the activation; None: not kept
    active: NDArray[np.bool_] | None = None  # (stage, seed, filter); None: the training images tell
    sees_images: bool = False  # whether the patches of the images are what it sees
    one_basis: bool = True  # whether kernels of different networks see the same channels
    frozen: bool = False  # whether all networks have the same kernels, so that they are no strangers

    @property
    def kernel(self) -> tuple[int, int]:
        """The kernels' height and width."""
        return self.kernels.shape[2], self.kernels.shape[3]

    @property
    def dimension(self) -> int:
        """The weights of one kernel."""
        return int(np.prod(self.kernels.shape[2:-1]))


def layers_of(chunk: AnyChunk) -> list[LayerRuns]:
    """The convolutions of a chunk's networks, in order."""
    model = chunk.condition["model"]
    if isinstance(chunk, Chunk):
        kernels = np.stack([chunk.snapshot_kernels[0], chunk.parameters.kernels])
        biases = np.stack([chunk.snapshot_biases[0], chunk.parameters.biases])
        return [LayerRuns("conv1", model["activation"], model["initializer"], kernels, biases, sees_images=True)]
    architecture = described_by(chunk.condition)
    assert isinstance(architecture, LayeredArchitecture)  # noqa: S101 - the file was read as such
    found, first = [], first_trained(architecture)
    for own in convolutions(architecture.layers):
        kernels, biases = folded_weights(own, architecture.layers, chunk.weights)
        found.append(
            LayerRuns(
                own.name,
                own.activation,
                own.initial_distribution,
                kernels,
                biases,
                chunk.answers.get(own.name),
                chunk.active.get(own.name),
                one_basis=own.place <= first and own.kind != "pointwise",  # Above frozen layers it is one basis too.
                frozen=own.place < first,
            )
        )
    return found


def parameter_count(chunk: AnyChunk) -> int:
    """How many weights each of its networks has; the running means of batch normalisation are not trained."""
    if isinstance(chunk, LayeredChunk):
        trained = [array for name, array in chunk.weights.items() if "_moving_" not in name]
        return sum(int(array[0, 0].size) for array in trained)
    return chunk.parameters.count


def stages(chunk: AnyChunk) -> Iterator[tuple[Row, str, LayerRuns, NDArray[np.float32]]]:
    """The name, the stage, the layer and kernels (row, column, channel, filter) of each run: its first convolution."""
    layer = layers_of(chunk)[0]
    for index, run in enumerate(run_names(chunk)):
        for place, stage in enumerate(STAGES):
            yield run, stage, layer, layer.kernels[place, index]
