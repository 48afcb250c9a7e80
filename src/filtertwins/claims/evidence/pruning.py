"""What pruning filters saves and costs, by one method or another, and what a small network from scratch does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Annotated, Literal, cast

import numpy as np
import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.pruned import (
    Chosen,
    Split,
    best_at_each_count,
    gains,
    gap,
    in_short,
    pruned,
    smallest_good,
    unpruned_filters,
)
from filtertwins.claims.evidence.registry import Names, Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen, count_seeds, only
from filtertwins.claims.judging import NotMeasured, Outcome, Part, combine, direction_parts, in_words, listed
from filtertwins.settings import Name
from filtertwins.tables.pruning import LEVEL

MEASURED = "oracle"  # the criterion that is the measured cost of removal


@test("gone")
def pruning_makes_smaller(
    pruning: Table, cost: Table, *, level: float, architectures: Names, methods: Names, margin: PositiveFloat
) -> Outcome:
    """Is the test accuracy of the smallest good network lower by no more than a margin, in each architecture?

    Which network that is, see :func:`smallest_good`. Lower than that of the unpruned one, trained on for as long.
    """
    networks = {name: smallest_good(pruning, name, methods, margin, level) for name in architectures}
    gone = []
    for name, found in networks.items():
        left, whole = (rows["parameters"].iloc[0] for rows in _both_sizes(cost, name, found))
        gone.append(f"{in_words(1 - left / whole, 'share')} ({name}, {found.words})")
    parts = direction_parts({name: found.gain for name, found in networks.items()}, -margin, level)
    return combine(parts, "points of accuracy", gone=listed(gone))


@test("rounds")
def pruning_makes_faster(
    pruning: Table,
    cost: Table,
    *,
    level: float,
    architectures: Names,
    methods: Names,
    margin: PositiveFloat,
    batches: Annotated[tuple[PositiveInt, ...], Field(min_length=1)],
) -> Outcome:
    """Is the smallest good network faster than the unpruned one, in each architecture and for each number of images?

    The unit is the round, in which networks take turns. ``n`` is the number of rounds, or that of the seeds by which
    the networks were chosen if it is smaller: with few seeds their choice means nothing. No p-value: the rounds of one
    run tell how steady it is, and are no sample of machines.
    """
    ratios, seeds = {}, []
    for name in architectures:
        found = smallest_good(pruning, name, methods, margin, level)
        seeds.append(int(found.gain.count()))
        for batch in batches:
            smaller, whole = (
                chosen(rows, batch=batch).set_index("round")["latency_s"] for rows in _both_sizes(cost, name, found)
            )
            ratios[f"{name}, {batch} image{'s' if batch > 1 else ''} at a time"] = (smaller / whole).sort_index()
    parts = direction_parts(ratios, 1.0, level, below=True)
    rounds = min(part.n for part in parts)
    parts = [replace(part, n=min(part.n, *seeds), p_value=np.nan) for part in parts]
    return combine(parts, "ratio", rounds=str(rounds))


@test("network", "times", "less_or_more")
def pruning_improves_accuracy(
    pruning: Table, *, level: float, architectures: Names, methods: Names, margin: PositiveFloat, trained_on: bool
) -> Outcome:
    """Is the test accuracy of the most improved network above that of the unpruned one?

    Of all architectures, methods and kept counts it is the one that gains most on the validation split: that pruning
    *can* improve takes one that does. It is chosen for each seed anew, on the mean over the *other* seeds. A network
    with luck on validation images has some on test images too, so that a choice among many by the very networks that
    are tested finds gains where there are none.

    The unpruned network is trained on for as long, or is left as it was. The margin is for the sentence alone.
    """
    validation, tested = (
        pd.concat(
            {name: gains(pruning, name, methods, split, trained_on=trained_on) for name in architectures},
            axis="columns",
        )
        for split in cast("tuple[Split, ...]", ("validation", "test"))
    )
    if len(validation) < 2:
        raise NotMeasured("no second seed to choose a network on")
    choices = {seed: validation.drop(index=seed).mean().idxmax() for seed in validation.index}
    gain = pd.Series({seed: tested.loc[seed, choice] for seed, choice in choices.items()}, dtype=np.float64)
    (favourite, times), *_ = Counter(choices.values()).most_common()
    name, kept, method = cast("tuple[str, int, str]", favourite)
    return combine(
        direction_parts({"the chosen networks": gain}, 0.0, level),
        "points of accuracy",
        network=f"{name} with {in_short(unpruned_filters(pruning, name), kept, method)}",
        times=str(times),
        less_or_more="less" if gain.mean() < margin else "more",
    )


@test("differences")
def method_beats_others(
    pruning: Table, *, level: float, architectures: Names, methods: Names, others: Names, fine_tuned: bool
) -> Outcome:
    """Is the test accuracy with one of some methods above that with others, on average over the kept counts?

    At each kept count the methods and the others are each stood for by the one of the highest mean validation accuracy.
    An average can hang on one kept count, so that the sentence can say at how many of them the methods are ahead.
    """
    differences: dict[str, pd.Series[float]] = {}
    ahead: dict[str, str] = {}
    for name in architectures:
        rows = pruned(pruning, name, fine_tuned=fine_tuned)
        known = set(rows["method"])
        if missing := [method for method in (*methods, *others) if method not in known]:
            raise NotMeasured(f"{name} was not pruned by {listed(missing)}")
        first, second = (best_at_each_count(rows[rows["method"].isin(side)]) for side in (methods, others))
        difference = first - second
        ahead[name] = f"ahead at {(difference.mean() > 0).sum()} of {difference.shape[1]}"
        differences[name] = difference.mean(axis="columns")
    parts = direction_parts(differences, 0.0, level)
    shown = [f"{in_words(part.effect, 'points of accuracy')} ({part.name}, {ahead[part.name]})" for part in parts]
    return combine(parts, "points of accuracy", differences=listed(shown))


@test("gaps")
def fine_tuning_shrinks_gaps(pruning: Table, *, level: float, architectures: Names) -> Outcome:
    """Is the gap between the best and the worst method, see :func:`gap`, wider before fine-tuning?"""
    shrinking, gaps = {}, []
    for name in architectures:
        before, after = (gap(pruned(pruning, name, fine_tuned=fine_tuned)) for fine_tuned in (False, True))
        shrinking[name] = before - after
        wide, narrow = (in_words(gap.mean(), "points of accuracy") for gap in (before, after))
        gaps.append(f"from {wide} to {narrow} ({name})")
    return combine(direction_parts(shrinking, 0.0, level), "points of accuracy", gaps=listed(gaps))


@test()
def criterion_predicts_cost(
    criteria: Table,
    *,
    level: float,
    architectures: Names,
    criterion: Name,
    more_than: Annotated[float, Field(ge=-1, lt=1)],
) -> Outcome:
    """Is the rank correlation of a criterion with the measured cost of removal above a line, in each architecture?"""
    pair = (criterion, MEASURED)
    correlations = {
        name: by_seed(chosen(criteria, architecture=name, criterion=pair, other=pair), "rank_correlation")
        for name in architectures
    }
    return combine(direction_parts(correlations, more_than, level), "correlation")


@test("pruned_better", "small_better")
def small_is_as_good(
    small_or_pruned: Table,
    *,
    level: float,
    architectures: Names,
    budget: Literal["equal_epochs", "equal_compute"],
    margin: PositiveFloat,
) -> Outcome:
    """Is a small network trained from scratch no less accurate than a pruned one by more than a margin, at each count?

    The table tells: its column ``no_worse``, of the method that it says was selected. The effect is pruned minus small.
    The sentence can say where the small one is better by the table's interval; and where the pruned one is, of those
    where the claim is not shown to hold.
    """
    if not np.isclose(level, LEVEL):
        raise NotMeasured(f"tested at a level of {LEVEL:g}, the claims say {level:g}")
    parts = []
    for name in architectures:
        rows = chosen(small_or_pruned, architecture=name, budget=budget, selected=True)
        for kept in sorted(rows["kept"].unique()):
            row = only(rows, margin=margin, kept=kept)
            holds = None if pd.isna(row["no_worse"]) else bool(row["no_worse"])
            interval = (row["difference"], row["low"], row["high"], int(row["n"]))
            parts.append(Part(f"{name} with {kept} filters", *interval, holds, margin - row["difference"]))
    better = [part for part in parts if part.low > 0 and not part.holds]
    return combine(
        parts,
        "points of accuracy",
        pruned_better=listed([f"{part.name} ({in_words(part.effect, 'points of accuracy')})" for part in better]),
        small_better=str(sum(part.high < 0 for part in parts)),
    )


@test()
def head_takes_most(
    pruning: Table,
    cost: Table,
    *,
    architectures: Names,
    of: Literal["parameters", "multiply_accumulates"],
    more_than: Share,
) -> Outcome:
    """Is the dense layer's share of an unpruned network above a line, in each architecture?

    It follows from the shape alone: ``n`` is how many seeds have networks of that shape. Each weight of the dense
    layer is multiplied once an image, so that it has as many as there are multiply-accumulates.
    """
    parts = []
    for name in architectures:
        filters, seeds = unpruned_filters(pruning, name), count_seeds(chosen(pruning, architecture=name))
        shape = chosen(cost, architecture=name, filters=filters, kept=filters).iloc[0]
        whole = shape["parameters"] if of == "parameters" else shape["dense_macs"] + shape["convolution_macs"]
        share = float(shape["dense_macs"] / whole)
        parts.append(Part(name, share, share, share, seeds, share > more_than, share - more_than))
    return combine(parts, "share")


def _both_sizes(cost: Table, architecture: str, network: Chosen) -> list[Table]:
    """The rows of a pruned network, and those of the network before."""
    rows = chosen(cost, architecture=architecture, filters=network.filters)
    return [chosen(rows, kept=kept) for kept in (network.kept, network.filters)]
