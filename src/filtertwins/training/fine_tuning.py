"""Fine-tuning: training continues with networks that were pruned to the same number of filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filtertwins.architectures import Architecture
from filtertwins.data.datasets import Dataset
from filtertwins.networks.weights import Parameters, Scores
from filtertwins.training.one_layer import train_stack
from filtertwins.training.scoring import Scorer, check_finite
from filtertwins.training.streams import Purpose

HELD_OUT = ("validation", "test")


def fine_tune(
    dataset: Dataset,
    architecture: Architecture,
    networks: Parameters,
    seed_of_network: Sequence[int],
    steps: int,
    what: str,
    *,
    also_scored: Sequence[int] = (),
    trainable: Parameters | None = None,
    report: Callable[[str], None] = print,
) -> list[Scores]:
    """Scores on the validation and test images before, on the way, and after some more steps of training.

    The optimiser starts afresh. All networks of a seed see the same batches, which differ from those of its training.

    Args:
        dataset: the images to train on.
        architecture: how to train; its labels must not be shuffled.
        networks: the weights to start from; all networks have the same number of filters.
        seed_of_network: each network's seed. Every seed has the same number of networks, side by side.
        steps: how many steps to train.
        what: the networks' name in reports and errors.
        also_scored: increasing steps, of those before the last one, after which networks are scored too.
        trainable: true for each weight that is trained; the others keep their values. By default all are trained.
        report: is called with a line of progress at regular steps.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    scores: dict[int, Scores] = {}

    def score_at(scorers: Sequence[Scorer], step: int) -> None:
        scores[step] = scorers[0](dataset, HELD_OUT)

    train_stack(
        dataset,
        architecture,
        [networks],
        seed_of_network,
        (0, steps),
        what,
        order=Purpose.FINE_TUNING,
        trainable=trainable,
        visits=dict.fromkeys((0, *also_scored, steps), score_at),
        report=report,
    )
    for step, found in list(scores.items())[1:]:
        check_finite(found.losses, seed_of_network, [step] * len(HELD_OUT), what)
    return list(scores.values())
