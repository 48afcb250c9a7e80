"""What pruning filters saves and costs, by one method or another, and what a small network from scratch does.

Ways to prune are chosen on the validation split; the test split is looked at once, for those that were chosen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import numpy as np
import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Names, Share, test
from filtertwins.claims.evidence.rows import by_seed, chosen, count_seeds, only
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    Part,
    combine,
    direction_parts,
    in_words,
    listed,
    no_more_parts,
)
from filtertwins.measures.statistics import EquivalenceTest, paired_equivalence
from filtertwins.settings import Name

Split = Literal["validation", "test"]

UNPRUNED = "none"  # the method of networks that keep all their filters
MEASURED = "oracle"  # the criterion that is the measured cost of removal


@dataclass(frozen=True)
class Way:
    """One way to prune an architecture's networks, and what it gained."""

    filters: int
    kept: int
    method: str
    gain: pd.Series[float]  # of test accuracy, by seed

    def __str__(self) -> str:
        return _so_pruned(self.filters, self.kept, self.method)


@test("margin", "gone")
def pruning_makes_smaller(
    pruning: pd.DataFrame,
    cost: pd.DataFrame,
    *,
    level: float,
    architectures: Names,
    methods: Names,
    margin: PositiveFloat,
) -> Outcome:
    """Is the test accuracy of the smallest good network lower by no more than a margin, in each architecture?

    Which network that is, see :func:`_smallest`. Lower than that of the unpruned one, trained on for as long.
    """
    ways = {name: _smallest(pruning, name, methods, margin, level) for name in architectures}
    gone = []
    for name, way in ways.items():
        left, all_of_them = (
            _of_shape(cost, name, way.filters, kept)["parameters"].iloc[0] for kept in (way.kept, way.filters)
        )
        gone.append(f"{name} {in_words(1 - left / all_of_them, 'share')} ({way})")
    return combine(
        direction_parts({name: way.gain for name, way in ways.items()}, -margin, level),
        "points of accuracy",
        margin=in_words(margin, "points of accuracy"),
        gone=listed(gone),
    )


@test("rounds", "faster", "not_faster")
def pruning_makes_faster(
    pruning: pd.DataFrame,
    cost: pd.DataFrame,
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
        way = _smallest(pruning, name, methods, margin, level)
        seeds.append(int(way.gain.count()))
        for batch in batches:
            pruned, whole = (
                chosen(_of_shape(cost, name, way.filters, kept), batch=batch).set_index("round")["latency_s"]
                for kept in (way.kept, way.filters)
            )
            ratios[f"{name}, {batch} image{'s' if batch > 1 else ''} at a time"] = (pruned / whole).sort_index()
    parts = direction_parts(ratios, 1.0, level, below=True)
    shown = {part.name: f"{part.name} ({in_words(part.effect, 'ratio')})" for part in parts}
    return combine(
        [replace(part, n=min(part.n, *seeds), p_value=np.nan) for part in parts],
        "ratio",
        rounds=str(min(part.n for part in parts)),
        faster=listed([shown[part.name] for part in parts if part.holds]),
        not_faster=listed([shown[part.name] for part in parts if not part.holds]),
    )


@test("network", "times", "margin", "less_or_more")
def pruning_improves_accuracy(
    pruning: pd.DataFrame,
    *,
    level: float,
    architectures: Names,
    methods: Names,
    margin: PositiveFloat,
    trained_on: bool,
    more_than: Share = 0.0,
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
            {name: _gains(pruning, name, methods, split, trained_on=trained_on) for name in architectures},
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
        direction_parts({"the chosen networks": gain}, more_than, level),
        "points of accuracy",
        network=f"{name} with {_so_pruned(_filters(pruning, name), kept, method)}",
        times=str(times),
        margin=in_words(margin, "points of accuracy"),
        less_or_more="less" if gain.mean() < margin else "more",
    )


@test("best", "others", "differences", "ahead", "counts")
def method_beats_others(
    pruning: pd.DataFrame, *, level: float, architectures: Names, methods: Names, others: Names, fine_tuned: bool
) -> Outcome:
    """Is the test accuracy with one of some methods above that with others, on average over the kept counts?

    At each kept count the methods and the others are each stood for by the one of the highest mean validation accuracy.
    An average can hang on one kept count, so that the sentence can say at how many of them the methods are ahead.
    """
    differences: dict[str, pd.Series[float]] = {}
    ahead: dict[str, int] = {}
    counts: dict[str, int] = {}
    used: tuple[set[str], set[str]] = (set(), set())
    for name in architectures:
        accuracy = {split: _accuracies(pruning, name, split, fine_tuned=fine_tuned) for split in ("validation", "test")}
        known = accuracy["validation"].columns.unique("method")
        if missing := [method for method in (*methods, *others) if method not in known]:
            raise NotMeasured(f"{name} was not pruned by {listed(missing)}")
        of_sides = []
        for side, names in zip((methods, others), used, strict=True):
            means = accuracy["validation"].mean()
            best = _best_at_each_count(means[means.index.isin(side, level="method")])
            names |= {method for _, method in best}
            of_sides.append(accuracy["test"][best].droplevel("method", axis="columns"))
        difference = of_sides[0] - of_sides[1]
        ahead[name], counts[name] = int((difference.mean() > 0).sum()), difference.shape[1]
        differences[name] = difference.mean(axis="columns")
    parts = direction_parts(differences, 0.0, level)
    in_each = {part.name: in_words(part.effect, "points of accuracy") for part in parts}
    return combine(
        parts,
        "points of accuracy",
        best=listed(sorted(used[0])),
        others=listed(sorted(used[1])),
        differences=listed([f"{name}: {in_each[name]} (ahead at {ahead[name]} of {counts[name]})" for name in in_each]),
        ahead=str(sum(ahead.values())),
        counts=str(sum(counts.values())),
    )


@test("gaps")
def fine_tuning_shrinks_gaps(pruning: pd.DataFrame, *, level: float, architectures: Names) -> Outcome:
    """Is the gap between the best and the worst method, see :func:`_gap`, wider before fine-tuning?"""
    shrinking, gaps = {}, []
    for name in architectures:
        before, after = (_gap(pruning, name, fine_tuned=fine_tuned) for fine_tuned in (False, True))
        shrinking[name] = before - after
        ends = (in_words(gap.mean(), "points of accuracy") for gap in (before, after))
        gaps.append(f"{name} from {' to '.join(ends)}")
    return combine(direction_parts(shrinking, 0.0, level), "points of accuracy", gaps=listed(gaps))


@test()
def criterion_predicts_cost(
    criteria: pd.DataFrame,
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


@test("margin", "pruned_better", "small_better")
def small_is_as_good(
    small_or_pruned: pd.DataFrame,
    *,
    level: float,
    architectures: Names,
    budget: Literal["equal_epochs", "equal_compute"],
    margin: PositiveFloat,
) -> Outcome:
    """Is a small network trained from scratch no less accurate than a pruned one by more than a margin, at each count?

    To be better is no fault. Pruned by the method that the table says was selected on the validation split. The effect
    is pruned minus small. The sentence can say where the small one is better by the table's interval; and where the
    pruned one is, of those where the claim is not shown to hold.
    """
    tests = {}
    for name in architectures:
        rows = chosen(small_or_pruned, architecture=name, budget=budget, selected=True)
        for kept in sorted(rows["kept"].unique()):
            row = only(rows, architecture=name, kept=kept)
            if not np.isclose(row["margin"], margin):
                raise NotMeasured(f"tested with a margin of {row['margin']:g}, the claim says {margin:g}")
            tests[f"{name} with {kept} filters"] = EquivalenceTest(
                row["difference"], row["low"], row["high"], margin, row["p_value"], None, int(row["n"])
            )
    parts = no_more_parts(tests, level)
    better = [part for part in parts if part.low > 0 and not part.holds]
    return combine(
        parts,
        "points of accuracy",
        margin=in_words(margin, "points of accuracy"),
        pruned_better=listed([f"{part.name} ({in_words(part.effect, 'points of accuracy')})" for part in better]),
        small_better=str(sum(part.high < 0 for part in parts)),
    )


@test()
def head_takes_most(
    pruning: pd.DataFrame,
    cost: pd.DataFrame,
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
        rows = chosen(pruning, architecture=name)
        filters = int(rows["filters"].iloc[0])
        shape = _of_shape(cost, name, filters, filters).iloc[0]
        macs = shape["dense_macs"] + shape["convolution_macs"]
        share = float(shape["dense_macs"] / (shape["parameters"] if of == "parameters" else macs))
        parts.append(Part(name, share, share, share, count_seeds(rows), share > more_than, share - more_than))
    return combine(parts, "share")


def _accuracies(pruning: pd.DataFrame, architecture: str, split: Split, *, fine_tuned: bool) -> pd.DataFrame:
    """Accuracies of pruned networks, as pruned or after fine-tuning: one row a seed, one column a (kept, method)."""
    rows = _stage(pruning, architecture, fine_tuned=fine_tuned)
    rows = rows[rows["method"] != UNPRUNED]
    if rows.empty:
        raise NotMeasured(f"no pruned network of {architecture}")
    return rows.pivot_table(index="seed", columns=["kept", "method"], values=f"{split}_accuracy")


def _gains(
    pruning: pd.DataFrame, architecture: str, methods: Names, split: Split, *, trained_on: bool = True
) -> pd.DataFrame:
    """Those of some methods after fine-tuning, less that of the unpruned network, trained on as well or left as it was.

    Of these methods the table need not have all.
    """
    unpruned = chosen(_stage(pruning, architecture, fine_tuned=trained_on), method=UNPRUNED)
    accuracies = _accuracies(pruning, architecture, split, fine_tuned=True)
    accuracies = accuracies.loc[:, accuracies.columns.isin(methods, level="method")]
    if accuracies.empty:
        raise NotMeasured(f"{architecture} was not pruned by {listed(methods)}")
    return accuracies.sub(by_seed(unpruned, f"{split}_accuracy"), axis="index")


def _stage(pruning: pd.DataFrame, architecture: str, *, fine_tuned: bool) -> pd.DataFrame:
    rows = chosen(pruning, architecture=architecture)
    rows = rows[(rows["fine_tuning_steps"] > 0) == fine_tuned]
    if rows.empty:
        raise NotMeasured(f"nothing of {architecture} with{'' if fine_tuned else 'out'} fine-tuning")
    return rows


def _best(means: pd.Series[float]) -> tuple[int, str]:
    """The kept count and the method of the highest mean."""
    return cast("tuple[int, str]", means.idxmax())


def _best_at_each_count(means: pd.Series[float]) -> list[tuple[int, str]]:
    """Each kept count, the fewest first, with its method of the highest mean."""
    return [_best(own) for _, own in means.groupby(level="kept")]


def _smallest(pruning: pd.DataFrame, architecture: str, methods: Names, margin: float, level: float) -> Way:
    """The smallest network that loses no accuracy by more than a margin, as far as the validation split can tell.

    Each kept count is stood for by that method of the highest mean accuracy after fine-tuning. It is compared with the
    unpruned network, trained on for as long, by the lower of the two one-sided tests for equivalence: to be better is
    no fault. Where no network passes, it is the one of the highest mean gain.
    """
    gains = _gains(pruning, architecture, methods, "validation")
    best = _best(gains.mean())
    for kept, method in _best_at_each_count(gains.mean()):
        gain = gains[kept, method]
        if paired_equivalence(gain, np.zeros(len(gain)), margin, alpha=level).low > -margin:
            best = kept, method
            break
    return Way(_filters(pruning, architecture), *best, _gains(pruning, architecture, methods, "test")[best])


def _filters(pruning: pd.DataFrame, architecture: str) -> int:
    """How many the unpruned network has."""
    return int(chosen(pruning, architecture=architecture)["filters"].iloc[0])


def _so_pruned(filters: int, kept: int, method: str) -> str:
    return f"{kept} of {filters} filters left, by {method}"


def _of_shape(cost: pd.DataFrame, architecture: str, filters: int, kept: int) -> pd.DataFrame:
    """The rows of a network that keeps so many of its filters."""
    return chosen(cost, architecture=architecture, filters=filters, kept=kept)


def _gap(pruning: pd.DataFrame, architecture: str, *, fine_tuned: bool) -> pd.Series[float]:
    """From the worst to the best method in test accuracy, mean over the kept counts: one value a seed.

    At each kept count these are the methods of the lowest and the highest mean validation accuracy, chance among them.
    The extremes of each seed's own test accuracies would be apart by noise alone.
    """
    validation, tested = (
        _accuracies(pruning, architecture, split, fine_tuned=fine_tuned)
        for split in cast("tuple[Split, ...]", ("validation", "test"))
    )
    best, worst = (
        tested[_best_at_each_count(means)].droplevel("method", axis="columns")
        for means in (validation.mean(), -validation.mean())
    )
    return (best - worst).mean(axis="columns")
