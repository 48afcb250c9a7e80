"""Tidy tables from chunks of trained runs: one function a table, from a chunk to its rows.

Missing values are NaN. Every table starts with the columns that name the run. :func:`main` is the command line of the
scripts that make one table so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from filtertwins.errors import StudyError
from filtertwins.measures.clusters import cluster_filters, count_clusters, redundant_filters
from filtertwins.measures.nulls import (
    compare_with_null,
    isotropic_nearest_mean,
    redrawn_null,
    redrawn_pair_fractions,
)
from filtertwins.measures.redundancy import (
    Equivalence,
    equivalence_of,
    filter_vectors,
    measure,
    near_duplicate_pairs,
    nearest_filters,
    never_active_filters,
)
from filtertwins.names import Row
from filtertwins.networks.rows import stages
from filtertwins.networks.weights import Chunk
from filtertwins.settings import Measures


@dataclass(frozen=True)
class Null:
    """Draws of the re-drawn-initialiser null, for one number of filters; NaN for a single filter."""

    mean_nearest_cosine: NDArray[np.float64]  # (draw,)
    pair_fraction: NDArray[np.float64]  # (threshold,), mean over the draws
    isotropic_mean_nearest_cosine: float


class Nulls:
    """The nulls of a study, each drawn once for all the runs that share it.

    The random numbers of each depend only on the seed and on what is drawn, not on the rest of the study.

    Args:
        threshold: the similarity from which two filters count as near duplicates, and at which clusters are cut.
        curve: the other points of the near-duplicate curve.
        draws: how many networks.
        seed: of the random numbers.
    """

    def __init__(self, threshold: float, curve: Iterable[float], draws: int, seed: int) -> None:
        self.threshold, self.thresholds = threshold, tuple(sorted({*curve, threshold}))
        self._draws, self._seed = draws, seed
        self.of = cache(self._draw)

    @classmethod
    def of_measures(cls, measures: Measures) -> Nulls:
        """The nulls that the config's section asks for."""
        return cls(measures.near_duplicate_threshold, measures.threshold_curve, measures.null_draws, measures.seed)

    def _draw(self, filters: int, dimension: int, equivalence: Equivalence, initializer: str) -> Null:
        def rng(purpose: int) -> np.random.Generator:
            return np.random.default_rng([self._seed, filters, dimension, purpose])

        draws, thresholds = self._draws, self.thresholds
        fractions = redrawn_pair_fractions(filters, dimension, equivalence, initializer, thresholds, draws, rng(1))
        return Null(
            mean_nearest_cosine=redrawn_null(filters, dimension, equivalence, initializer, draws, rng(0)),
            pair_fraction=fractions.mean(axis=0),
            isotropic_mean_nearest_cosine=isotropic_nearest_mean(filters, dimension, equivalence),
        )


@dataclass(frozen=True)
class RedundancyRows:
    """The rows of one chunk in each of the three tables about redundancy."""

    redundancy: list[Row]  # one a run and stage
    near_duplicates: list[Row]  # one a run, stage and threshold
    clusters: list[Row]  # one a run, stage and filter


def redundancy_rows(chunk: Chunk, nulls: Nulls) -> RedundancyRows:
    """``redundancy.csv``, ``near_duplicates.csv`` and ``clusters.csv``.

    Args:
        chunk: trained runs.
        nulls: what every measure stands beside; they also say at which similarities.

    Raises:
        StudyError: the chunk's networks have several starts.
    """
    threshold, thresholds = nulls.threshold, nulls.thresholds
    rows = RedundancyRows([], [], [])
    model = chunk.condition["model"]
    equivalence = equivalence_of(model["activation"])
    relu = model["activation"] == "relu"
    dimension = model["kernel"][0] * model["kernel"][1]
    if len(chunk.condition["starts"]) > 1:
        where = f"{chunk.condition['architecture']}, {chunk.condition['filters']} filters"
        raise StudyError(f"{where}: has several starts, and this table can't tell their networks apart; give it one")
    initial = dict(zip(chunk.seeds.tolist(), chunk.snapshot_kernels[0], strict=True))
    for run, stage, kernels, biases in stages(chunk):
        row = {**run, "stage": stage}
        vectors = filter_vectors(kernels, biases, equivalence)
        measures = measure(vectors, equivalence, threshold)
        labels = cluster_filters(vectors, equivalence, threshold)
        nearest, cosines = nearest_filters(vectors, equivalence)
        live = measures.live_filters
        null = nulls.of(max(live, 1), dimension, equivalence, model["initializer"])
        comparison = compare_with_null(measures.mean_nearest_cosine, null.mean_nearest_cosine)
        all_pairs = live * (live - 1) // 2
        rows.redundancy.append(
            row
            | {"kernel_height": model["kernel"][0], "kernel_width": model["kernel"][1]}
            | {"activation": model["activation"], "dimension": dimension, "equivalence": equivalence}
            | asdict(measures)
            | {"never_active_filters": int(never_active_filters(vectors).sum()) if relu else 0}
            | {"clusters": count_clusters(labels), "redundant_filters": redundant_filters(labels)}
            | {"null_mean_nearest_cosine": comparison.null_mean, "null_sd": comparison.null_sd}
            | {"isotropic_mean_nearest_cosine": null.isotropic_mean_nearest_cosine}
            | {"null_near_duplicate_pairs": null.pair_fraction[thresholds.index(threshold)] * all_pairs}
            | {"excess": comparison.excess, "p_value": comparison.p_value}
            | {"cosine_to_initial": cosine_to_initial(kernels, initial[run["seed"]])}
        )
        pairs = near_duplicate_pairs(vectors, equivalence, thresholds)
        rows.near_duplicates.extend(
            row
            | {"threshold": tau, "pairs": int(count)}
            | {"fraction": count / all_pairs if all_pairs else np.nan, "null_fraction": expected}
            for tau, count, expected in zip(thresholds, pairs, null.pair_fraction, strict=True)
        )
        rows.clusters.extend(
            row
            | {"filter": index, "cluster": int(labels[index])}
            | {"nearest_filter": int(nearest[index]) if nearest[index] >= 0 else None}
            | {"nearest_cosine": cosines[index]}
            for index in range(len(vectors))
        )
    return rows


def cosine_to_initial(kernels: NDArray[np.float32], initial: NDArray[np.float32]) -> float:
    """How far training turned the kernels: mean over filters of the cosine between each and its own start.

    Args:
        kernels: (row, column, filter).
        initial: the same filters' kernels before training. Filters that are zero in either are left out.
    """
    now, then = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (kernels, initial))
    lengths = np.linalg.norm(now, axis=0) * np.linalg.norm(then, axis=0)
    cosines = (now * then).sum(axis=0)[lengths > 0] / lengths[lengths > 0]
    return float(cosines.mean()) if len(cosines) else np.nan
