"""What jobs need of a machine: memory and time, estimated from benchmarks of the MNIST study on two cores.

Memory is a quarter or more above the most that was measured. Time is about what was measured; jobs ask for three times
as much. ``tools/show_times.py`` says what the jobs of a finished study took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from filtertwins.architectures import AnyArchitecture, LayeredArchitecture
from filtertwins.layers import totals

SCORING_STEPS = 300  # Scoring all pruned networks twice takes about as long as this many steps of training.
MOST_MEASURED_TAPS = 25  # The estimates come from kernels of at most so many elements.


class Need(NamedTuple):
    """What a job needs."""

    mem_mb: float
    seconds: float


class Seen(NamedTuple):
    """What networks are trained on."""

    images: int  # to learn from
    shape: tuple[int, int, int]  # rows, columns and channels of an image
    classes: int

    @property
    def mem_mb(self) -> float:
        """The memory that the images take beyond those of MNIST: read, checked and given to TensorFlow."""
        return max(0, 3e-6 * (self.images * math.prod(self.shape) - MNIST.images * math.prod(MNIST.shape)))


MNIST = Seen(60_000, (28, 28, 1), 10)  # The estimates were measured on it.


@dataclass(frozen=True)
class Networks:
    """Networks of one condition that a job trains."""

    architecture: AnyArchitecture
    filters: int
    count: int
    before: int = 0  # steps that one network a seed is trained before its starts, as steps of all networks
    seen: Seen = MNIST

    @property
    def dense_weights(self) -> int:
        """The weights of their dense layers, or of all layers, which memory and time grow with."""
        if isinstance(self.architecture, LayeredArchitecture):
            return totals(self.architecture.layers, self.filters, *self.seen[1:])[0] * self.count
        (height, width), (rows, columns, _) = self.architecture.kernel, self.seen.shape
        positions = max(1, rows - height + 1) * max(1, columns - width + 1)  # The images' shape may be a guess.
        return positions * self.filters * self.seen.classes * self.count

    @property
    def steps(self) -> int:
        """How many steps they are trained."""
        item = self.architecture
        return self.before + (item.steps or (item.epochs or 1) * self.seen.images // item.batch)

    def step_s(self, beside: int = 1) -> float:
        """Seconds that a step took: so much for each pixel of a network's images, and for each dense weight.

        Linear networks touch their weights once a step, and share the products with the images with all of a seed's
        networks ``beside`` each other. The others touch their weights once for each block of images.
        """
        item = self.architecture
        if isinstance(item, LayeredArchitecture):  # A step is three times the way forward, at some 40 GFLOP/s.
            macs = totals(item.layers, self.filters, *self.seen[1:])[1]
            return self.count * item.batch * (20e-6 + macs * 0.15e-9) + self.dense_weights * 20e-9
        pixels = math.prod(self.seen.shape) / math.prod(MNIST.shape)  # as many times those of a MNIST image
        images = self.count * item.batch * pixels
        if item.collapses:
            classes = self.seen.classes / MNIST.classes
            return images * classes * (0.4e-6 + 1.4e-6 / beside) + self.dense_weights * 4e-9
        taps = math.prod(item.kernel) * self.seen.shape[2] / MOST_MEASURED_TAPS
        return images * 6e-6 + self.dense_weights * 30e-9 * max(1.0, item.batch / 128) * max(1.0, taps)


def training_need(families: Sequence[Sequence[Networks]]) -> Need:
    """Of training families of conditions one after another: TensorFlow, the data, the networks and their weights."""
    memory = max(sum(2 * own.count + own.dense_weights / 15_000 for own in family) for family in families)
    return Need(2000 + families[0][0].seen.mem_mb + memory, sum(map(family_s, families)))


def family_s(family: Sequence[Networks]) -> float:
    """Seconds that it takes to train a family of conditions side by side."""
    return sum(own.steps * own.step_s(len(family)) for own in family)


def pruning_need(networks: Networks, methods: int, kept: Sequence[int], steps: int) -> Need:
    """Of rating the filters, 0.13 s each, and of training on: a network for each method and number of filters kept."""
    several = replace(networks, count=networks.count * methods)
    memory = 2000 + networks.seen.mem_mb + 10 * several.count + several.dense_weights / 20_000
    rating_s = networks.count * networks.filters * 0.13
    step_s = networks.step_s() + sum(replace(several, filters=filters).step_s(methods) for filters in kept)
    return Need(memory, rating_s + (SCORING_STEPS + steps) * step_s)


def deletion_need(seeds: int) -> Need:
    """Of deleting weights one by one, which took 9 s a seed."""
    return Need(4000, 9 * seeds)


def measuring_need(filters: int, seen: Seen = MNIST) -> Need:
    """Of measuring so many filters; the slowest measure took 10 ms a filter, to remove it."""
    pixels = math.prod(seen.shape) / math.prod(MNIST.shape)
    return Need(3000 + seen.mem_mb + filters * 0.03, filters * 0.02 * max(1.0, pixels))


def asked_mem_mb(need: Need, attempt: int = 1) -> int:
    """The memory that a job asks a cluster for: rounded up to 500 MB, and twice as much at each further attempt."""
    return 500 * math.ceil(need.mem_mb * (1 << attempt - 1) / 500)


def asked_minutes(need: Need, attempt: int = 1) -> int:
    """The minutes that it asks for: thrice the estimate and 10, rounded up to 15, 30, 60, ..., and doubled likewise."""
    return 15 << math.ceil(math.log2(max(15, 10 + 3 * need.seconds / 60) / 15)) + attempt - 1
