"""Training on: networks that were trained and pruned, all of one width together."""

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
    """Scores on the validation and the test split before and after some more steps of training.

    The optimiser starts afresh. All networks of a seed see the same batches, others than it was trained on before.

    Args:
        dataset: what to train on.
        architecture: how; with labels that are not shuffled.
        networks: the weights to start from, of networks of one width.
        seed_of_network: each network's seed; as many networks of every seed, side by side.
        steps: how many more.
        what: the networks' name in reports and errors.
        trainable: true for each weight that is trained; the others are held as they are. By default all are trained.
        report: gets a line of progress at regular steps.

    Raises:
        DivergedError: names the seed and the step.
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
