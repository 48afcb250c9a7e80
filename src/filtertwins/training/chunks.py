"""Training chunks: the networks of some conditions, from their random initial weights to their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from filtertwins.architectures import Architecture, Start
from filtertwins.data.datasets import Dataset
from filtertwins.errors import StudyError
from filtertwins.names import SPLITS
from filtertwins.networks.weights import AnyChunk, Chunk, Parameters, Scores, stacked
from filtertwins.sources import misfits
from filtertwins.training.layered import train_layered
from filtertwins.training.networks import initial_parameters
from filtertwins.training.one_layer import train_stack
from filtertwins.training.scoring import Scorer, check_finite
from filtertwins.training.starts import start_from
from filtertwins.training.streams import Purpose


def architecture_of(condition: Mapping[str, Any], filters: int | None = None) -> Architecture:
    """The architecture of one convolution that a condition describes, with its own filters or with more or fewer."""
    return Architecture.model_validate(condition["model"] | {"filters": [filters or condition["filters"]]})


def train_chunks(
    dataset: Dataset,
    conditions: Sequence[Mapping[str, Any]],
    snapshot_steps: Sequence[int],
    report: Callable[[str], None] = print,
) -> Sequence[AnyChunk]:
    """Train one network for each condition, seed and start, all side by side.

    Args:
        dataset: its images are uint8; networks see pixels in [0, 1].
        conditions: each is everything that a chunk depends on, and is stored with it: ``model``, ``filters``,
            ``seeds``, ``starts`` and ``also_scored``, the steps before the last one after which it is scored. A seed
            fixes a run's initial weights and its batches, unless the model has all seeds share one of them; every seed
            is trained from each of the starts. Several conditions must be linear and differ only in their filters,
            their kernel's size and their initialiser. If a start comes after some steps, these are on the usual
            batches, and all networks then go on with others.
        snapshot_steps: increasing, from 0 to the number of steps to train.
        report: is called with a line of progress at regular steps.

    Returns:
        the chunk of each condition.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    if "layers" in conditions[0]["model"]:
        return [train_layered(dataset, condition, snapshot_steps[-1], report) for condition in conditions]
    models = [architecture_of(condition) for condition in conditions]
    first, model = conditions[0], models[0]
    starts = [Start.model_validate(start) for start in first["starts"]]
    networks = [(seed, index) for seed in first["seeds"] for index in range(len(starts))]  # of one condition
    seed_of_network = np.repeat(first["seeds"], len(conditions) * len(starts)).tolist()
    names = dict.fromkeys(f"{own.get('architecture', '')} filters={own['filters']}" for own in conditions)
    what = ", ".join(names)
    for misfit in (found for own in models for found in misfits(own, len(dataset.train_images), [dataset.image_shape])):
        raise StudyError(f"{what}: {misfit}")
    scored: dict[int, list[Scores]] = {}  # by step, for each condition

    def score_at(scorers: Sequence[Scorer], step: int) -> None:
        scored[step] = [score(dataset, training_images=model.scored_training_images) for score in scorers]
        for scores in scored[step]:
            check_finite(scores.losses, [seed for seed, _ in networks], [step] * len(SPLITS), what)

    def initial(own: Architecture) -> Parameters:
        of_seed = [seed if own.draw_seed is None else own.draw_seed for seed in first["seeds"]]
        seen = dataset.image_shape, dataset.classes
        drawn = [initial_parameters(own, own.filters[0], [seed], *seen) for seed in of_seed]
        found = {0: stacked(drawn)}  # by the steps of training before the start; (seed,)
        for after in {start.after for start in starts} - {0}:
            before = train_stack(dataset, own, [found[0]], first["seeds"], (0, after), what, report=report)
            found[after] = before.parameters[0]
        scaled = [start.model_copy(update={"scale": start.scale * (own.scale or 1.0)}) for start in starts]
        return stacked(
            [
                start_from(found[starts[index].after].of_seed(number // len(starts)), scaled[index], seed)
                for number, (seed, index) in enumerate(networks)
            ]
        )

    trained = train_stack(
        dataset,
        model,
        [initial(own) for own in models],
        seed_of_network,
        snapshot_steps,
        what,
        order=Purpose.FINE_TUNING if any(start.after for start in starts) else Purpose.BATCHES,
        pairs=[starts[index].pair for _, index in networks],
        growth_bound=len(conditions) == 1 and any(start.second_filter == "twin" for start in starts),
        visits=dict.fromkeys([*first["also_scored"], snapshot_steps[-1]], score_at),
        report=report,
    )
    places = np.arange(len(seed_of_network)).reshape(len(first["seeds"]), len(conditions), len(starts))
    chunks = []
    for place, condition in enumerate(conditions):
        own = places[:, place].ravel()  # the networks of this condition among all
        scores = [of_conditions[place] for of_conditions in scored.values()]
        kernels, biases, separations = zip(*trained.snapshots[place], strict=True)
        chunks.append(
            Chunk(
                condition=condition,
                seeds=np.array([seed for seed, _ in networks], np.int64),
                starts=np.array([index for _, index in networks], np.int64),
                parameters=trained.parameters[place],
                snapshot_steps=np.array(snapshot_steps, np.int64),
                snapshot_kernels=np.stack(kernels),
                snapshot_biases=np.stack(biases),
                outgoing_separation=np.stack(separations),
                growth=trained.recorded.growth[:, own],
                reported_steps=np.array(trained.recorded.reported_steps, np.int64),
                reported_losses=np.stack(trained.recorded.reported_losses)[:, own],
                scored_steps=np.array(list(scored), np.int64),
                losses=np.stack([scoring.losses for scoring in scores]),
                correct=np.stack([scoring.correct for scoring in scores]),
                images=scores[-1].images,
            )
        )
    return chunks
