"""How alike filters get: duplicates, chance, what training does, and small initial weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Names, Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, condition, conditions, count_seeds, only
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

Chance = Literal["redrawn", "initial", "isotropic"]


@test("pairs", "equal_pairs", "close_pairs", "networks", "with_equal")
def exact_duplicates_occur(redundancy: Table, *, level: float, more_than: Share) -> Outcome:
    """Do more than a share of all trained networks have two filters that are equal to the last bit?"""
    rows = chosen(redundancy, stage="trained")
    rows = rows[rows["live_filters"] > 1]
    if rows.empty:
        raise NotMeasured("no network has two filters")
    equal = rows["exact_duplicate_pairs"] > 0
    return combine(
        [share_part(equal, more_than, level, count_seeds(rows))],
        "networks",
        pairs=_count(rows["live_filters"] * (rows["live_filters"] - 1) // 2),
        equal_pairs=_count(rows["exact_duplicate_pairs"]),
        close_pairs=_count(rows["close_duplicate_pairs"]),
        networks=f"{len(rows):,}",
        with_equal=_count(equal),
    )


@test("networks", "with_pairs", "pairs")
def near_duplicates_occur(
    near_duplicates: Table,
    *,
    level: float,
    architecture: Name,
    filters: PositiveInt,
    threshold: Share,
    more_than: Share,
) -> Outcome:
    """Do more than a share of the networks have a pair of filters over a similarity?"""
    rows = chosen(near_duplicates, stage="trained", architecture=architecture, filters=filters, threshold=threshold)
    some = rows["pairs"] > 0
    return combine(
        [share_part(some, more_than, level, count_seeds(rows))],
        "networks",
        networks=str(len(rows)),
        with_pairs=_count(some),
        pairs=f"{rows['pairs'].mean():.1f}",
    )


@test("measured", "chance")
def more_near_duplicates_than_chance(
    excess_by_threshold: Table,
    *,
    level: float,
    architecture: Name,
    filters: PositiveInt,
    threshold: Share,
    more_than: Share,
) -> Outcome:
    """Is the share of pairs over a similarity above that of re-drawn initial kernels?

    The table's p-value, adjusted for the similarities of its curve, must agree.
    """
    row = only(excess_by_threshold, architecture=architecture, filters=filters, threshold=threshold)
    measured, chance = (in_words(row[name], "pairs") for name in ("fraction", "null_fraction"))
    return combine([_over_chance(row, "", more_than, level)], "pairs", measured=measured, chance=chance)


@test("measured", "chance")
def more_alike_than_chance(
    excess: Table,
    *,
    level: float,
    architecture: Name,
    filters: PositiveInt,
    chance: Chance,
    more_than: Annotated[float, Field(ge=-1, le=1)],
) -> Outcome:
    """Is the mean cosine to the nearest filter above what chance gives?

    The table's p-value, adjusted for its conditions, must agree.
    """
    row = only(excess, architecture=architecture, filters=filters)
    part = _over_chance(row, f"{chance}_", more_than, level)
    return combine([part], "change of cosine", **_beside_chance(row, chance))


@test("measured", "chance")
def as_alike_as_chance(
    excess: Table, *, architecture: Name, filters: PositiveInt, chance: Chance, margin: PositiveFloat
) -> Outcome:
    """Is the mean cosine to the nearest filter what chance gives, within a margin? By the table's 95 % interval."""
    row = only(excess, architecture=architecture, filters=filters)
    effect, low, high = (row[f"{chance}_{name}"] for name in ("excess", "low", "high"))
    holds = within(low, high, -margin, margin)
    part = Part(condition(row), effect, low, high, int(row["n"]), holds, margin - abs(effect))
    return combine([part], "change of cosine", **_beside_chance(row, chance))


def _over_chance(row: pd.Series[Any], prefix: str, line: float, level: float) -> Part:
    effect, low, high, p_value = (row[f"{prefix}{name}"] for name in ("excess", "low", "high", "p_fdr"))
    holds = above(low, high, line)
    if holds and not p_value < level:
        holds = None
    return Part(condition(row), effect, low, high, int(row["n"]), holds, effect - line, p_value)


def _beside_chance(row: pd.Series[Any], chance: Chance) -> dict[str, str]:
    return {
        "measured": in_words(row["mean_nearest_cosine"], "cosine"),
        "chance": in_words(row[f"{chance}_null"], "cosine"),
    }


@test("networks", "within", "between")
def fewer_close_pairs_than_strangers(
    strangers: Table, *, architecture: Name, filters: PositiveInt, less_than: PositiveFloat
) -> Outcome:
    """Have networks fewer close pairs than strangers, as a ratio below a line? By the table's jackknife interval."""
    row = _estimable(strangers, architecture, filters)
    holds = above(-row["ratio_high"], -row["ratio_low"], -less_than)
    return combine([_stranger_part(row, holds, less_than - row["ratio"])], "ratio", **_beside_strangers(row))


@test("networks", "within", "between")
def as_many_close_pairs_as_strangers(
    strangers: Table, *, architecture: Name, filters: PositiveInt, lowest: PositiveFloat, highest: PositiveFloat
) -> Outcome:
    """Is the ratio of close pairs to those of strangers within a range? By the table's jackknife interval."""
    row = _estimable(strangers, architecture, filters)
    holds = within(row["ratio_low"], row["ratio_high"], lowest, highest)
    room = min(row["ratio"] - lowest, highest - row["ratio"])
    return combine([_stranger_part(row, holds, room)], "ratio", **_beside_strangers(row))


def _estimable(strangers: Table, architecture: str, filters: int) -> pd.Series[Any]:
    row = only(strangers, architecture=architecture, filters=filters, stage="trained")
    if not row["estimable"]:
        raise NotMeasured(f"too few close pairs are expected in {condition(row)}")
    return row


def _stranger_part(row: pd.Series[Any], holds: bool | None, room: float) -> Part:
    return Part(condition(row), row["ratio"], row["ratio_low"], row["ratio_high"], int(row["n"]), holds, room)


def _beside_strangers(row: pd.Series[Any]) -> dict[str, str]:
    shares = {name: in_words(row[name], "pairs") for name in ("within", "between")}
    return shares | {"networks": str(row["n"])}


@test()
def training_moves_filters_apart(
    redundancy: Table, *, level: float, architectures: Names, filters: PositiveInt
) -> Outcome:
    """Is the mean cosine to the nearest filter smaller after training than before, in each architecture?"""
    changes = {}
    for name in architectures:
        rows = chosen(redundancy, architecture=name, filters=filters)
        before, after = (by_seed(chosen(rows, stage=x), "mean_nearest_cosine") for x in ("initial", "trained"))
        changes[name] = after - before
    return combine(direction_parts(changes, 0.0, level, below=True), "change of cosine")


@test("small", "large", "chance")
def small_weights_align(condensation: Table, *, level: float, near_equal: Share) -> Outcome:
    """Are filters nearly equal early on from the smallest initial weights, and more so than from the largest?

    Both by the mean |cosine| of a network's pairs at the last step of the table. In the conditions where isotropic
    chance alone does not make filters nearly equal.
    """
    small, rise = {}, {}
    means = []
    for name, rows in conditions(condensation):
        last = rows[rows["step"] == rows["step"].max()]
        by_scale = last.pivot_table(index="seed", columns="scale", values="mean_cosine", dropna=False)  # ascending
        chance = last["isotropic_mean_cosine"].max()
        if by_scale.shape[1] > 1 and chance < near_equal:
            smallest, largest = by_scale.iloc[:, 0], by_scale.iloc[:, -1]
            small[f"{name}, smallest weights"] = smallest
            rise[f"{name}, smallest against largest weights"] = smallest - largest
            means.append({"small": smallest.mean(), "large": largest.mean(), "chance": chance})
    in_all = len(small) + len(rise)
    parts = direction_parts(small, near_equal, level, in_all=in_all) + direction_parts(rise, 0.0, level, in_all=in_all)
    return combine(parts, "cosine", **{str(name): _span(cosines) for name, cosines in pd.DataFrame(means).items()})


def _count(values: pd.Series[Any]) -> str:
    return f"{int(values.sum()):,}" if values.any() else "none"


def _span(cosines: pd.Series[float]) -> str:
    low, high = (in_words(x, "cosine") for x in (cosines.min(), cosines.max()))
    return low if low == high else f"{low} to {high}"
