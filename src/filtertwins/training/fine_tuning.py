"""Fine-tuning: training continues with networks that were pruned to the same number of filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filtertwins.data.datasets import Dataset
from filtertwins.networks.weights import Parameters, Scores
from filtertwins.settings import Architecture
from filtertwins.training.loop import check_finite, score, train_stack
from filtertwins.training.networks import build_stack
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
    trainable: Parameters | None = None,
    report: Callable[[str], None] = print,
) -> tuple[Scores, Scores]:
    """Scores on the validation and test images before and after some more steps of training.

    The optimiser starts afresh. All networks of a seed see the same batches, which differ from those of its training.

    Args:
        dataset: the images to train on.
        architecture: how to train; its labels must not be shuffled.
        networks: the weights to start from; all networks have the same number of filters.
        seed_of_network: each network's seed. Every seed has the same number of networks, side by side.
        steps: how many steps to train.
        what: the networks' name in reports and errors.
        trainable: true for each weight that is trained; the others keep their values. By default all are trained.
        report: is called with a line of progress at regular steps.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    image_shape: tuple[int, int] = dataset.train_images.shape[1:]
    before = score(build_stack(architecture, networks, list(seed_of_network), image_shape), dataset, HELD_OUT)
    order, ends = Purpose.FINE_TUNING, (0, steps)
    trained = train_stack(
        dataset, architecture, networks, seed_of_network, ends, what, order=order, trainable=trainable, report=report
    )
    after = score(trained.stack, dataset, HELD_OUT)
    check_finite(after.losses, seed_of_network, [steps] * len(HELD_OUT), what)
    return before, after
