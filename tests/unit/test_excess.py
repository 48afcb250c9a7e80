"""Redundancy against chance, over seeds: what is paired with what, and what is adjusted over what."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from filtertwins.errors import StudyError
from filtertwins.tables.excess import NULLS, excess_over, excess_table

SEEDS = 10
EVEN = np.linspace(-0.01, 0.01, SEEDS)  # values of mean 0


def redundancy(trained, initial=0.0, redrawn=0.0, isotropic=0.0, **condition):
    """Rows of redundancy.csv, of one condition; the first four are one value a seed, or one for all."""
    network = {"dataset": "mnist", "architecture": "question", "filters": 4, "activation": "linear", "layer": "conv1"}
    kernel = {"kernel_height": 3, "kernel_width": 1, "dimension": 3, "equivalence": "nonzero_scale"}
    condition = network | kernel | condition
    seeds = {"seed": range(len(trained))}
    stages = [  # each has its own null
        pd.DataFrame(seeds | {"stage": stage, "mean_nearest_cosine": cosine} | condition).assign(
            null_mean_nearest_cosine=null, isotropic_mean_nearest_cosine=isotropic
        )
        for stage, cosine, null in (("initial", initial, 0.5), ("trained", trained, redrawn))
    ]
    return pd.concat(stages, ignore_index=True)


def only(table):
    assert len(table) == 1
    return table.iloc[0]


# One comparison


def test_a_comparison_is_of_the_mean_difference_with_its_interval_and_exact_p_value():
    found = excess_over(pd.Series([3.0, 4.0, 3.0]), pd.Series([2.0, 2.0, 4.0]))  # differences 1, 2, -1
    assert (found["excess"], found["n"]) == (pytest.approx(2 / 3), 3)
    assert found["low"] < 2 / 3 < found["high"]
    assert found["p_value"] == pytest.approx(3 / 8)  # of the 8 ways to sign them, 3 have a sum of 2 or more


@pytest.mark.parametrize(("n", "interval", "p_value"), [(0, False, False), (1, False, False), (2, True, False)])
def test_of_too_few_seeds_there_is_no_p_value(n, interval, p_value):
    found = excess_over(pd.Series([*EVEN[:n], math.nan]), pd.Series(np.zeros(n + 1)))
    assert found["n"] == n
    assert math.isnan(found["excess"]) == (n == 0)
    assert (not math.isnan(found["low"]), not math.isnan(found["high"])) == (interval, interval)
    assert math.isnan(found["p_value"]) != p_value


# excess.csv


def test_a_condition_stands_beside_each_null():
    trained, initial = 0.9 + EVEN, 0.7 + EVEN[::-1]
    row = only(excess_table(redundancy(trained, initial, redrawn=0.6, isotropic=0.5)))
    names = ["dataset", "architecture", "filters", "kernel_height", "kernel_width", "activation", "dimension", "n"]
    assert row[names].tolist() == ["mnist", "question", 4, 3, 1, "linear", 3, SEEDS]
    assert row["mean_nearest_cosine"] == pytest.approx(0.9)
    for name, null in (("initial", 0.7), ("redrawn", 0.6), ("isotropic", 0.5)):
        assert row[f"{name}_null"] == pytest.approx(null)
        assert row[f"{name}_excess"] == pytest.approx(0.9 - null)
        assert row[f"{name}_low"] < 0.9 - null < row[f"{name}_high"]
        assert row[f"{name}_p_value"] == row[f"{name}_p_fdr"] == pytest.approx(2**-SEEDS)
    spread = [row[f"{name}_high"] - row[f"{name}_low"] for name in NULLS]
    assert spread[0] == pytest.approx(2 * spread[1], rel=0.05)  # the initial networks' own spread is added
    assert spread[1] == pytest.approx(spread[2])


def test_each_seed_is_compared_with_its_own_start():
    same = redundancy(0.9 + EVEN, initial=0.8 + EVEN)
    for table in (same, same.sample(frac=1, random_state=3)):
        row = only(excess_table(table))
        assert row["initial_excess"] == pytest.approx(0.1)
        assert row["initial_high"] - row["initial_low"] == pytest.approx(0, abs=1e-12)


def test_p_values_are_adjusted_over_conditions_null_by_null():
    tables = [
        redundancy(0.5 + EVEN, redrawn=0.4, isotropic=0.9, architecture="first"),
        redundancy(0.5 + EVEN, redrawn=0.5, isotropic=0.9, architecture="second"),
        redundancy(0.5 + EVEN, redrawn=0.4, isotropic=0.9, architecture="second", filters=8),
        redundancy(0.5 + EVEN, redrawn=0.4, isotropic=0.9, architecture="third", dataset="digits"),
    ]
    table = excess_table(pd.concat(tables))
    assert table["architecture"].tolist() == ["first", "second", "second", "third"]
    least = 2**-SEEDS
    second = table["redrawn_p_value"][1]
    assert 0.4 < second < 0.6
    assert table["redrawn_p_value"].tolist() == pytest.approx([least, second, least, least])
    assert table["redrawn_p_fdr"].tolist() == pytest.approx([least * 4 / 3, second, least * 4 / 3, least * 4 / 3])
    assert table["isotropic_p_fdr"].tolist() == pytest.approx([1] * 4)
    assert table["initial_p_fdr"].tolist() == pytest.approx([least] * 4)


@pytest.mark.parametrize("filters", [4, 1])
def test_single_filters_are_left_out_and_an_empty_table_keeps_its_columns(filters):
    missing = np.full(SEEDS, math.nan)
    single = redundancy(missing, missing, missing, missing, filters=1, architecture="single")
    table = excess_table(pd.concat([single, redundancy(0.9 + EVEN, filters=filters)]))
    assert table["architecture"].tolist() == (["question"] if filters > 1 else [])
    assert len(table.columns) == 4 + 5 + 2 + len(NULLS) * 6


def test_a_network_of_dead_filters_is_left_out_of_every_mean():
    trained, initial, redrawn = 0.9 + EVEN, np.full(SEEDS, 0.7), np.full(SEEDS, 0.6)
    trained[3] = redrawn[3] = math.nan
    initial[3] = 0.0  # it was not dead at the start
    row = only(excess_table(redundancy(trained, initial, redrawn)))
    assert row["n"] == SEEDS - 1
    assert row["initial_null"] == pytest.approx(0.7)
    for name in NULLS:
        assert row[f"{name}_excess"] == pytest.approx(row["mean_nearest_cosine"] - row[f"{name}_null"])
        assert row[f"{name}_p_value"] == pytest.approx(2.0 ** -(SEEDS - 1))


def test_a_condition_of_nothing_but_dead_filters_is_there_and_missing():
    dead = redundancy(np.full(SEEDS, math.nan), 0.7, math.nan, math.nan, filters=8)
    with warnings.catch_warnings(action="error"):
        table = excess_table(pd.concat([dead, redundancy(0.9 + EVEN)]))
    row = table.iloc[0]
    assert (row["filters"], row["n"], row["dimension"], row["activation"]) == (8, 0, 3, "linear")
    assert row.drop(["dataset", "architecture", "filters", "layer", "n", "equivalence", "activation"])[3:].isna().all()
    assert table["redrawn_p_fdr"][1] == pytest.approx(2**-SEEDS)  # what is missing is no test


def test_two_architectures_of_one_name_are_not_pooled():
    run = {"dataset": "mnist", "architecture": "relu", "filters": 4, "seed": 0, "layer": "conv1"}
    rows = pd.DataFrame(run | {"stage": ["trained"] * 2})
    with pytest.raises(StudyError, match="architecture relu: an experiment has one of the same name"):
        excess_table(rows)
