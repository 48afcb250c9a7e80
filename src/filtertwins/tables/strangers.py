"""Filters of one network beside strangers, filters of networks that differ in the seed alone (H13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from filtertwins.data.datasets import Dataset
from filtertwins.measures.exchange import exchange_test
from filtertwins.measures.functional import response_vectors
from filtertwins.measures.patches import patch_moment
from filtertwins.measures.redundancy import Equivalence, Floats, directions, equivalence_of, filter_vectors
from filtertwins.measures.strangers import STRANGER_SHARE, compare_with_strangers, neighbourhoods, ratio_curve
from filtertwins.names import CONDITION, Row
from filtertwins.networks.weights import Chunk, conditions

STAGES = ("initial", "trained")

_SEED = 20201


@dataclass(frozen=True)
class _Stage:
    """All networks of one condition at one stage."""

    names: Row
    kernel: tuple[int, int]  # height and width
    equivalence: Equivalence
    vectors: list[Floats]  # by network, (filter, dimension), with biases where they count
    corresponding: bool  # whether all networks started from the same weights

    @property
    def units(self) -> list[Floats]:
        """The unit vectors of each network's live filters."""
        return [directions(own) for own in self.vectors]

    def answers(self, moment: Floats) -> list[Floats]:
        """The same of the filters' answers to patches whose second moment, with a pixel for the bias, this is."""
        dimension = self.vectors[0].shape[1]
        return [directions(response_vectors(own, moment[:dimension, :dimension])) for own in self.vectors]


class StrangerRows(NamedTuple):
    """The rows of the two tables about strangers."""

    strangers: list[Row]  # one a condition and stage
    strangers_by_threshold: list[Row]  # one a condition, stage and threshold


def stranger_tables(chunks: Iterable[Chunk], dataset: Dataset) -> StrangerRows:
    """``strangers.csv`` and ``strangers_by_threshold.csv``: conditions of two or more filters, at each stage.

    The primary threshold is the similarity that 1 % of stranger pairs exceed. ``within`` and ``between`` are the shares
    of pairs that reach it, and ``ratio`` is g. Initial kernels are independent, so that their g is 1: they are the
    negative control. The second table has g at several thresholds, each with the ``share`` of stranger pairs that
    exceed it, and the ends of a band that holds at all of them at once. ``response_ratio`` is g of the filters' answers
    to the patches of the training images, with a threshold of its own.

    Where all networks started from the same weights, filters at the same place are left out of the strangers. The
    exchange test can't do that, so that it is missing there.

    Args:
        chunks: of a study; those of one condition follow each other.
        dataset: its training images are what filters answer to.
    """
    rows = StrangerRows([], [])
    moment_of = cache(lambda kernel: patch_moment(dataset.train_images, kernel, bias=True))
    for stage in _stages(chunks):
        pairs = neighbourhoods(stage.units, stage.equivalence, corresponding=stage.corresponding)
        curve = ratio_curve(pairs, np.random.default_rng([_SEED, stage.names["filters"], len(stage.vectors), 1]))
        found = curve.points[curve.shares.index(STRANGER_SHARE)]
        rng = np.random.default_rng([_SEED, stage.names["filters"], len(stage.vectors)])
        attraction, repulsion = (
            (np.nan, np.nan)
            if stage.corresponding
            else exchange_test(stage.units, stage.equivalence, found.threshold, rng)
        )
        near = neighbourhoods(
            stage.answers(moment_of(stage.kernel)), stage.equivalence, corresponding=stage.corresponding
        )
        answers = compare_with_strangers(near)
        rows.strangers.append(
            stage.names
            | asdict(found)
            | {"estimable": found.estimable, "attraction_p_value": attraction, "repulsion_p_value": repulsion}
            | {f"response_{name}": asdict(answers)[name] for name in ("threshold", "ratio", "ratio_low", "ratio_high")}
            | {"response_estimable": answers.estimable}
        )
        ends = zip(curve.shares, curve.points, curve.band_low.tolist(), curve.band_high.tolist(), strict=True)
        rows.strangers_by_threshold.extend(
            stage.names
            | {"share": share}
            | asdict(point)
            | {"estimable": point.estimable, "band_low": low, "band_high": high}
            for share, point, low, high in ends
        )
    return rows


def _stages(chunks: Iterable[Chunk]) -> Iterator[_Stage]:
    """The networks of each condition of several filters, whatever its chunks, at each stage."""
    for chunk in conditions(chunks):
        condition, model = chunk.condition, chunk.condition["model"]
        if condition["filters"] < 2:
            continue
        names: Row = {name: condition[name] for name in CONDITION}
        names |= {"activation": model["activation"], "dimension": int(np.prod(chunk.parameters.kernels.shape[1:-1]))}
        equivalence = equivalence_of(model["activation"])
        for place, stage in zip((0, -1), STAGES, strict=True):
            vectors = [
                filter_vectors(kernels, biases if stage == "trained" else None, equivalence)
                for kernels, biases in zip(chunk.snapshot_kernels[place], chunk.snapshot_biases[place], strict=True)
            ]
            shared = model.get("draw_seed") is not None
            yield _Stage(names | {"stage": stage}, tuple(model["kernel"]), equivalence, vectors, shared)
