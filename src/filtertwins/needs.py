"""What jobs need of a machine: memory and time, estimated from benchmarks of the MNIST study on two cores.

Memory is a quarter or more above the most that was measured. Time is about what was measured; jobs ask for three times
as much. ``tools/show_times.py`` says what the jobs of a finished study took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from filtertwins.architectures import Architecture

SCORING_STEPS = 300  # Scoring all pruned networks twice takes about as long as this many steps of training.
MNIST_IMAGES = 60_000  # The estimated time of an epoch is that of MNIST's.


class Need(NamedTuple):
    """What a job needs."""

    mem_mb: float
    seconds: float


@dataclass(frozen=True)
class Networks:
    """Networks of one condition that a job trains."""

    architecture: Architecture
    filters: int
    count: int
    before: int = 0  # steps that one network a seed is trained before its starts, as steps of all networks

    @property
    def dense_weights(self) -> int:
        """The weights of their dense layers, which memory and time grow with."""
        height, width = self.architecture.kernel
        return (29 - height) * (29 - width) * self.filters * 10 * self.count

    @property
    def steps(self) -> int:
        """How many steps they are trained."""
        item = self.architecture
        return self.before + (item.steps or (item.epochs or 1) * MNIST_IMAGES // item.batch)

    def step_s(self, beside: int = 1) -> float:
        """Seconds that a step took: so much for each image of a network, and for each dense weight.

        Linear networks touch their weights once a step, and share the products with the images with all of a seed's
        networks ``beside`` each other. The others touch their weights once for each block of images.
        """
        item = self.architecture
        images = self.count * item.batch
        if item.activation == "linear" and not item.dropout and item.implementation == "stacked":
            return images * (0.4e-6 + 1.4e-6 / beside) + self.dense_weights * 4e-9
        return images * 6e-6 + self.dense_weights * 30e-9 * max(1.0, item.batch / 128)


def training_need(families: Sequence[Sequence[Networks]]) -> Need:
    """Of training families of conditions one after another: TensorFlow, the data, the networks and their weights."""
    memory = max(sum(2 * own.count + own.dense_weights / 15_000 for own in family) for family in families)
    return Need(2000 + memory, sum(map(family_s, families)))


def family_s(family: Sequence[Networks]) -> float:
    """Seconds that it takes to train a family of conditions side by side."""
    return sum(own.steps * own.step_s(len(family)) for own in family)


def pruning_need(networks: Networks, methods: int, kept: Sequence[int], steps: int) -> Need:
    """Of rating the filters, 0.13 s each, and of training on: a network for each method and number of filters kept."""
    several = replace(networks, count=networks.count * methods)
    memory = 2000 + 10 * several.count + several.dense_weights / 20_000
    rating_s = networks.count * networks.filters * 0.13
    step_s = networks.step_s() + sum(replace(several, filters=filters).step_s(methods) for filters in kept)
    return Need(memory, rating_s + (SCORING_STEPS + steps) * step_s)


def deletion_need(seeds: int) -> Need:
    """Of deleting weights one by one, which took 9 s a seed."""
    return Need(4000, 9 * seeds)


def measuring_need(filters: int) -> Need:
    """Of measuring so many filters; the slowest measure took 10 ms a filter, to remove it."""
    return Need(3000 + filters * 0.03, filters * 0.02)


def asked_mem_mb(need: Need, attempt: int = 1) -> int:
    """The memory that a job asks a cluster for: rounded up to 500 MB, and twice as much at each further attempt."""
    return 500 * math.ceil(need.mem_mb * (1 << attempt - 1) / 500)


def asked_minutes(need: Need, attempt: int = 1) -> int:
    """The minutes that it asks for: thrice the estimate and 10, rounded up to 15, 30, 60, ..., and doubled likewise."""
    return 15 << math.ceil(math.log2(max(15, 10 + 3 * need.seconds / 60) / 15)) + attempt - 1
