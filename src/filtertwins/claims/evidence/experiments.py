"""Accuracy by the number of filters, merged networks, planted twins, and what it costs to take filters out."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from filtertwins.claims.evidence.registry import Counts, Share, Table, test
from filtertwins.claims.evidence.rows import averaged, by_seed, chosen, conditions, only
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    Samples,
    combine,
    direction_parts,
    equivalence_parts,
    in_words,
    listed,
    margin_parts,
    network_parts,
    range_parts,
)
from filtertwins.measures.statistics import EquivalenceTest
from filtertwins.settings import Name, SecondFilter

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]  # "momentum" is SGD with momentum
Other = Literal["own", "silent"]
AtLeastThree = Annotated[int, Field(ge=3)]  # A rank correlation of fewer filters is missing.
Negative = Annotated[float, Field(gt=-1, lt=0)]


@test("inside", "outside")
def accuracy_in_range(runs: Table, *, architecture: Name, filters: Counts, lowest: Share, highest: Share) -> Outcome:
    """Is the mean test accuracy within a range, ends included, for each number of filters?"""
    own = chosen(runs, architecture=architecture)
    accuracies = [(str(count), by_seed(chosen(own, filters=count), "test_accuracy")) for count in filters]
    parts = range_parts(accuracies, lowest, highest)
    inside, outside = (
        listed([f"{part.name} ({in_words(part.effect, 'accuracy')})" for part in parts if part.holds is side])
        for side in (True, False)
    )
    return combine(parts, "accuracy", inside=inside, outside=outside)


@test("apart")
def equal_accuracy(
    equivalence: Table, *, architecture: Name, filters: Counts, other_filters: Counts, margin: PositiveFloat
) -> Outcome:
    """Is the test accuracy the same within a margin, for each pair of a smaller and a larger number of filters?"""
    tests, p_holm = [], []
    for first, second in [(i, j) for i in filters for j in other_filters if i < j]:
        row = only(equivalence, architecture=architecture, filters=first, other_filters=second, margin=margin)
        values = (row["difference"], row["low"], row["high"], margin, row["p_value"])
        tests.append((f"{first} against {second}", EquivalenceTest(*values, equivalent=None, n=int(row["n"]))))
        p_holm.append(row["p_holm"])
    parts = margin_parts(tests, p_holm)
    return combine(parts, "points of accuracy", apart=listed([part.name for part in parts if part.holds is False]))


@test()
def logits_change_when_merged(
    merging: Table, *, architecture: Name, filters_kept: PositiveInt, at_least: float = 0.0, at_most: float = np.inf
) -> Outcome:
    """Is the largest change of a logit within a range for every network that is merged into fewer filters?"""
    rows = chosen(merging, architecture=architecture, filters_kept=filters_kept)
    rows = rows[rows["filters"] > filters_kept]
    return combine(network_parts(rows["largest_logit_change"], at_least, at_most, rows["seed"]), "logits")


@test("steps")
def twins_stay_equal(twins: Table, *, optimizers: tuple[Optimizer, ...]) -> Outcome:
    """Do filters that start as exact twins stay equal to the last bit, in every network without dropout?"""
    rows = chosen(twins, second_filter="twin", epsilon=0.0, dropout=0.0)
    used = set(rows["optimizer"].mask(rows["momentum"] > 0, "momentum"))
    if missing := [name for name in optimizers if name not in used]:
        raise NotMeasured(f"no twins were trained with {listed(missing)}")
    if rows["step"].max() == 0:
        raise NotMeasured("no step after the start is recorded")
    separation = rows[["separation", "outgoing_separation"]].max(axis=1)
    largest = separation.groupby([rows[name] for name in ("architecture", "filters", "seed")]).max()
    parts = network_parts(largest, 0.0, 0.0, rows["seed"])
    return combine(parts, "distance", steps=f"{int(rows['step'].max()):,}")


@test("step", "together")
def twins_separate(
    twins: Table, *, second_filter: SecondFilter, with_dropout: bool, step: PositiveInt | None = None
) -> Outcome:
    """Do two filters that start with equal kernels and biases have different ones in every network, at a step?

    By default at the last step that is recorded. Only networks without an activation are a case for it: with ReLU, a
    filter that never fires never moves.
    """
    rows = twins.assign(with_dropout=twins["dropout"] > 0)
    rows = chosen(rows, activation="linear", second_filter=second_filter, epsilon=0.0, with_dropout=with_dropout)
    rows = chosen(rows, step=step or int(rows["step"].max()))
    parts = network_parts(rows["separation"], np.nextafter(0.0, 1.0), np.inf, rows["seed"])
    together = sum(not part.holds for part in parts)
    return combine(parts, "distance", step=f"{int(rows['step'].iloc[0]):,}", together=str(together))


@test()
def same_loss(
    one_fewer: Table, *, architecture: Name, other: Other, margin: PositiveFloat, fewest_filters: PositiveInt = 2
) -> Outcome:
    """Is the training loss of a network with twins that with another kind of second filter, within a margin?"""
    differences = _differences_of_loss(one_fewer, architecture, other, fewest_filters)
    return combine(equivalence_parts(differences, margin), "nats")


@test()
def larger_loss(one_fewer: Table, *, architecture: Name, other: Other) -> Outcome:
    """Is the training loss of a network with twins larger than that with another kind of second filter?"""
    differences = _differences_of_loss(one_fewer, architecture, other, fewest_filters=2)
    return combine(direction_parts(differences, 0.0), "nats")


def _differences_of_loss(one_fewer: Table, architecture: Name, other: Other, fewest_filters: int) -> Samples:
    """By condition: the training losses with twins minus those with another kind of second filter, by seed."""
    if chosen(one_fewer, architecture=architecture)["twins_equal"].eq(False).any():
        raise NotMeasured("the planted twins did not stay equal")
    rows = chosen(averaged("one_fewer", one_fewer), architecture=architecture, comparison=f"twin - {other}")
    rows = rows[rows["filters"] >= fewest_filters]
    return [(name, by_seed(own, "train_loss_difference")) for name, own in conditions(rows)]


@test()
def removal_costs_nothing(removal: Table, *, margin: PositiveFloat, merged: bool) -> Outcome:
    """Is the accuracy the same, within a margin, without one near duplicate? Mean over those of a network.

    It is just taken out, or merged: then its nearest filter takes over its outgoing weights. Only conditions count in
    which most networks have near duplicates.
    """
    column = "accuracy_decrease_merged" if merged else "accuracy_decrease"
    costs = _costs_of_near_duplicates(removal, column, less_others=False)
    return combine(equivalence_parts(costs, margin), "points of accuracy")


@test()
def removal_costs_less(removal: Table) -> Outcome:
    """Does the loss grow less without one near duplicate than without one other filter? Means over those of a network.

    Filters are just taken out: nothing takes over their outgoing weights. Only conditions count in which most networks
    have both kinds of filters.
    """
    differences = _costs_of_near_duplicates(removal, "loss_increase", less_others=True)
    return combine(direction_parts(differences, 0.0, below=True), "nats")


@test()
def similarity_predicts_cost(removal_correlations: Table, *, fewest_filters: AtLeastThree, below: Negative) -> Outcome:
    """Is each network's rank correlation of nearest cosine and loss increase on removal below a line, on average?

    In the conditions of enough filters.
    """
    rows = removal_correlations[removal_correlations["filters"] >= fewest_filters]
    correlations = [(name, by_seed(own, "rank_correlation")) for name, own in conditions(rows)]
    return combine(direction_parts(correlations, below, below=True), "correlation")


def _costs_of_near_duplicates(removal: Table, cost: str, *, less_others: bool) -> Samples:
    """By condition: the mean cost of removing one near duplicate, or that minus the mean of other filters, by seed.

    Filters that never fire don't count: they are useless for another reason. A condition is left out unless most of its
    networks have all that is needed; the others of its networks have missing values.
    """
    found = []
    for name, rows in conditions(removal[~removal["never_active"].astype(bool)]):
        near = rows["near_duplicate"].astype(bool)
        costs = by_seed(rows[near], cost)
        if less_others:
            costs = costs - by_seed(rows[~near], cost)
        if costs.count() > rows["seed"].nunique() / 2:
            found.append((name, costs))
    return found
