"""How alike filters get: duplicates, chance, strangers, what training does, and small initial weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import PositiveFloat, PositiveInt
from scipy import stats

from filtertwins.architectures import Name
from filtertwins.claims.evidence.registry import Names, Networks, Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, condition, difference, each, each_network, only
from filtertwins.claims.judging import NotMeasured, Outcome, Part, combine, range_parts, seeds_part, told, widening
from filtertwins.claims.words import in_words
from filtertwins.settings import Margins
from filtertwins.tables.pruning import LEVEL

Beside = Literal["fewer", "same"]
Rung = Literal["strangers", "null"]  # as columns are named: strangers, or re-drawn kernels


@test("pairs", "equal_pairs", "twin_pairs", "networks", "with_twins", "at_most")
def duplicates_occur(redundancy: Table, *, networks: Networks) -> Outcome:
    """Do most seeds have twins: two filters of one network that do the same job, to a cosine of 1 - 1e-6?

    Networks of one seed start from related draws, so that they count once, together. The sentence can mention how many
    pairs are equal to the last bit, and the share of seeds that is possible ``at_most``.
    """
    trained = chosen(redundancy, stage="trained")
    rows = pd.concat([own for _, own in each_network(trained, networks)])
    twins = rows.groupby("seed")["twin_pairs"].sum() > 0
    part = seeds_part(twins)
    return combine(
        [part],
        "seeds",
        pairs=_count(rows["live_filters"] * (rows["live_filters"] - 1) // 2),
        equal_pairs=_count(rows["exact_duplicate_pairs"]),
        twin_pairs=_count(rows["twin_pairs"]),
        networks=f"{len(rows):,}",
        with_twins=_count(twins),
        at_most=in_words(part.high, "seeds"),
    )


@test("with_pairs", "pairs")
def near_duplicates_occur(
    near_duplicates: Table, *, architecture: Name, filters: PositiveInt, threshold: Share
) -> Outcome:
    """Do most seeds' networks have a pair of filters over a similarity?"""
    rows = chosen(near_duplicates, stage="trained", architecture=architecture, filters=filters, threshold=threshold)
    pairs = rows.groupby("seed")["pairs"].sum()
    numbers = {"with_pairs": _count(pairs > 0), "pairs": f"{pairs.mean():.1f}"}
    return combine([seeds_part(pairs > 0)], "seeds", **numbers)


@test("measured", "chance", "p_value")
def more_near_duplicates_than_chance(
    near_duplicates: Table,
    *,
    architecture: Name,
    filters: PositiveInt,
    threshold: Share,
    pooled: bool = False,
    margins: Margins,
) -> Outcome:
    """Are pairs over a similarity as many times those of re-drawn initial kernels as matters?

    Where such pairs are rare, a mean over seeds says little. So a Monte-Carlo test says that there are more: each
    network's count among those of its re-drawn kernels, the networks' p-values combined (Fisher 1932, Statistical
    Methods for Research Workers, 4th ed., section 21.1); or, if ``pooled``, the count of all networks together among
    those of as many re-drawn sets. The estimate must be beyond the margin too. The claim fails if the whole interval
    over seeds is short of the margin.
    """
    rows = chosen(near_duplicates, stage="trained", architecture=architecture, filters=filters, threshold=threshold)
    chance = float(rows["null_fraction"].mean())
    line = (margins.ratio - 1) * chance
    (part,) = range_parts([("", by_seed(rows, "fraction") - chance)], lowest=line)
    combined = stats.combine_pvalues(rows["p_value"].dropna(), method="fisher").pvalue
    p_value = float(rows["pooled_p_value"].iloc[0] if pooled else combined)
    holds = True if p_value < LEVEL and part.effect > line else False if part.high <= line else None
    shares = {"measured": float(rows["fraction"].mean()), "chance": chance}
    numbers = {name: in_words(share, "pairs") for name, share in shares.items()}
    return combine([replace(part, holds=holds)], "pairs", **numbers, p_value=f"{p_value:.2g}")


@test("measured", "chance")
def as_many_near_duplicates_as_chance(
    near_duplicates: Table, *, architecture: Name, filters: PositiveInt, threshold: Share, margins: Margins
) -> Outcome:
    """Are pairs over a similarity as many as of re-drawn initial kernels, to within the ratio that matters?

    The number of pairs tells of crowding where the mean nearest cosine has no room left to rise.
    """
    rows = chosen(near_duplicates, stage="trained", architecture=architecture, filters=filters, threshold=threshold)
    measured, chance = by_seed(rows, "fraction"), float(rows["null_fraction"].mean())
    if not chance:
        raise NotMeasured("no pair of re-drawn kernels is so close, so that there is nothing to compare with")
    parts = range_parts([("", measured / chance)], 1 / margins.ratio, margins.ratio)
    return combine(parts, "ratio", measured=in_words(measured.mean(), "pairs"), chance=in_words(chance, "pairs"))


@test("measured", "chance")
def more_alike_than_chance(redundancy: Table, *, architecture: Name, filters: PositiveInt, margins: Margins) -> Outcome:
    """Is the mean cosine to the nearest filter above that of re-drawn initial kernels?"""
    rows = chosen(redundancy, stage="trained", architecture=architecture, filters=filters)
    parts = range_parts([("", by_seed(rows, "excess"))], lowest=margins.cosine)
    columns = {"measured": "mean_nearest_cosine", "chance": "null_mean_nearest_cosine"}
    numbers = {name: in_words(rows[column].mean(), "cosine") for name, column in columns.items()}
    return combine(parts, "change of cosine", **numbers)


@test()
def close_pairs_beside_strangers(
    strangers: Table, *, architectures: Names, filters: PositiveInt, beside: Beside, margins: Margins
) -> Outcome:
    """Are close pairs fewer than those of strangers, or the same, by as much as matters? In each architecture.

    The table's jackknife interval of the ratio says so.
    """
    ends = (0.0, 1 / margins.ratio) if beside == "fewer" else (1 / margins.ratio, margins.ratio)
    rows = [only(strangers, architecture=name, filters=filters, stage="trained") for name in architectures]
    return combine([beside_strangers(row, *ends, in_all=len(rows)) for row in rows], "ratio")


@test()
def close_pairs_in_a_layer(
    depth_strangers: Table, *, architecture: Name, filters: PositiveInt, layer: Name, margins: Margins
) -> Outcome:
    """Are close pairs of one layer of a deeper network fewer than those of strangers, by as much as matters?"""
    row = only(depth_strangers, architecture=architecture, filters=filters, layer=layer, stage="trained")
    return combine([beside_strangers(row, 0.0, 1 / margins.ratio)], "ratio")


def beside_strangers(row: pd.Series[Any], lowest: float, highest: float = np.inf, *, in_all: int = 1) -> Part:
    """Whether a condition's close pairs are within a range of multiples of those of strangers.

    A part of several fails by the interval widened for their number, on the logarithm, where it is Student's t.
    """
    if not row["estimable"]:
        raise NotMeasured(f"too few close pairs are expected for {condition(row)}")
    effect, low, high = (row[column] for column in ("ratio", "ratio_low", "ratio_high"))
    room = min(effect - lowest, highest - effect)
    times = widening(int(row["n"]), in_all, level=LEVEL / 2)  # The table's interval has two sides.
    wide = tuple(effect * (end / effect) ** times if effect else end for end in (low, high))
    return Part(condition(row), effect, low, high, int(row["n"]), told((low, high), wide, lowest, highest), room)


@test()
def layers_more_alike_than_chance(
    depth: Table, *, architecture: Name, filters: PositiveInt, layers: Names, margins: Margins
) -> Outcome:
    """Is the mean cosine to the nearest filter above that of re-drawn initial kernels, in each layer?"""
    wanted = {"stage": "trained", "architecture": architecture, "filters": filters}
    parts = [(layer, by_seed(chosen(depth, **wanted, layer=layer), "excess")) for layer in layers]
    return combine(range_parts(parts, lowest=margins.cosine), "change of cosine")


@test()
def more_filters_more_redundant(
    redundancy: Table, *, architectures: Names, few: PositiveInt, many: PositiveInt, margins: Margins
) -> Outcome:
    """Is the redundant share larger with many filters than with few, in each architecture and on each rung?

    The rungs are re-drawn initial kernels, sets of strangers, and filters of one network.
    """
    rungs = {"one network": "", "re-drawn kernels": "null_", "strangers": "strangers_"}
    rises = [
        (f"{name}, {words}", difference(rows, f"{prefix}redundant_share", "filters", many, few))
        for name, rows in each(redundancy, architectures, stage="trained")
        for words, prefix in rungs.items()
    ]
    return combine(range_parts(rises, lowest=margins.share), "share")


@test()
def training_moves_filters_together(
    redundancy: Table, *, architectures: Names, filters: PositiveInt, margins: Margins
) -> Outcome:
    """Is the mean cosine to the nearest filter larger after training than before, in each architecture?"""
    changes = [
        (name, difference(rows, "mean_nearest_cosine", "stage", "trained", "initial"))
        for name, rows in each(redundancy, architectures, filters=filters)
    ]
    return combine(range_parts(changes, lowest=margins.cosine), "change of cosine")


@test()
def larger_redundant_share(redundancy: Table, *, networks: Networks, beside: Rung, margins: Margins) -> Outcome:
    """Is the redundant share of a network's filters above that of as many others, in each condition?"""
    differences = [
        (name, by_seed(rows, "redundant_share") - by_seed(rows, f"{beside}_redundant_share"))
        for name, rows in each_network(chosen(redundancy, stage="trained"), networks)
    ]
    return combine(range_parts(differences, lowest=margins.share), "points of filters")


@test("same_kernels")
def near_kernels_give_near_responses(functional: Table, *, networks: Networks, more_than: Share) -> Outcome:
    """Of the pairs with near kernels, have more than a share near responses, in each condition?

    ``same_kernels`` is the share of the pairs with near responses that have near kernels.
    """
    rows = dict(each_network(chosen(functional, stage="trained"), networks))
    shares = [(name, by_seed(own, "near_kernels_near_responses")) for name, own in rows.items()]
    back = pd.Series([own["near_responses_near_kernels"].mean() for own in rows.values()])
    return combine(range_parts(shares, lowest=more_than), "share", same_kernels=_span(back, "share"))


@test("small", "large", "filters")
def small_weights_align(condensation: Table, *, architectures: Names, at_most: PositiveFloat) -> Outcome:
    """Do filters point in few directions at some time from the smallest initial weights, and in more from the largest?

    Each network counts at the recorded step at which its filters point in the fewest directions.
    """
    small, fall, large = [], [], []
    for name, rows in each(condensation, architectures):
        fewest = rows.groupby(["scale", "seed"])["directions"].min()
        scales = sorted(rows["scale"].unique())
        if len(scales) == 1:
            raise NotMeasured("initial weights of a single scale")
        smallest, largest = (fewest[scale].astype(float) for scale in (scales[0], scales[-1]))
        small.append((f"{name}, smallest weights", smallest))
        fall.append((f"{name}, smallest against largest weights", smallest - largest))
        large.append(largest.mean())
    in_all = len(small) + len(fall)
    parts = range_parts(small, highest=at_most, in_all=in_all)
    parts += range_parts(fall, highest=np.nextafter(0, -1), in_all=in_all)  # No difference is not fewer.
    found = {"small": pd.Series([values.mean() for _, values in small]), "large": pd.Series(large)}
    spans = {name: _span(directions, "directions") for name, directions in found.items()}
    return combine(parts, "directions", filters=str(condensation["filters"].max()), **spans)


def _count(values: pd.Series[Any]) -> str:
    return f"{int(values.sum()):,}" if values.any() else "none"


def _span(values: pd.Series[float], unit: str) -> str:
    low, high = (in_words(x, unit) for x in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
