"""Is training's redundancy more than chance (H7)? Over seeds, condition by condition, from the tables of measures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from filtertwins.errors import StudyError
from filtertwins.measures.multiplicity import false_discovery_rate
from filtertwins.measures.statistics import SEED, seed_interval, sign_flip_test
from filtertwins.names import CONDITION, RUN, Row

NULLS = ("initial", "redrawn", "isotropic")
_VALUES = ("null", "excess", "low", "high", "p_value")  # of each null


def excess_over(trained: pd.Series[float], null: pd.Series[float]) -> Row:
    """A trained measure minus what chance gives, by seed: its mean, 95 % interval, and sign-flip test."""
    first, second = trained.to_numpy(float), null.to_numpy(float)
    interval = seed_interval(first - second)
    p_value = sign_flip_test(first, second, np.random.default_rng(SEED)).p_value
    return {
        "excess": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "p_value": p_value,
        "n": interval.n,
    }


def excess_table(*redundancy: pd.DataFrame) -> pd.DataFrame:
    """``excess.csv``: one row a condition of several filters and layer; its mean nearest cosine, three nulls.

    Runs without a nearest cosine (fewer than two live filters) are left out. Each null's p-values are also adjusted for
    the false discovery rate over all conditions, ``<null>_p_fdr``.

    Args:
        redundancy: tables like ``redundancy.csv``, of any number of architectures.

    Raises:
        StudyError: two runs have the same name, as when an experiment's architecture has the name of the study's.
    """
    table = pd.concat(redundancy, ignore_index=True)
    twice = table[table.duplicated([*RUN, "stage", "layer"])]
    if len(twice):
        name = twice["architecture"].iloc[0]
        raise StudyError(f"architecture {name}: an experiment has one of the same name; give one of them another")
    rows, keys = [], [*CONDITION, "layer"]
    what = ["kernel_height", "kernel_width", "activation", "dimension", "equivalence"]
    for key, runs in table[table["filters"] > 1].groupby(keys, sort=False):
        by_stage = {stage: own.set_index("seed").sort_index() for stage, own in runs.groupby("stage")}
        trained = by_stage["trained"].dropna(subset=["mean_nearest_cosine"])
        cosine = trained["mean_nearest_cosine"]
        chance = {
            "initial": by_stage["initial"]["mean_nearest_cosine"].reindex(cosine.index),
            "redrawn": trained["null_mean_nearest_cosine"],
            "isotropic": trained["isotropic_mean_nearest_cosine"],
        }
        row: Row = dict(zip(keys, key, strict=True)) | {name: runs[name].iloc[0] for name in what}
        row |= {"mean_nearest_cosine": cosine.mean(), "n": len(cosine)}
        for name in NULLS:
            found = {"null": chance[name].mean()} | excess_over(cosine, chance[name])
            row |= {f"{name}_{value}": found[value] for value in _VALUES}
        rows.append(row)
    values = [f"{name}_{value}" for name in NULLS for value in _VALUES]
    table = pd.DataFrame(
        rows, columns=[*CONDITION, "layer", *what, "mean_nearest_cosine", "n", *values]
    )  # Also without a row.
    for name in NULLS:
        table[f"{name}_p_fdr"] = false_discovery_rate(table[f"{name}_p_value"])
    return table
