"""Is training's redundancy more than chance (H7)? Over seeds, condition by condition, from the tables of measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.errors import StudyError
from filtertwins.measures.redundancy import Floats
from filtertwins.measures.statistics import SEED, false_discovery_rate, seed_interval, sign_flip_test
from filtertwins.names import CONDITION, RUN

NULLS = ("initial", "redrawn", "isotropic")


@dataclass(frozen=True)
class Excess:
    """A trained measure minus what chance gives, over seeds; NaN where missing."""

    mean: float
    low: float
    high: float
    p_value: float  # one-sided: chance gives as much
    n: int


def excess_over(trained: Floats, null: Floats) -> Excess:
    """Compare by seed: mean difference, 95 % bootstrap interval, sign-flip test."""
    difference = trained - null
    interval = seed_interval(difference)
    test = sign_flip_test(trained, null, np.random.default_rng(SEED))
    return Excess(interval.estimate, interval.low, interval.high, test.p_value, interval.n)


def excess_table(redundancy: pd.DataFrame) -> pd.DataFrame:
    """``excess.csv``: one row a condition of two or more filters; its mean nearest cosine against three nulls.

    Runs without a nearest cosine (fewer than two live filters) are left out. Each null's p-values are also adjusted for
    the false discovery rate over all conditions, ``<null>_p_fdr``.

    Args:
        redundancy: rows as in ``redundancy.csv``, of any number of architectures.

    Raises:
        StudyError: two runs have the same name, as when an experiment's architecture has the name of the study's.
    """
    twice = redundancy[redundancy.duplicated([*RUN, "stage"])]
    if len(twice):
        name = twice["architecture"].iloc[0]
        raise StudyError(f"architecture {name}: an experiment has one of the same name; give one of them another")
    rows = []
    what = ["kernel_height", "kernel_width", "activation", "dimension", "equivalence"]
    for key, runs in redundancy[redundancy["filters"] > 1].groupby(list(CONDITION), sort=False):
        by_stage = {stage: own.set_index("seed").sort_index() for stage, own in runs.groupby("stage")}
        trained = by_stage["trained"].dropna(subset=["mean_nearest_cosine"])
        cosine = trained["mean_nearest_cosine"]
        chance = {
            "initial": by_stage["initial"]["mean_nearest_cosine"].reindex(cosine.index),
            "redrawn": trained["null_mean_nearest_cosine"],
            "isotropic": trained["isotropic_mean_nearest_cosine"],
        }
        row: dict[str, Any] = dict(zip(CONDITION, key, strict=True)) | {name: runs[name].iloc[0] for name in what}
        row |= {"mean_nearest_cosine": cosine.mean(), "n": len(cosine)}
        for name in NULLS:
            found = excess_over(cosine.to_numpy(float), chance[name].to_numpy(float))
            row |= {f"{name}_null": chance[name].mean(), f"{name}_excess": found.mean}
            row |= {f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_p_value": found.p_value}
        rows.append(row)
    values = [f"{name}_{value}" for name in NULLS for value in ("null", "excess", "low", "high", "p_value")]
    table = pd.DataFrame(rows, columns=[*CONDITION, *what, "mean_nearest_cosine", "n", *values])  # also without a row
    for name in NULLS:
        table[f"{name}_p_fdr"] = false_discovery_rate(table[f"{name}_p_value"])
    return table


def excess_by_threshold_table(near_duplicates: pd.DataFrame) -> pd.DataFrame:
    """``excess_by_threshold.csv``: one row a condition and τ; the fraction of pairs that reach τ, against chance.

    ``excess``, its interval and test are against the re-drawn null. The p-values are adjusted over τ, ``p_fdr``.

    Args:
        near_duplicates: rows as in ``near_duplicates.csv``, of any number of architectures.
    """
    rows = []
    by = [*CONDITION, "threshold"]
    for key, runs in near_duplicates[near_duplicates["filters"] > 1].groupby(by, sort=False):
        trained = runs[runs["stage"] == "trained"].sort_values("seed")
        found = excess_over(trained["fraction"].to_numpy(float), trained["null_fraction"].to_numpy(float))
        rows.append(
            dict(zip(by, key, strict=True))
            | {"fraction": trained["fraction"].mean(), "null_fraction": trained["null_fraction"].mean()}
            | {"initial_fraction": runs.loc[runs["stage"] == "initial", "fraction"].mean()}
            | {"excess": found.mean, "low": found.low, "high": found.high, "p_value": found.p_value, "n": found.n}
        )
    values = ["fraction", "null_fraction", "initial_fraction", "excess", "low", "high", "p_value", "n"]
    table = pd.DataFrame(rows, columns=[*by, *values])  # also without a row
    table["p_fdr"] = table.groupby(list(CONDITION))["p_value"].transform(false_discovery_rate)
    return table
