"""Twins that are nearly equal, that differ in their biases alone, or that are planted in trained networks."""

from __future__ import annotations

import math

import numpy as np
from pydantic import PositiveFloat

from filtertwins.architectures import Name
from filtertwins.claims.evidence.registry import Names, Table, test
from filtertwins.claims.evidence.rows import averaged, by_seed, chosen, condition, each
from filtertwins.claims.judging import Outcome, combine, range_parts
from filtertwins.claims.words import in_words
from filtertwins.settings import Margins


@test("factors")
def near_twins_part_faster(twins: Table, *, architectures: Names, epsilon: PositiveFloat, margins: Margins) -> Outcome:
    """Does the distance of near twins grow by a larger factor than that of their network's other filters?

    The effect is the difference of the two logarithms at the last step, for each architecture. It must be larger than
    that of the smallest ratio of interest.
    """
    differences, factors = [], []
    for name, rows in _at_the_end(averaged("twins", twins), architectures, epsilon=epsilon, bias_gap=0.0):
        differences.append((name, by_seed(rows, "log_growth_beyond")))
        near, at_large = (np.exp(rows[column].mean()) for column in ("log_growth", "log_growth_at_large"))
        factors.append(f"{in_words(near, 'ratio')} against {in_words(at_large, 'ratio')} for {name}")
    return combine(range_parts(differences, lowest=math.log(margins.ratio)), "log ratio", factors="; ".join(factors))


@test()
def equal_weights_stay_together(
    twins: Table, *, architectures: Names, bias_gap: PositiveFloat, less_than: PositiveFloat
) -> Outcome:
    """Do kernels stay together that start equal, with equal dense weights and different biases?

    The effect is their distance at the last step, as a share of their length, for each architecture.
    """
    rows = _at_the_end(twins, architectures, epsilon=0.0, bias_gap=bias_gap)
    distances = [(name, by_seed(own, "kernel_distance")) for name, own in rows]
    return combine(range_parts(distances, highest=less_than), "share of length")


@test("cost", "equal_cost")
def duplicates_do_not_last(
    replanted: Table, *, architecture: Name, epsilon: PositiveFloat, apart: PositiveFloat
) -> Outcome:
    """Do near twins, planted in a trained network, part when it is trained on?

    The effect is the distance of their kernels in the end, as a share of their length. Their cost is the training loss
    minus that of the same network without twins, trained on for as long.
    """
    rows = chosen(averaged("replanted", replanted), architecture=architecture, comparison="twin - own")
    near, equal = (chosen(rows, epsilon=gap) for gap in (epsilon, 0.0))
    distances = [(condition(near.iloc[0]), by_seed(near, "kernel_distance"))]
    cost, equal_cost = (in_words(own["train_loss_difference"].mean(), "nats") for own in (near, equal))
    return combine(range_parts(distances, lowest=apart), "share of length", cost=cost, equal_cost=equal_cost)


def _at_the_end(twins: Table, architectures: Names, **wanted: float) -> list[tuple[str, Table]]:
    """Each architecture in words, with the rows of some twins at its last step."""
    found = each(twins, architectures, second_filter="twin", **wanted)
    return [(name, rows[rows["step"] == rows["step"].max()]) for name, rows in found]
