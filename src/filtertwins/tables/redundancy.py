"""Redundancy of trained runs, each measure beside its null."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.errors import StudyError
from filtertwins.measures.clusters import cluster_filters, count_clusters, with_one_job
from filtertwins.measures.nulls import monte_carlo_p_value, pooled_p_value
from filtertwins.measures.redundancy import (
    Floats,
    count_pairs,
    equivalence_of,
    exact_duplicate_pairs,
    filter_vectors,
    live_filters,
    measure,
    nearest_similarities,
    similarity_matrix,
    twin_pairs,
)
from filtertwins.names import Row
from filtertwins.networks.rows import STAGES, LayerRuns, layers_of, run_names
from filtertwins.networks.weights import AnyChunk, conditions
from filtertwins.settings import Measures
from filtertwins.tables.likeness import (
    KERNELS,
    MEASURES,
    RESPONSES,
    SETS,
    Filters,
    alike,
    mean_over,
    never_active,
    response_vectors_of,
    strangers_of,
)
from filtertwins.tables.nulls import Nulls


@dataclass(frozen=True)
class RedundancyRows:
    """The rows of one chunk in each of the four tables about redundancy."""

    redundancy: list[Row]  # one a run and stage
    near_duplicates: list[Row]  # one a run, stage and threshold
    clusters: list[Row]  # one a run, stage and filter
    functional: list[Row]  # one a run and stage


def redundancy_tables(
    chunks: Iterable[AnyChunk], measures: Mapping[str, Any], dataset: Dataset
) -> tuple[pd.DataFrame, ...]:
    """``redundancy.csv``, ``near_duplicates.csv``, ``clusters.csv`` and ``functional.csv`` of a study.

    Args:
        chunks: of the study.
        measures: the config's section of this name.
        dataset: its training images are what filters answer to, or never do.
    """
    nulls = Nulls(Measures.model_validate(measures), dataset.train_images)
    measured = [redundancy_rows(chunk, nulls) for chunk in conditions(chunks)]
    return tuple(
        _with_whole_numbers(pd.DataFrame([row for rows in measured for row in getattr(rows, field.name)]))
        for field in fields(RedundancyRows)
    )


def _with_whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with counts as integers; where some were missing, pandas has made them floats."""
    floats = table.select_dtypes("float")
    return table.astype(dict.fromkeys(floats.columns[(floats.isna() | (floats % 1 == 0)).all()], "Int64"))


def redundancy_rows(chunk: AnyChunk, nulls: Nulls, sets: int = SETS) -> RedundancyRows:
    """The rows of ``redundancy.csv``, ``near_duplicates.csv``, ``clusters.csv`` and ``functional.csv``.

    The nulls are kernels without biases. So kernels alone are compared with them: where all filters of a network have
    the same large bias, that alone would make them alike. Equal filters are counted with their biases. ReLU filters
    that no training image activates share a cluster, and so do such filters of strangers and of nulls.

    Args:
        chunk: trained runs; their strangers are the other runs.
        nulls: what every measure stands beside; they also say at which similarities.
        sets: of strangers that are drawn for each network, which takes most of the time. Without any, what they are
            like is missing.

    Raises:
        StudyError: the chunk's networks have several starts.
    """
    if len(chunk.condition["starts"]) > 1:
        where = f"{chunk.condition['architecture']}, {chunk.condition['filters']} filters"
        raise StudyError(f"{where}: has several starts, and this table can't tell their networks apart; give it one")
    rows = RedundancyRows([], [], [], [])
    for layer in layers_of(chunk):
        _add_layer(rows, list(run_names(chunk)), layer, nulls, sets)
    return rows


def _add_layer(rows: RedundancyRows, runs: list[Row], layer: LayerRuns, nulls: Nulls, sets: int) -> None:
    """The rows of one layer of some runs."""
    threshold, thresholds = nulls.threshold, nulls.thresholds
    equivalence, dimension = equivalence_of(layer.activation), layer.dimension
    silent = never_active(layer, nulls.images)
    networks: list[list[Filters]] = []  # by stage
    strangers: list[list[pd.DataFrame]] = []
    of_all_runs: list[Row] = []  # the redundant share of the strangers of all runs
    by_chance: list[Floats] = []  # for each row of near_duplicates, the pairs in draws, (draw,)
    before = len(rows.near_duplicates)
    for place in range(len(STAGES)):
        vectors = [filter_vectors(kernels, None, equivalence) for kernels in layer.kernels[place]]
        answers = response_vectors_of(layer, place, vectors, nulls.moment)
        networks.append([Filters(*own) for own in zip(vectors, answers, silent[place], strict=True)])
        rng = nulls.rng(runs[0]["filters"], dimension, 3 + place)
        drawn = strangers_of(networks[-1], equivalence, threshold, rng, 0 if layer.frozen else sets)
        strangers.append(drawn if layer.one_basis else [own.assign(**_of_kernels()) for own in drawn])
        of_all_runs.append(_spread("strangers_redundant_share", pd.concat(strangers[-1])["redundant_share"]))
    for network, run in enumerate(runs):
        for place, stage in enumerate(STAGES):
            row = {**run, "stage": stage, "layer": layer.name}
            own, met = networks[place][network], strangers[place][network]
            kernels, biases = layer.kernels[place, network], layer.biases[place, network]
            weights, live_ones = own.kernels, live_filters(own.kernels)
            similarity = similarity_matrix(weights, equivalence)
            measures = measure(weights, similarity, threshold)
            whole = filter_vectors(kernels, biases, equivalence)
            labels = cluster_filters(weights, with_one_job(similarity, own.never_active[live_ones]), threshold)
            live = measures.live_filters
            cosines = np.full(len(weights), np.nan)
            cosines[live_ones] = nearest_similarities(similarity)
            null = nulls.of(max(live, 1), layer.kernel, dimension, equivalence, layer.initializer, layer.sees_images)
            alikeness = alike(own, equivalence, threshold)
            all_pairs = live * (live - 1) // 2
            rows.redundancy.append(
                row
                | {"kernel_height": layer.kernel[0], "kernel_width": layer.kernel[1]}
                | {"activation": layer.activation, "dimension": dimension, "equivalence": equivalence}
                | asdict(measures)
                | {"exact_duplicate_pairs": exact_duplicate_pairs(whole)}
                | {"twin_pairs": twin_pairs(whole, equivalence)}
                | {"never_active_filters": int(own.never_active.sum())}
                | {"clusters": count_clusters(labels), "redundant_share": alikeness["redundant_share"]}
                | _spread("null_redundant_share", null.likeness["redundant_share"])
                | of_all_runs[place]  # Of all runs; the mean of the run's
                | mean_over(met, KERNELS, "strangers_")  # own sets takes the place of that mean.
                | _spread("null_mean_nearest_cosine", null.mean_nearest_cosine)
                | {"null_sd": float(null.mean_nearest_cosine.std(ddof=1))}
                | {"isotropic_mean_nearest_cosine": null.isotropic_mean_nearest_cosine}
                | {"null_near_duplicate_pairs": null.pair_fraction[thresholds.index(threshold)] * all_pairs}
                | {"excess": measures.mean_nearest_cosine - float(null.mean_nearest_cosine.mean())}
                | {"p_value": monte_carlo_p_value(measures.mean_nearest_cosine, null.mean_nearest_cosine)}
                | {"cosine_to_initial": cosine_to_initial(kernels, layer.kernels[0, network])}
                | {name: alikeness[name] for name in MEASURES}
                | {end: x for name in MEASURES for end, x in _spread(f"null_{name}", null.likeness[name]).items()}
                | mean_over(met, list(MEASURES), "strangers_")
            )
            pairs = count_pairs(similarity, thresholds)
            rows.near_duplicates.extend(
                row
                | {"threshold": tau, "pairs": int(count)}
                | {"fraction": count / all_pairs if all_pairs else np.nan, "null_fraction": expected}
                | {"p_value": monte_carlo_p_value(count, drawn) if all_pairs else np.nan}
                for tau, count, expected, drawn in zip(thresholds, pairs, null.pair_fraction, null.pairs.T, strict=True)
            )
            by_chance.extend(null.pairs.T)
            rows.clusters.extend(
                row | {"filter": index, "cluster": int(labels[index])} | {"nearest_cosine": cosines[index]}
                for index in range(len(weights))
            )
            rows.functional.append(
                row
                | {"activation": layer.activation, "dimension": dimension}
                | {name: alikeness[name] for name in RESPONSES}
                | mean_over(null.likeness, RESPONSES, "null_")
                | mean_over(met, RESPONSES, "strangers_")
            )
    _pool(rows.near_duplicates[before:], by_chance)


def _pool(near_duplicates: list[Row], by_chance: Sequence[Floats]) -> None:
    """Add to each row of one layer the p-value of the pairs of all networks together, at its stage and threshold."""
    alike_rows = defaultdict(list)
    for row, drawn in zip(near_duplicates, by_chance, strict=True):
        alike_rows[row["stage"], row["threshold"]].append((row, drawn))
    for own in alike_rows.values():
        pooled = pooled_p_value([row["pairs"] for row, _ in own], [drawn for _, drawn in own])
        for row, _ in own:
            row["pooled_p_value"] = pooled


def _of_kernels() -> dict[str, float]:
    """What can't be said of strangers whose kernels see other channels: it is missing."""
    own = [name for name, (_, looks_at) in MEASURES.items() if "kernels" in looks_at]
    return dict.fromkeys((*KERNELS, "near_kernels_near_responses", "near_responses_near_kernels", *own), np.nan)


def _spread(name: str, draws: NDArray[np.float64] | pd.Series[float]) -> Row:
    """The mean over draws, and the range of the middle 95 % of them; missing without a draw."""
    low, high = np.quantile(draws, [0.025, 0.975]) if len(draws) else (np.nan, np.nan)
    return {name: float(draws.mean()), f"{name}_low": float(low), f"{name}_high": float(high)}


def cosine_to_initial(kernels: NDArray[np.float32], initial: NDArray[np.float32]) -> float:
    """How far training turned the kernels: mean over filters of the cosine between each and its own start.

    Args:
        kernels: (row, column, channel, filter).
        initial: the same filters' kernels before training. Filters that are zero in either are left out.
    """
    now, then = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (kernels, initial))
    lengths = np.linalg.norm(now, axis=0) * np.linalg.norm(then, axis=0)
    cosines = (now * then).sum(axis=0)[lengths > 0] / lengths[lengths > 0]
    return float(cosines.mean()) if len(cosines) else np.nan
