"""How alike filters get: duplicates, chance, what training does, and small initial weights."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Cosine, Names, Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, condition, conditions, difference, each, only
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    Part,
    above,
    combine,
    direction_parts,
    in_words,
    share_part,
    within,
)
from filtertwins.settings import Name
from filtertwins.tables.pruning import LEVEL

Chance = Literal["redrawn", "initial", "isotropic"]


@test("pairs", "equal_pairs", "close_pairs", "networks", "with_equal")
def exact_duplicates_occur(redundancy: Table, *, more_than: Share) -> Outcome:
    """Do more than a share of all trained networks have two filters that are equal to the last bit?"""
    rows = chosen(redundancy, stage="trained")
    rows = rows[rows["live_filters"] > 1]
    if rows.empty:
        raise NotMeasured("no network has two filters")
    equal = rows["exact_duplicate_pairs"] > 0
    return combine(
        [share_part(equal, more_than, rows["seed"])],
        "networks",
        pairs=_count(rows["live_filters"] * (rows["live_filters"] - 1) // 2),
        equal_pairs=_count(rows["exact_duplicate_pairs"]),
        close_pairs=_count(rows["close_duplicate_pairs"]),
        networks=f"{len(rows):,}",
        with_equal=_count(equal),
    )


@test("networks", "with_pairs", "pairs")
def near_duplicates_occur(
    near_duplicates: Table, *, architecture: Name, filters: PositiveInt, threshold: Share, more_than: Share
) -> Outcome:
    """Do more than a share of the networks have a pair of filters over a similarity?"""
    rows = chosen(near_duplicates, stage="trained", architecture=architecture, filters=filters, threshold=threshold)
    some = rows["pairs"] > 0
    return combine(
        [share_part(some, more_than, rows["seed"])],
        "networks",
        networks=str(len(rows)),
        with_pairs=_count(some),
        pairs=f"{rows['pairs'].mean():.1f}",
    )


@test("measured", "chance")
def more_near_duplicates_than_chance(
    excess_by_threshold: Table, *, architecture: Name, filters: PositiveInt, threshold: Share, more_than: Share
) -> Outcome:
    """Is the share of pairs over a similarity above that of re-drawn initial kernels?

    The table's p-value, adjusted for the similarities of its curve, must agree.
    """
    row = only(excess_by_threshold, architecture=architecture, filters=filters, threshold=threshold)
    part = _over_chance(row, "", more_than)
    return combine([part], "pairs", **_in_words(row, "pairs", measured="fraction", chance="null_fraction"))


@test("measured", "chance")
def more_alike_than_chance(
    excess: Table, *, architecture: Name, filters: PositiveInt, chance: Chance, more_than: Cosine
) -> Outcome:
    """Is the mean cosine to the nearest filter above what chance gives?

    The table's p-value, adjusted for its conditions, must agree.
    """
    row = only(excess, architecture=architecture, filters=filters)
    return _beside_chance(row, chance, _over_chance(row, f"{chance}_", more_than))


@test("measured", "chance")
def as_alike_as_chance(
    excess: Table, *, architecture: Name, filters: PositiveInt, chance: Chance, margin: PositiveFloat
) -> Outcome:
    """Is the mean cosine to the nearest filter what chance gives, within a margin? By the table's 95 % interval."""
    row = only(excess, architecture=architecture, filters=filters)
    columns = (f"{chance}_excess", f"{chance}_low", f"{chance}_high")
    return _beside_chance(row, chance, _in_range(row, columns, -margin, margin))


@test()
def close_pairs_beside_strangers(
    strangers: Table, *, architecture: Name, filters: PositiveInt, lowest: NonNegativeFloat, highest: PositiveFloat
) -> Outcome:
    """Is the ratio of close pairs to those of strangers within a range? By the table's jackknife interval."""
    row = only(strangers, architecture=architecture, filters=filters, stage="trained")
    if not row["estimable"]:
        raise NotMeasured(f"too few close pairs are expected for {condition(row)}")
    return combine([_in_range(row, ("ratio", "ratio_low", "ratio_high"), lowest, highest)], "ratio")


def _over_chance(row: pd.Series[Any], prefix: str, line: float) -> Part:
    effect, low, high, p_value = (row[f"{prefix}{name}"] for name in ("excess", "low", "high", "p_fdr"))
    holds = above(low, high, line)
    if holds and not p_value < LEVEL:
        holds = None
    return Part(condition(row), effect, low, high, int(row["n"]), holds, effect - line, p_value)


def _in_range(row: pd.Series[Any], columns: tuple[str, str, str], lowest: float, highest: float) -> Part:
    effect, low, high = (row[column] for column in columns)
    holds, room = within(low, high, lowest, highest), min(effect - lowest, highest - effect)
    return Part(condition(row), effect, low, high, int(row["n"]), holds, room)


def _beside_chance(row: pd.Series[Any], chance: Chance, part: Part) -> Outcome:
    numbers = _in_words(row, "cosine", measured="mean_nearest_cosine", chance=f"{chance}_null")
    return combine([part], "change of cosine", **numbers)


def _in_words(row: pd.Series[Any], unit: str, **columns: str) -> dict[str, str]:
    return {name: in_words(row[column], unit) for name, column in columns.items()}


@test()
def fewer_close_pairs_than_strangers(
    strangers: Table, *, architectures: Names, filters: PositiveInt, no_fewer: PositiveFloat
) -> Outcome:
    """Is the ratio of close pairs to those of strangers below 1, in each architecture? By the jackknife intervals.

    It is not, where the interval lies above ``no_fewer``: then there are not fewer by as much as matters.
    """
    parts = []
    for name in architectures:
        row = only(strangers, architecture=name, filters=filters, stage="trained")
        if not row["estimable"]:
            raise NotMeasured(f"too few close pairs are expected for {condition(row)}")
        effect, low, high = (row[column] for column in ("ratio", "ratio_low", "ratio_high"))
        holds = True if high < 1 else False if low > no_fewer else None
        parts.append(Part(condition(row), effect, low, high, int(row["n"]), holds, 1 - effect))
    return combine(parts, "ratio")


@test()
def training_moves_filters_together(redundancy: Table, *, architectures: Names, filters: PositiveInt) -> Outcome:
    """Is the mean cosine to the nearest filter larger after training than before, in each architecture?"""
    changes = [
        (name, difference(rows, "mean_nearest_cosine", "stage", "trained", "initial"))
        for name, rows in each(redundancy, architectures, filters=filters)
    ]
    return combine(direction_parts(changes, 0.0), "change of cosine")


@test("small", "large", "chance")
def small_weights_align(condensation: Table, *, near_equal: Share) -> Outcome:
    """Are filters nearly equal early on from the smallest initial weights, and more so than from the largest?

    Both by the mean |cosine| of a network's pairs at the last step of the table. In the conditions where isotropic
    chance alone does not make filters nearly equal.
    """
    small, rise = [], []
    means = []
    for name, rows in conditions(condensation):
        last = rows[rows["step"] == rows["step"].max()]
        scales, chance = sorted(last["scale"].unique()), last["isotropic_mean_cosine"].max()
        if len(scales) > 1 and chance < near_equal:
            smallest, largest = (by_seed(chosen(last, scale=scale), "mean_cosine") for scale in (scales[0], scales[-1]))
            small.append((f"{name}, smallest weights", smallest))
            rise.append((f"{name}, smallest against largest weights", smallest - largest))
            means.append({"small": smallest.mean(), "large": largest.mean(), "chance": chance})
    in_all = len(small) + len(rise)
    parts = direction_parts(small, near_equal, in_all=in_all) + direction_parts(rise, 0.0, in_all=in_all)
    return combine(parts, "cosine", **{str(name): _span(cosines) for name, cosines in pd.DataFrame(means).items()})


def _count(values: pd.Series[Any]) -> str:
    return f"{int(values.sum()):,}" if values.any() else "none"


def _span(cosines: pd.Series[float]) -> str:
    low, high = (in_words(x, "cosine") for x in (cosines.min(), cosines.max()))
    return low if low == high else f"{low} to {high}"
