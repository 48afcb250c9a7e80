"""Optimal Brain Damage weight by weight, as in the paper: what it predicts, and how far retraining gets."""

from __future__ import annotations

from itertools import takewhile
from typing import Annotated, cast

import pandas as pd
from pydantic import Field

from filtertwins.architectures import Name
from filtertwins.claims.evidence.registry import Share, Table, test
from filtertwins.claims.evidence.rows import averaged, by_seed, chosen, difference
from filtertwins.claims.judging import NotMeasured, Outcome, combine, range_parts, same_parts
from filtertwins.claims.words import in_words
from filtertwins.settings import Margins

Factor = Annotated[float, Field(gt=1)]
Shares = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]


@test("predicted", "actual", "gradient", "quadratic")
def predicted_increase_has_the_right_size(obd: Table, *, architecture: Name, share: Share, factor: Factor) -> Outcome:
    """Is the actual increase in loss the predicted one to within a factor, at a share of the weights deleted?

    Actual over predicted, since that is hardly ever 0. The sentence can mention what the prediction leaves out:
    the gradient, and the cross terms, which the whole quadratic term has and the diagonal has not.
    """
    rows = chosen(obd, architecture=architecture, ranking="obd", share=share)
    terms = {"predicted": "predicted_increase", "actual": "actual_increase"}
    terms |= {"gradient": "gradient_increase", "quadratic": "quadratic_increase"}
    increases = {name: by_seed(rows, column) for name, column in terms.items()}
    if not increases["predicted"].all():
        raise NotMeasured("no increase is predicted for some seed, so that there is no ratio to it")
    ratio = increases["actual"] / increases["predicted"]
    parts = range_parts([(_deleted(share), ratio)], 1 / factor, factor)
    return combine(parts, "ratio", **{name: f"{own.mean():.2g} nats" for name, own in increases.items()})


@test("reach", "reach_by_magnitude")
def retraining_restores_accuracy(obd: Table, *, architecture: Name, up_to: Share, margins: Margins) -> Outcome:
    """Is the retrained test accuracy that of the network without a deletion, within a margin, up to a share deleted?

    The sentence can also mention the ``reach``: the largest share before the mean leaves the margin. And how far
    deleting the smallest weights gets, since what retraining restores is not to the credit of the ranking alone.
    """
    changes, by_magnitude = (_changes_of_retrained(obd, architecture, ranking) for ranking in ("obd", "magnitude"))
    margin = margins.accuracy
    (last, *_) = chosen(obd, architecture=architecture, ranking="obd", share=up_to)["share"]
    return combine(
        same_parts([(_deleted(share), own) for share, own in changes if share <= last], margin),
        "points of accuracy",
        reach=_reach(changes, margin),
        reach_by_magnitude=_reach(by_magnitude, margin),
    )


@test()
def saliency_beats_magnitude(obd: Table, *, architecture: Name, shares: Shares, margins: Margins) -> Outcome:
    """Does the loss grow less with weights deleted by Optimal Brain Damage than by absolute value, at each share?"""
    rows = {share: chosen(obd, architecture=architecture, share=share) for share in shares}
    differences = [
        (_deleted(share), difference(own, "actual_increase", "ranking", "obd", "magnitude"))
        for share, own in rows.items()
    ]
    return combine(range_parts(differences, highest=-margins.loss), "nats")


def _deleted(share: float) -> str:
    return f"{100 * share:.0f} % deleted"


def _changes_of_retrained(obd: Table, architecture: str, ranking: str) -> list[tuple[float, pd.Series[float]]]:
    """Retrained test accuracy less that without a deletion, by seed, at each share of weights deleted, ascending."""
    rows = chosen(averaged("obd", obd), architecture=architecture, ranking=ranking)
    chosen(rows, share=0.0)  # Without it there is nothing to compare with.
    deleted = rows[rows["share"] > 0]
    return [(cast("float", share), by_seed(own, "retrained_change")) for share, own in deleted.groupby("share")]


def _reach(changes: list[tuple[float, pd.Series[float]]], margin: float) -> str:
    """The largest share before the mean leaves the margin."""
    inside = takewhile(lambda change: abs(change[1].mean()) <= margin, changes)
    return in_words(max((share for share, _ in inside), default=0.0), "share")
