"""What pruning filters saves and costs, by one method or another, and what a small network from scratch does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple, cast

import numpy as np
import pandas as pd

from filtertwins.architectures import Name
from filtertwins.claims.evidence.registry import Counts, Names, Networks, Share, Table, test
from filtertwins.claims.evidence.rows import averaged, by_seed, chosen, each, each_network, only
from filtertwins.claims.judging import NotMeasured, Outcome, Part, combine, range_parts, widening
from filtertwins.claims.words import in_words, listed
from filtertwins.labels import method_name
from filtertwins.measures.statistics import seed_interval
from filtertwins.names import COSINE_MERGE, RANDOM, SELECTED, UNPRUNED
from filtertwins.settings import Margins
from filtertwins.tables.pruning import LEVEL
from filtertwins.tables.selection import SELECTABLE, best_for_others, by_way

Budget = Literal["equal_epochs", "equal_compute", "matched_convergence"]
Costs = Literal["parameters", "multiply_accumulates"]

MEASURED = "oracle"  # the criterion that is the measured cost of removal


@test("gone")
def pruning_makes_smaller(
    pruning: Table, cost: Table, *, architectures: Names, methods: Names, margins: Margins
) -> Outcome:
    """Is the test accuracy of the smallest good network lower by less than matters, in each architecture?

    Which network that is, see :func:`smallest_good`. Lower than that of the unpruned one, trained on for as long.
    """
    found = [smallest_good(name, rows, methods, margins.accuracy) for name, rows in networks(pruning, architectures)]
    costs = averaged("cost", cost)
    left = [chosen(costs, **network.shape)["parameters_share"].iloc[0] for network in found]
    gone = [f"{in_words(1 - share, 'share')} for {network.name}" for share, network in zip(left, found, strict=True)]
    parts = range_parts([(network.name, network.gain) for network in found], lowest=-margins.accuracy)
    return combine(parts, "points of accuracy", gone="; ".join(gone))


@test("rounds")
def pruning_makes_faster(
    pruning: Table, cost: Table, *, architectures: Names, methods: Names, batches: Counts, margins: Margins
) -> Outcome:
    """Is the smallest good network faster than the unpruned one, in each architecture and for each number of images?

    The unit is the round, in which networks take turns. ``n`` is the number of rounds, or that of the seeds by which
    the networks were chosen if it is smaller: with few seeds their choice means nothing. The rounds of one run tell how
    steady it is, and are no sample of machines.
    """
    costs, ratios, seeds = averaged("cost", cost), [], []
    for name, rows in networks(pruning, architectures):
        found = smallest_good(name, rows, methods, margins.accuracy)
        seeds.append(int(found.gain.count()))
        for batch in batches:
            own = chosen(costs, **found.shape, batch=batch).set_index("round")["time_ratio"].sort_index()
            ratios.append((f"{name}, {batch} image{'s' if batch > 1 else ''} at a time", own))
    parts = range_parts(ratios, highest=1 / margins.ratio)
    rounds = min(part.n for part in parts)
    parts = [replace(part, n=min(part.n, *seeds)) for part in parts]
    return combine(parts, "ratio", rounds=str(rounds))


@test("network", "times")
def pruning_improves_accuracy(
    pruning: Table, *, architectures: Names, methods: Names, trained_on: bool, margins: Margins
) -> Outcome:
    """Is the test accuracy of the most improved network above that of the unpruned one, by as much as matters?

    Of all architectures, methods and kept counts it is the one that gains most on the validation images of the other
    seeds: that pruning *can* improve takes one that does. The unpruned network is trained on for as long, or is left as
    it was.
    """
    own = dict(zip(architectures, networks(pruning, architectures), strict=True))
    validation, tested = (
        pd.concat({key: gains(rows, methods, split, trained_on=trained_on) for key, (_, rows) in own.items()}, axis=1)
        for split in ("validation", "test")
    )
    choices = {seed: cast("tuple[str, int, str]", others.mean().idxmax()) for seed, others in without_each(validation)}
    gain = pd.Series({seed: tested.loc[seed, choice] for seed, choice in choices.items()}, dtype=np.float64)
    (architecture, kept, method), times = Counter(choices.values()).most_common(1)[0]
    return combine(
        range_parts([("the chosen networks", gain)], lowest=margins.accuracy),
        "points of accuracy",
        network=way_in_words(*own[architecture], kept, method),
        times=str(times),
    )


@test()
def method_beats_others(
    pruning: Table, *, architectures: Names, methods: Names, others: Names, fine_tuned: bool, margins: Margins
) -> Outcome:
    """Is the test accuracy with one of some methods above that with others, on average over the kept counts?

    At each kept count the methods and the others are each stood for by the one that is best on validation images of
    the other seeds. An average can hang on one kept count, so that a part's name says at how many of them the methods
    are ahead.
    """
    differences = []
    for name, own in networks(pruning, architectures):
        rows = chosen(own, fine_tuned=fine_tuned)
        if missing := [method for method in (*methods, *others) if method not in set(rows["method"])]:
            raise NotMeasured(f"{name} was not pruned by {listed([method_name(method) for method in missing])}")
        first, second = (best_at_each_count(chosen(rows, method=side)) for side in (methods, others))
        difference = first - second
        ahead = f"ahead at {(difference.mean() > 0).sum()} of {difference.shape[1]}"
        differences.append((f"{name}, {ahead}", difference.mean(axis="columns")))
    return combine(range_parts(differences, lowest=margins.accuracy), "points of accuracy")


@test("gaps")
def fine_tuning_shrinks_gaps(pruning: Table, *, architectures: Names, margins: Margins) -> Outcome:
    """Is the gap between the best and the worst method, see :func:`gap`, wider before fine-tuning?"""
    shrinking, gaps = [], []
    for name, rows in networks(pruning, architectures):
        before, after = (gap(rows, fine_tuned=fine_tuned) for fine_tuned in (False, True))
        shrinking.append((name, before - after))
        wide, narrow = (in_words(gap.mean(), "points of accuracy") for gap in (before, after))
        gaps.append(f"from {wide} to {narrow} for {name}")
    return combine(range_parts(shrinking, lowest=margins.accuracy), "points of accuracy", gaps="; ".join(gaps))


@test()
def criterion_predicts_cost(criteria: Table, *, architectures: Names, criterion: Name, margins: Margins) -> Outcome:
    """Is the rank correlation of a criterion with the measured cost of removal of interest, in each architecture?"""
    pair = (criterion, MEASURED)
    rows = each(criteria, architectures, criterion=pair, other=pair)
    correlations = [(name, by_seed(own, "rank_correlation")) for name, own in rows]
    return combine(range_parts(correlations, lowest=margins.correlation), "correlation")


@test("steps")
def small_is_as_good(small_or_pruned: Table, *, kept: Networks, budget: Budget, margins: Margins) -> Outcome:
    """Is a small network trained from scratch no less accurate than a pruned one by more than the margin?

    At each architecture's numbers of filters kept. The table's column ``no_worse`` says so, of the method that was
    selected. The effect is pruned minus small. A part fails where its interval, widened for the number of parts, lies
    above the margin. ``steps`` are those of the small network, and those of fine-tuning.
    """
    selected = chosen(small_or_pruned, budget=budget, method=SELECTED, margin=margins.accuracy)
    found = [(name, only(rows)) for name, rows in each_network(selected, kept, "kept")]
    parts = []
    for name, row in found:
        effect, n = row["difference"], int(row["n"])
        worse = effect - widening(n, len(found)) * (effect - row["low"]) > margins.accuracy
        holds = None if pd.isna(row["no_worse"]) else True if row["no_worse"] else False if worse else None
        parts.append(Part(name, effect, row["low"], row["high"], n, holds, margins.accuracy - effect))
    steps = [f"{row['small_steps']:,} and {row['fine_tuning_steps']:,} for {name}" for name, row in found]
    return combine(parts, "points of accuracy", steps="; ".join(steps))


@test()
def head_takes_most(pruning: Table, cost: Table, *, architectures: Names, of: Costs, more_than: Share) -> Outcome:
    """Is the dense layer's share of an unpruned network above a line, in each architecture?

    It follows from the shape alone: ``n`` is how many seeds have networks of that shape. Each weight of the dense
    layer is multiplied once an image, so that it has as many as there are multiply-accumulates.
    """
    parts = []
    for name, rows in each(pruning, architectures):
        architecture, filters = rows[["architecture", "filters"]].iloc[0]
        shape = chosen(cost, architecture=architecture, filters=filters, kept=filters).iloc[0]
        whole = shape["parameters"] if of == "parameters" else shape["dense_macs"] + shape["convolution_macs"]
        share = float(shape["dense_macs"] / whole)
        parts.append(Part(name, share, share, share, rows["seed"].nunique(), share > more_than, share - more_than))
    return combine(parts, "share")


# Ways to prune are chosen for each seed on the validation images of the other seeds. The test split is looked at once,
# for those that were chosen. These functions take one architecture's rows of `pruning.csv`, as `networks` gives them.


class Chosen(NamedTuple):
    """One architecture's networks, pruned in the way that was chosen."""

    name: str  # in words, the way that was chosen for the most seeds
    shape: dict[str, str | int]  # its architecture, filters and kept, as in cost.csv
    gain: pd.Series[float]  # of test accuracy, by seed, each by the way that was chosen for it


def networks(pruning: Table, architectures: Names) -> Iterator[tuple[str, Table]]:
    """Each architecture in words, with its rows and a column that says whether they are of networks trained on."""
    return each(pruning.assign(fine_tuned=pruning["fine_tuning_steps"] > 0), architectures)


def without_each(table: Table) -> Iterator[tuple[int, Table]]:
    """Each seed, with the rows of the others.

    Raises:
        NotMeasured: there are no others.
    """
    if len(table) < 2:
        raise NotMeasured("no second seed to choose a network on")
    return ((seed, table.drop(index=seed)) for seed in table.index)


def best_at_each_count(rows: Table, *, worst: bool = False) -> Table:
    """Test accuracies by the best (or worst) method on validation images of the other seeds, of those in the rows.

    One row a seed, one column a kept count.
    """
    validation, tested = by_way(rows, "validation"), by_way(rows, "test")
    if len(validation) < 2:
        raise NotMeasured("no second seed to choose a method on")
    ways = best_for_others(validation, worst=worst)
    return pd.DataFrame({seed: {way[0]: tested.loc[seed, way] for way in own} for seed, own in ways.items()}).T


def gap(network: Table, *, fine_tuned: bool) -> pd.Series[float]:
    """Test accuracy from the worst to the best method, mean over kept counts: one value a seed.

    At each kept count these are the methods of the lowest and the highest mean validation accuracy, chance and merging
    among them, and criteria of files beside the config aside.
    The extremes of each seed's own test accuracies would be apart by noise alone.
    """
    rows = chosen(network, method=(*SELECTABLE, RANDOM, COSINE_MERGE), fine_tuned=fine_tuned)
    return (best_at_each_count(rows) - best_at_each_count(rows, worst=True)).mean(axis="columns")


def gains(network: Table, methods: Names, split: str, *, trained_on: bool = True) -> Table:
    """Accuracies after fine-tuning, less that of the unpruned network, trained on as well or left as it was.

    One row a seed, one column a (kept, method). The table need not have all methods.
    """
    unpruned = chosen(network, method=UNPRUNED, fine_tuned=trained_on)
    pruned = chosen(network, method=methods, fine_tuned=True)
    return by_way(pruned, split).sub(by_seed(unpruned, f"{split}_accuracy"), axis="index")


def smallest_good(name: str, network: Table, methods: Names, margin: float) -> Chosen:
    """The smallest network that loses no accuracy by more than a margin, as far as other seeds' validation can tell.

    It is chosen for each seed anew. Each kept count is stood for by its best method after fine-tuning. It is compared
    with the unpruned network, trained on for as long, by the lower of the two one-sided tests for equivalence: to be
    better is no fault. Where no network passes, it is the one of the highest mean gain.
    """
    gain, tested = (gains(network, methods, split) for split in ("validation", "test"))
    choices = {}
    for seed, others in without_each(gain):
        means = others.mean()
        ways = list(means.groupby("kept").idxmax())  # the fewest filters first
        good = [way for way in ways if seed_interval(others[way], level=1 - 2 * LEVEL).low > -margin]
        choices[seed] = good[0] if good else max(ways, key=means.to_dict().__getitem__)
    (kept, method), _ = Counter(choices.values()).most_common(1)[0]
    architecture, filters = network[["architecture", "filters"]].iloc[0]
    shape = {"architecture": architecture, "filters": filters, "kept": kept}
    own = pd.Series({seed: tested.loc[seed, way] for seed, way in choices.items()}, dtype=np.float64)
    return Chosen(way_in_words(name, network, kept, method), shape, own)


def way_in_words(name: str, network: Table, kept: int, method: str) -> str:
    """A pruned network in words."""
    return f"{name}, {kept} of {network['filters'].iloc[0]} filters left, by {method_name(method)}"
