"""From a chunk to rows of tables: what names each network, how well it does, and its filters at each stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filtertwins.names import CONDITION, Row
from filtertwins.networks.weights import Chunk, Parameters, Scores


def run_names(chunk: Chunk) -> Iterator[Row]:
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


def stages(chunk: Chunk) -> Iterator[tuple[Row, str, NDArray[np.float32], NDArray[np.float32]]]:
    """The name, the stage, kernels (row, column, channel, filter) and biases (filter,) of each run at each stage."""
    for index, run in enumerate(run_names(chunk)):
        yield run, "initial", chunk.snapshot_kernels[0, index], chunk.snapshot_biases[0, index]
        yield run, "trained", chunk.parameters.kernels[index], chunk.parameters.biases[index]
