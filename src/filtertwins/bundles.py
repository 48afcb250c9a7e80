"""How training is divided among processes: conditions that one process trains one after another are a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from filtertwins.names import chunk_name, seeds_name

SIDE_BY_SIDE = 9  # At most so many linear networks of a seed are computed together; see training.joint.
BUNDLE_S = 180  # One process trains conditions for about this long. Shorter ones would spend it on starting TensorFlow.
FEWEST_BUNDLES = 2  # Even of a short study, so that two cores are busy.
NAMED = 3  # What is said of a bundle names so many of its architectures.

Family = list[tuple[str, int]]
"""Conditions, by architecture and filters, whose networks are trained side by side."""


class Bundle(NamedTuple):
    """What one process trains, one family after another, for the seeds of a chunk."""

    first: int
    seeds: int
    families: list[Family]

    @property
    def conditions(self) -> Family:
        """All its conditions."""
        return [condition for family in self.families for condition in family]

    @property
    def name(self) -> str:
        """A name for rules and files, after its first condition."""
        architecture, filters = self.conditions[0]
        return f"{architecture.replace('/', '_')}_{filters:03d}_{seeds_name(self.first, self.seeds)}"

    @property
    def words(self) -> str:
        """What it trains, for people, in a line."""
        counts: dict[str, list[str]] = {}
        for architecture, filters in self.conditions:
            counts.setdefault(architecture, []).append(str(filters))
        trained = [f"{name} with {', '.join(own)} filters" for name, own in counts.items()]
        more = [f"{len(trained) - NAMED} more architectures"] if len(trained) > NAMED else []
        return f"{'; '.join([*trained[:NAMED], *more])}; seeds {self.first} to {self.first + self.seeds - 1}"

    def files(self, folder: Path) -> list[Path]:
        """The files of its chunks."""
        return [folder / name / chunk_name(filters, self.first, self.seeds) for name, filters in self.conditions]


def divide(families: Sequence[Family], seconds: Sequence[float], first: int, seeds: int, fewest: int) -> list[Bundle]:
    """Families of conditions as bundles, each of which takes about ``BUNDLE_S``.

    A bundle's families follow each other. Another division trains nothing again, because a process leaves out the
    chunks that are there.

    Args:
        families: what is trained with some seeds.
        seconds: how long each takes.
        first: the first seed.
        seeds: the number of seeds.
        fewest: how many bundles at least, if there are as many families.
    """
    ends_s = list(accumulate(seconds))
    number = max(fewest, round(ends_s[-1] / BUNDLE_S))
    # A family belongs to the bundle in whose share of the time its middle lies.
    shares = [(start + end) / 2 * number // ends_s[-1] for start, end in pairwise([0.0, *ends_s])]
    grouped = groupby(zip(shares, families, strict=True), itemgetter(0))
    return [Bundle(first, seeds, [family for _, family in own]) for _, own in grouped]
