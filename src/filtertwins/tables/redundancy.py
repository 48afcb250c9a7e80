"""Redundancy of trained runs, each measure beside its null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from filtertwins.errors import StudyError
from filtertwins.measures.clusters import cluster_filters, count_clusters
from filtertwins.measures.nulls import (
    compare_with_null,
    isotropic_nearest_mean,
    redrawn_null,
    redrawn_pair_fractions,
    redrawn_redundant_shares,
)
from filtertwins.measures.redundancy import (
    Equivalence,
    count_pairs,
    equivalence_of,
    filter_vectors,
    live_filters,
    measure,
    nearest_similarities,
    never_active_filters,
    similarity_matrix,
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
    redundant_share: NDArray[np.float64]  # (cluster draw,)
    isotropic_mean_nearest_cosine: float


class Nulls:
    """The nulls of a study, each drawn once for all the runs that share it.

    The random numbers of each depend only on the seed and on what is drawn, not on the rest of the study.

    Args:
        threshold: the similarity from which two filters count as near duplicates, and at which clusters are cut.
        curve: the other points of the near-duplicate curve.
        draws: how many networks are drawn.
        seed: of the random numbers.
        cluster_draws: how many networks are drawn whose kernels are clustered, which takes longer.
    """

    def __init__(
        self, threshold: float, curve: Iterable[float], draws: int, seed: int, cluster_draws: int = 200
    ) -> None:
        self.threshold, self.thresholds = threshold, tuple(sorted({*curve, threshold}))
        self._draws, self._seed, self._cluster_draws = draws, seed, cluster_draws
        self.of = cache(self._draw)

    @classmethod
    def of_measures(cls, measures: Measures) -> Nulls:
        """The nulls that the config's section asks for."""
        return cls(
            measures.near_duplicate_threshold,
            measures.threshold_curve,
            measures.null_draws,
            measures.seed,
            measures.cluster_null_draws,
        )

    def _draw(self, filters: int, dimension: int, equivalence: Equivalence, initializer: str) -> Null:
        def rng(purpose: int) -> np.random.Generator:
            return np.random.default_rng([self._seed, filters, dimension, purpose])

        drawn = (filters, dimension, equivalence, initializer)
        fractions = redrawn_pair_fractions(*drawn, self.thresholds, self._draws, rng(1))
        return Null(
            mean_nearest_cosine=redrawn_null(*drawn, self._draws, rng(0)),
            pair_fraction=fractions.mean(axis=0),
            redundant_share=redrawn_redundant_shares(*drawn, self.threshold, self._cluster_draws, rng(2)),
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
        similarity = similarity_matrix(vectors, equivalence)
        measures = measure(vectors, similarity, threshold)
        labels = cluster_filters(vectors, similarity, threshold)
        live = measures.live_filters
        cosines = np.full(len(vectors), np.nan)
        if live > 1:
            cosines[live_filters(vectors)] = nearest_similarities(similarity)
        null = nulls.of(max(live, 1), dimension, equivalence, model["initializer"])
        comparison = compare_with_null(measures.mean_nearest_cosine, null.mean_nearest_cosine)
        all_pairs = live * (live - 1) // 2
        rows.redundancy.append(
            row
            | {"kernel_height": model["kernel"][0], "kernel_width": model["kernel"][1]}
            | {"activation": model["activation"], "dimension": dimension, "equivalence": equivalence}
            | asdict(measures)
            | {"never_active_filters": int(never_active_filters(vectors).sum()) if relu else 0}
            | {"clusters": count_clusters(labels)}
            | {"redundant_share": 1 - count_clusters(labels) / live if live else np.nan}
            | _spread("null_redundant_share", null.redundant_share)
            | _spread("null_mean_nearest_cosine", null.mean_nearest_cosine)
            | {"null_sd": comparison.null_sd}
            | {"isotropic_mean_nearest_cosine": null.isotropic_mean_nearest_cosine}
            | {"null_near_duplicate_pairs": null.pair_fraction[thresholds.index(threshold)] * all_pairs}
            | {"excess": comparison.excess, "p_value": comparison.p_value}
            | {"cosine_to_initial": cosine_to_initial(kernels, initial[run["seed"]])}
        )
        pairs = count_pairs(similarity, thresholds)
        rows.near_duplicates.extend(
            row
            | {"threshold": tau, "pairs": int(count)}
            | {"fraction": count / all_pairs if all_pairs else np.nan, "null_fraction": expected}
            for tau, count, expected in zip(thresholds, pairs, null.pair_fraction, strict=True)
        )
        rows.clusters.extend(
            row | {"filter": index, "cluster": int(labels[index])} | {"nearest_cosine": cosines[index]}
            for index in range(len(vectors))
        )
    return rows


def _spread(name: str, draws: NDArray[np.float64]) -> Row:
    """A null's mean over draws, and the range of the middle 95 % of them."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return {name: float(draws.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


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
