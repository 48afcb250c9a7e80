"""Training a chunk: the networks of one condition, from their random initial weights to their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from filtertwins.data.datasets import Dataset
from filtertwins.names import SPLITS
from filtertwins.networks.weights import Chunk, Scores, stacked
from filtertwins.settings import Architecture, Start
from filtertwins.training.loop import check_finite, score, train_stack
from filtertwins.training.networks import Stack, initial_parameters
from filtertwins.training.starts import start_from


def train_chunk(
    dataset: Dataset,
    architecture: Architecture,
    filters: int,
    seeds: Sequence[int],
    snapshot_steps: Sequence[int],
    condition: Mapping[str, Any],
    starts: Sequence[Start] = (Start(),),
    also_scored: Sequence[int] = (),
    report: Callable[[str], None] = print,
) -> Chunk:
    """Train one network for each seed and start, together.

    Args:
        dataset: its images are uint8; networks see pixels in [0, 1].
        architecture: the network and how it is trained; its ``filters`` are ignored.
        filters: the number of filters of each network.
        seeds: each fixes a run's initial weights and batch order.
        snapshot_steps: increasing, from 0 to the number of steps to train.
        condition: everything that the result depends on, which is stored with it.
        starts: every seed is trained from each of these. Their initial weights differ, but not their batches.
        also_scored: earlier steps after which the networks are scored too.
        report: is called with a line of progress at regular steps.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    image_shape: tuple[int, int] = dataset.train_images.shape[1:]
    networks = [(seed, index) for seed in seeds for index in range(len(starts))]
    seed_of_network = [seed for seed, _ in networks]
    what = f"{condition.get('architecture', '')} filters={filters}"
    scored: dict[int, Scores] = {}

    def score_at(stack: Stack, step: int) -> None:
        scored[step] = score(stack, dataset, training_images=architecture.scored_training_images)
        check_finite(scored[step].losses, seed_of_network, [step] * len(SPLITS), what)

    drawn = {seed: initial_parameters(architecture, filters, [seed], image_shape) for seed in seeds}
    trained = train_stack(
        dataset,
        architecture,
        stacked([start_from(drawn[seed], starts[index], seed) for seed, index in networks]),
        seed_of_network,
        snapshot_steps,
        what,
        growth_bound=any(start.second_filter == "twin" for start in starts),
        visits=dict.fromkeys([*also_scored, snapshot_steps[-1]], score_at),
        report=report,
    )
    kernels, biases, separations = zip(*trained.snapshots, strict=True)
    return Chunk(
        condition=condition,
        seeds=np.array(seed_of_network, np.int64),
        starts=np.array([index for _, index in networks], np.int64),
        parameters=trained.stack.parameters(),
        snapshot_steps=np.array(snapshot_steps, np.int64),
        snapshot_kernels=np.stack(kernels),
        snapshot_biases=np.stack(biases),
        outgoing_separation=np.stack(separations),
        growth=trained.growth,
        reported_steps=np.array(trained.reported_steps, np.int64),
        reported_losses=np.stack(trained.reported_losses),
        scored_steps=np.array(list(scored), np.int64),
        losses=np.stack([scores.losses for scores in scored.values()]),
        correct=np.stack([scores.correct for scores in scored.values()]),
        images=scored[snapshot_steps[-1]].images,
    )
