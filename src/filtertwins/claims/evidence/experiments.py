"""Accuracy by the number of filters, merged networks, planted twins, and what it costs to take filters out."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import PositiveFloat, PositiveInt

from filtertwins.architectures import Name, SecondFilter
from filtertwins.claims.evidence.registry import Counts, MaybeTable, Networks, Share, Table, test
from filtertwins.claims.evidence.rows import averaged, by_seed, chosen, each_network
from filtertwins.claims.judging import NotMeasured, Outcome, Samples, combine, network_parts, range_parts, same_parts
from filtertwins.claims.words import in_words, listed
from filtertwins.settings import Margins

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]  # "momentum" is SGD with momentum
Other = Literal["own", "silent"]


@test("inside", "outside", "with_intervals", "reading")
def accuracy_in_range(
    runs: Table,
    exact_reading: MaybeTable = None,
    *,
    architecture: Name,
    exact: Name | None = None,
    filters: Counts,
    lowest: Share,
    highest: Share,
) -> Outcome:
    """Is the mean test accuracy within a range, ends included, for each number of filters?

    The networks of the architecture ``exact`` are judged where the study has trained them, in place of the others.
    """
    if exact is None or exact_reading is None:
        own = chosen(runs, architecture=architecture)
    else:
        own = chosen(exact_reading, architecture=exact)
    accuracies = [(str(count), by_seed(chosen(own, filters=count), "test_accuracy")) for count in filters]
    parts = range_parts(accuracies, lowest, highest)
    inside, outside = (
        listed([f"{part.name} ({in_words(part.effect, 'accuracy')})" for part in parts if part.holds is side])
        for side in (True, False)
    )
    words = [[in_words(value, "accuracy") for value in (part.effect, part.low, part.high)] for part in parts]
    with_intervals = "; ".join(
        f"{mean} ({low} to {high}) for {part.name}" for part, (mean, low, high) in zip(parts, words, strict=True)
    )
    reading = f"after {own['steps'].iloc[0]:,} steps ({own['label'].iloc[0]})"
    return combine(parts, "accuracy", inside=inside, outside=outside, with_intervals=with_intervals, reading=reading)


@test("apart")
def equal_accuracy(
    runs: Table, *, architecture: Name, filters: Counts, other_filters: Counts, margins: Margins
) -> Outcome:
    """Is the test accuracy the same within the margin, for each pair of a smaller and a larger number of filters?"""
    own = chosen(runs, architecture=architecture)
    accuracies = {k: by_seed(chosen(own, filters=k), "test_accuracy") for k in {*filters, *other_filters}}
    pairs = [(few, many) for few in filters for many in other_filters if few < many]
    differences = [(f"{few} against {many}", accuracies[few] - accuracies[many]) for few, many in pairs]
    parts = same_parts(differences, margins.accuracy)
    return combine(parts, "points of accuracy", apart=listed([part.name for part in parts if part.holds is False]))


@test()
def logits_change_when_merged(
    merging: Table,
    *,
    architecture: Name,
    filters: Counts,
    filters_kept: PositiveInt,
    at_least: float = 0.0,
    at_most: float = np.inf,
) -> Outcome:
    """Is the largest change of a logit within a range for every network that is merged into fewer filters?"""
    rows = chosen(merging, architecture=architecture, filters_kept=filters_kept)
    own = pd.concat([chosen(rows, filters=count) for count in filters])
    return combine(network_parts(own["largest_logit_change"], at_least, at_most, own["seed"]), "logits")


@test("steps", "stacked", "keras", "keras_pairs", "keras_steps")
def twins_stay_equal(
    twins: Table, planted: Table, *, optimizers: tuple[Optimizer, ...], rounding: PositiveFloat
) -> Outcome:
    """Do filters that start as exact twins stay equal up to rounding, in every network without dropout?

    In this study's own implementation and in plain Keras, wherever the twins are planted. ``rounding`` is the largest
    distance of all their weights that counts as equal, as a share of their kernels' length.
    """
    rows = chosen(twins, second_filter="twin", epsilon=0.0, bias_gap=0.0, dropout=0.0)
    used = set(rows["optimizer"].mask(rows["momentum"] > 0, "momentum"))
    if missing := [name for name in optimizers if name not in used]:
        raise NotMeasured(f"no twins were trained with {listed(missing)}")
    if rows["step"].max() == 0:
        raise NotMeasured("no step after the start is recorded")
    rows = pd.concat([rows, chosen(planted, second_filter="twin", epsilon=0.0, bias_gap=0.0)], ignore_index=True)
    keys = ["implementation", "architecture", "filters", "pair", "seed"]
    largest = rows.groupby(keys)["relative_distance"].max()
    if "keras" not in largest:
        raise NotMeasured("no twins were planted in plain Keras")
    parts = network_parts(largest, 0.0, rounding, rows["seed"])
    words = {name: in_words(largest[name].max(), "share of length") for name in ("stacked", "keras")}
    steps = {name: f"{int(own['step'].max()):,}" for name, own in rows.groupby("implementation")}
    return combine(
        parts,
        "share of length",
        **words,
        steps=steps["stacked"],
        keras_steps=steps["keras"],
        keras_pairs=str(len(largest["keras"])),
    )


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
    rows = chosen(rows, bias_gap=0.0)
    last = rows.groupby("architecture")["step"].transform("max")
    rows = chosen(rows, step=step) if step else rows[rows["step"] == last]
    parts = network_parts(rows["separation"], np.nextafter(0.0, 1.0), np.inf, rows["seed"])
    together = sum(not part.holds for part in parts)
    return combine(parts, "distance", step=f"{int(rows['step'].max()):,}", together=str(together))


@test()
def same_loss(one_fewer: Table, *, networks: Networks, other: Other, margins: Margins) -> Outcome:
    """Is the training loss of a network with twins that with another kind of second filter, within the margin?"""
    return combine(same_parts(_differences_of_loss(one_fewer, networks, other), margins.loss), "nats")


@test()
def larger_loss(one_fewer: Table, *, networks: Networks, other: Other, margins: Margins) -> Outcome:
    """Is the training loss of a network with twins larger than that with another kind of second filter?"""
    return combine(range_parts(_differences_of_loss(one_fewer, networks, other), lowest=margins.loss), "nats")


def _differences_of_loss(one_fewer: Table, networks: Networks, other: Other) -> Samples:
    """By network: the training losses with twins minus those with another kind of second filter, by seed."""
    if chosen(one_fewer, architecture=tuple(networks))["twins_equal"].eq(False).any():
        raise NotMeasured("the planted twins did not stay equal")
    rows = chosen(averaged("one_fewer", one_fewer), comparison=f"twin - {other}")
    return [(name, by_seed(own, "train_loss_difference")) for name, own in each_network(rows, networks)]


@test()
def removal_costs_nothing(removal: Table, *, networks: Networks, merged: bool, margins: Margins) -> Outcome:
    """Is the accuracy the same, within the margin, without one near duplicate? Mean over those of a network.

    It is just taken out, or merged: then its nearest filter takes over its outgoing weights.
    """
    column = "accuracy_decrease_merged" if merged else "accuracy_decrease"
    costs = _costs_of_near_duplicates(removal, networks, column, less_others=False)
    return combine(same_parts(costs, margins.accuracy), "points of accuracy")


@test()
def removal_costs_less(removal: Table, *, networks: Networks, margins: Margins) -> Outcome:
    """Does the loss grow less without one near duplicate than without one other filter? Means over those of a network.

    Filters are just taken out: nothing takes over their outgoing weights.
    """
    differences = _costs_of_near_duplicates(removal, networks, "loss_increase", less_others=True)
    return combine(range_parts(differences, highest=-margins.loss), "nats")


@test()
def similarity_predicts_cost(removal_correlations: Table, *, networks: Networks, margins: Margins) -> Outcome:
    """Is the mean rank correlation of nearest cosine and loss increase on removal below minus the margin?"""
    rows = each_network(removal_correlations, networks)
    correlations = [(name, by_seed(own, "rank_correlation")) for name, own in rows]
    return combine(range_parts(correlations, highest=-margins.correlation), "correlation")


def _costs_of_near_duplicates(removal: Table, networks: Networks, cost: str, *, less_others: bool) -> Samples:
    """By network: the mean cost of removing one near duplicate, or that minus the mean of other filters, by seed.

    Filters that never fire don't count: they are useless for another reason. Seeds without what is needed are missing.

    Raises:
        NotMeasured: most networks of a condition lack what is needed.
    """
    found = []
    for name, rows in each_network(removal[~removal["never_active"].astype(bool)], networks):
        near = rows["near_duplicate"].astype(bool)
        costs = by_seed(rows[near], cost)
        if less_others:
            costs = costs - by_seed(rows[~near], cost)
        if costs.count() <= rows["seed"].nunique() / 2:
            raise NotMeasured(f"most networks of {name} lack near duplicates, or other filters,")
        found.append((name, costs))
    return found
