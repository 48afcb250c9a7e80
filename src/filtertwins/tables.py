"""Tidy tables from chunks of trained runs: one function a table, from a chunk to its rows.

Missing values are NaN. Every table starts with the columns that name the run. :func:`main` is the command line of the
scripts that make one table so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from filtertwins.clusters import cluster_filters, count_clusters, redundant_filters
from filtertwins.errors import StudyError, run_script
from filtertwins.files import write_csv
from filtertwins.nulls import (
    compare_with_null,
    isotropic_nearest_mean,
    redrawn_null,
    redrawn_pair_fractions,
)
from filtertwins.redundancy import (
    Equivalence,
    equivalence_of,
    filter_vectors,
    measure,
    near_duplicate_pairs,
    nearest_filters,
    never_active_filters,
)
from filtertwins.settings import Measures
from filtertwins.weights import Chunk, Scores, study_chunks

Row = dict[str, Any]


def main(rows_of: Callable[[Chunk], list[Row]], description: str | None) -> None:
    """The command line of a script that makes one table of a study's chunks, read one after another."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    def make() -> None:
        rows = [row for chunk in study_chunks(arguments.weights, arguments.study) for row in rows_of(chunk)]
        write_csv(pd.DataFrame(rows), arguments.output)

    run_script(make)


def run_rows(chunk: Chunk) -> list[Row]:
    """``runs.csv``: one row a run. Losses are mean cross-entropies in nats, accuracies in [0, 1]."""
    model = chunk.condition["model"]
    return [
        {
            "dataset": run["dataset"],
            "architecture": run["architecture"],
            "kernel_height": model["kernel"][0],
            "kernel_width": model["kernel"][1],
            "activation": model["activation"],
            "filters": run["filters"],
            "seed": run["seed"],
            "steps": int(chunk.snapshot_steps[-1]),
            "parameters": chunk.parameters.count,
        }
        | scores
        for run, scores in zip(run_names(chunk), network_scores(chunk.scores), strict=True)
    ]


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
    for run, stage, kernels, biases in _stages(chunk):
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


def kernel_rows(chunk: Chunk, seed: int) -> list[Row]:
    """``kernels.csv``: one row a weight, of one seed's kernels before and after training."""
    return [
        {
            **run,
            "stage": stage,
            "filter": index,
            "row": row,
            "column": column,
            "weight": kernels[row, column, index],
        }
        for run, stage, kernels, _ in _stages(chunk)
        if run["seed"] == seed
        for index in range(kernels.shape[2])
        for row in range(kernels.shape[0])
        for column in range(kernels.shape[1])
    ]


def run_names(chunk: Chunk) -> Iterator[Row]:
    """What names each network of a chunk, in order: the first columns of its rows."""
    condition: Mapping[str, Any] = chunk.condition
    for seed in chunk.seeds.tolist():
        yield {name: condition[name] for name in ("dataset", "architecture", "filters")} | {"seed": seed}


def network_scores(scores: Scores) -> Iterator[Row]:
    """How well each network does, in order. Losses are mean cross-entropies in nats, accuracies in [0, 1]."""
    for index in range(scores.losses.shape[1]):
        row: Row = {}
        for place, split in enumerate(scores.splits):
            loss, correct = float(scores.losses[place, index]), int(scores.correct[place, index])
            images = int(scores.images[place])
            row[f"{split}_loss"] = loss
            if split != "train":
                row[f"{split}_accuracy"] = correct / images
            if split == "test":
                row |= {"test_correct": correct, "test_images": images}
        yield row


def _stages(chunk: Chunk) -> Iterator[tuple[Row, str, NDArray[np.float32], NDArray[np.float32]]]:
    """Each run at each stage: its name, the stage, kernels (row, column, filter) and biases (filter,)."""
    for index, run in enumerate(run_names(chunk)):
        yield run, "initial", chunk.snapshot_kernels[0, index], chunk.snapshot_biases[0, index]
        yield run, "trained", chunk.parameters.kernels[index], chunk.parameters.biases[index]
