"""How alike filters get: duplicates, chance, what training does, and small initial weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Names, Share, test
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


@test("pairs", "equal_pairs", "close_pairs", "networks", "with_equal", "at_most")
def exact_duplicates_occur(redundancy: pd.DataFrame, *, level: float, more_than: Share) -> Outcome:
    """Do more than a share of all trained networks have two filters that are equal to the last bit?"""
    rows = chosen(redundancy, stage="trained")
    rows = rows[rows["live_filters"] > 1]
    if rows.empty:
        raise NotMeasured("no network has two filters")
    equal = rows["exact_duplicate_pairs"] > 0
    part = share_part(equal, more_than, level, count_seeds(rows))
    return combine(
        [part],
        "networks",
        pairs=f"{int((rows['live_filters'] * (rows['live_filters'] - 1) // 2).sum()):,}",
        equal_pairs=_count(rows["exact_duplicate_pairs"]),
        close_pairs=_count(rows["close_duplicate_pairs"]),
        networks=f"{len(rows):,}",
        with_equal=_count(equal),
        at_most=in_words(part.high, "networks"),
    )


@test("networks", "with_pairs", "pairs")
def near_duplicates_occur(
    near_duplicates: pd.DataFrame,
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
    excess_by_threshold: pd.DataFrame,
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
    part = _over_chance(row, "excess", row["low"], row["high"], row["p_fdr"], more_than, level)
    fractions = {"measured": row["fraction"], "chance": row["null_fraction"]}
    return combine([part], "pairs", **{name: in_words(x, "pairs") for name, x in fractions.items()})


@test("measured", "chance")
def more_alike_than_chance(
    excess: pd.DataFrame,
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
    low, high, p_value = row[f"{chance}_low"], row[f"{chance}_high"], row[f"{chance}_p_fdr"]
    part = _over_chance(row, f"{chance}_excess", low, high, p_value, more_than, level)
    return combine([part], "change of cosine", **_beside_chance(row, chance))


@test("measured", "chance")
def as_alike_as_chance(
    excess: pd.DataFrame, *, architecture: Name, filters: PositiveInt, chance: Chance, margin: PositiveFloat
) -> Outcome:
    """Is the mean cosine to the nearest filter what chance gives, within a margin? By the table's 95 % interval."""
    row = only(excess, architecture=architecture, filters=filters)
    effect, low, high = row[f"{chance}_excess"], row[f"{chance}_low"], row[f"{chance}_high"]
    holds = within(low, high, -margin, margin)
    part = Part(condition(row), effect, low, high, int(row["n"]), holds, margin - abs(effect))
    return combine([part], "change of cosine", **_beside_chance(row, chance))


def _over_chance(
    row: pd.Series[Any], effect: str, low: float, high: float, p_value: float, line: float, level: float
) -> Part:
    holds = above(low, high, line)
    if holds and not p_value < level:
        holds = None
    return Part(condition(row), row[effect], low, high, int(row["n"]), holds, row[effect] - line, p_value)


def _beside_chance(row: pd.Series[Any], chance: Chance) -> dict[str, str]:
    numbers = {"measured": row["mean_nearest_cosine"], "chance": row[f"{chance}_null"]}
    return {name: in_words(x, "cosine") for name, x in numbers.items()}


@test()
def training_moves_filters_apart(
    redundancy: pd.DataFrame, *, level: float, architectures: Names, filters: PositiveInt
) -> Outcome:
    """Is the mean cosine to the nearest filter smaller after training than before, in each architecture?"""
    changes = {}
    for name in architectures:
        rows = chosen(redundancy, architecture=name, filters=filters)
        before, after = (by_seed(chosen(rows, stage=x), "mean_nearest_cosine") for x in ("initial", "trained"))
        changes[name] = after - before
    return combine(direction_parts(changes, 0.0, level, below=True), "change of cosine")


@test("small", "large", "chance")
def small_weights_align(condensation: pd.DataFrame, *, level: float, near_equal: Share) -> Outcome:
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
            means.append((smallest.mean(), largest.mean(), chance))
    in_all = len(small) + len(rise)
    parts = direction_parts(small, near_equal, level, in_all=in_all) + direction_parts(rise, 0.0, level, in_all=in_all)
    spans = dict(zip(("small", "large", "chance"), map(_span, zip(*means, strict=True)), strict=False))
    return combine(parts, "cosine", **spans)


def _count(values: pd.Series[Any]) -> str:
    return f"{int(values.sum()):,}" if values.any() else "none"


def _span(cosines: Iterable[float]) -> str:
    shown = [in_words(x, "cosine") for x in sorted(cosines)]
    return shown[0] if shown[0] == shown[-1] else f"{shown[0]} to {shown[-1]}"
