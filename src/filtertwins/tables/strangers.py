"""Filters of one network beside strangers, filters of networks that differ in the seed alone (H13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.clusters import redundant_share
from filtertwins.measures.exchange import exchange_test
from filtertwins.measures.redundancy import (
    Equivalence,
    Floats,
    directions,
    equivalence_of,
    filter_vectors,
    nearest_similarities,
    similarity_matrix,
)
from filtertwins.measures.strangers import (
    STRANGER_SHARE,
    neighbourhoods,
    ratio_curve,
)
from filtertwins.names import CONDITION, Row
from filtertwins.networks.weights import Chunk

STAGES = ("initial", "trained")
SETS = 5
"""Sets of strangers that are drawn for each network, of as many filters as it has."""

_SEED = 20201


@dataclass(frozen=True)
class _Stage:
    """All networks of one condition at one stage."""

    names: Row
    equivalence: Equivalence
    vectors: list[Floats]  # by network, (filter, dimension)

    @property
    def units(self) -> list[Floats]:
        """The unit vectors of each network's live filters."""
        return [directions(own) for own in self.vectors]


class StrangerRows(NamedTuple):
    """The rows of the two tables about strangers."""

    strangers: list[Row]  # one a condition and stage
    strangers_by_threshold: list[Row]  # one a condition, stage and threshold


def stranger_tables(chunks: Iterable[Chunk], threshold: float) -> StrangerRows:
    """``strangers.csv`` and ``strangers_by_threshold.csv``: conditions of two or more filters, at each stage.

    The primary threshold is the similarity that 1 % of stranger pairs exceed. ``within`` and ``between`` are the shares
    of pairs that reach it, and ``ratio`` is g. Initial kernels are independent, so that their g is 1: they are the
    negative control. The second table has g at several thresholds, each with the ``share`` of stranger pairs that
    exceed it, and the ends of a band that holds at all of them at once.

    Args:
        chunks: of a study; those of one condition follow each other.
        threshold: the similarity at which clusters are cut.
    """
    rows = StrangerRows([], [])
    for stage in _stages(chunks):
        pairs = neighbourhoods(stage.units, stage.equivalence)
        curve = ratio_curve(pairs, np.random.default_rng([_SEED, stage.names["filters"], len(stage.vectors), 1]))
        found = curve.points[curve.shares.index(STRANGER_SHARE)]
        rng = np.random.default_rng([_SEED, stage.names["filters"], len(stage.vectors)])
        attraction, repulsion = exchange_test(stage.units, stage.equivalence, found.threshold, rng)
        rows.strangers.append(
            stage.names
            | asdict(found)
            | {"estimable": found.estimable, "attraction_p_value": attraction, "repulsion_p_value": repulsion}
            | _rungs(stage, threshold, rng)
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
    """The networks of each condition, whatever its chunks, at each stage."""
    conditions: dict[tuple[str, ...], list[Chunk]] = {}
    for chunk in chunks:
        if chunk.condition["filters"] > 1:
            conditions.setdefault(tuple(str(chunk.condition[name]) for name in CONDITION), []).append(chunk)
    for own in conditions.values():
        condition = own[0].condition
        model = condition["model"]
        names: Row = {name: condition[name] for name in CONDITION}
        names |= {"activation": model["activation"], "dimension": int(np.prod(model["kernel"]))}
        equivalence = equivalence_of(model["activation"])
        for place, stage in zip((0, -1), STAGES, strict=True):
            vectors = [
                filter_vectors(kernels, biases if stage == "trained" else None, equivalence)
                for chunk in own
                for kernels, biases in zip(chunk.snapshot_kernels[place], chunk.snapshot_biases[place], strict=True)
            ]
            yield _Stage(names | {"stage": stage}, equivalence, vectors)


def _rungs(stage: _Stage, threshold: float, rng: np.random.Generator) -> Row:
    """Mean nearest cosine and redundant share within networks, and within sets of as many strangers."""
    own = [_alike(vectors, stage.equivalence, threshold) for vectors in stage.vectors]
    drawn = []
    for s, vectors in enumerate(stage.vectors):
        others = np.concatenate([other for t, other in enumerate(stage.vectors) if t != s] or [vectors[:0]])
        if len(others) >= len(vectors):
            for _ in range(SETS):
                chosen: NDArray[np.intp] = rng.choice(len(others), len(vectors), replace=False)
                drawn.append(_alike(others[chosen], stage.equivalence, threshold))
    means = [np.mean(part, axis=0) if part else np.full(2, np.nan) for part in (own, drawn)]
    return {
        "mean_nearest_cosine": float(means[0][0]),
        "strangers_mean_nearest_cosine": float(means[1][0]),
        "redundant_share": float(means[0][1]),
        "strangers_redundant_share": float(means[1][1]),
    }


def _alike(vectors: Floats, equivalence: Equivalence, threshold: float) -> tuple[float, float]:
    """Mean nearest cosine, and redundant share, of one set of filters."""
    similarity = similarity_matrix(vectors, equivalence)
    if len(similarity) < 2:
        return np.nan, np.nan
    return float(nearest_similarities(similarity).mean()), redundant_share(similarity, threshold)
