"""Optimal Brain Damage weight by weight, as in the paper: what it predicts, and how far retraining gets."""

from __future__ import annotations

from itertools import takewhile
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from filtertwins.claims.evidence.registry import Share, Table, test
from filtertwins.claims.evidence.rows import by_seed, chosen
from filtertwins.claims.judging import (
    NotMeasured,
    Outcome,
    combine,
    direction_parts,
    equivalence_parts,
    in_words,
    range_parts,
)
from filtertwins.settings import Name

Shares = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]


@test("predicted", "actual")
def predicted_increase_has_the_right_size(
    obd: Table,
    *,
    level: float,
    architecture: Name,
    recursion: Literal["exact", "paper"],
    share: Share,
    factor: Annotated[float, Field(gt=1)],
) -> Outcome:
    """Is the actual increase in loss the predicted one to within a factor, at a share of the weights deleted?

    Actual over predicted, since what is predicted is never 0. Predicted by the exact diagonal of the Hessian, or by the
    paper's own recursion for it.
    """
    column = {"exact": "predicted_increase", "paper": "predicted_increase_1990"}[recursion]
    rows = chosen(obd, architecture=architecture, ranking="obd", share=share)
    predicted, actual = (by_seed(rows, name) for name in (column, "actual_increase"))
    parts = range_parts({_deleted(share): actual / predicted}, 1 / factor, factor, level)
    sizes = {name: f"{own.mean():.2g} nats" for name, own in (("predicted", predicted), ("actual", actual))}
    return combine(parts, "ratio", **sizes)


@test("reach", "reach_by_magnitude")
def retraining_restores_accuracy(
    obd: Table, *, level: float, architecture: Name, up_to: Share, margin: PositiveFloat
) -> Outcome:
    """Is the retrained test accuracy that of the network without a deletion, within a margin, up to a share deleted?

    The sentence can also mention the ``reach``: the largest share before the mean leaves the margin. And how far
    deleting the smallest weights gets, since what retraining restores is not to the credit of the ranking alone.
    """
    change, by_magnitude = (_changes_of_retrained(obd, architecture, ranking) for ranking in ("obd", "magnitude"))
    (last, *_) = chosen(obd, architecture=architecture, ranking="obd", share=up_to)["share"]
    changes = {_deleted(share): own for share, own in change.items() if share <= last}
    return combine(
        equivalence_parts(changes, margin, level),
        "points of accuracy",
        reach=_reach(change, margin),
        reach_by_magnitude=_reach(by_magnitude, margin),
    )


@test()
def saliency_beats_magnitude(obd: Table, *, level: float, architecture: Name, shares: Shares) -> Outcome:
    """Does the loss grow less with weights deleted by Optimal Brain Damage than by absolute value, at each share?"""
    differences = {}
    for share in shares:
        rows = chosen(obd, architecture=architecture, share=share)
        by_saliency, by_magnitude = (
            by_seed(chosen(rows, ranking=ranking), "actual_increase") for ranking in ("obd", "magnitude")
        )
        differences[_deleted(share)] = by_saliency - by_magnitude
    return combine(direction_parts(differences, 0.0, level, below=True), "nats")


def _deleted(share: Any) -> str:
    return f"{100 * share:.0f} % deleted"


def _changes_of_retrained(obd: Table, architecture: str, ranking: str) -> Table:
    """Retrained test accuracy less that without a deletion: one row a seed, one column a share above 0, ascending."""
    rows = chosen(obd, architecture=architecture, ranking=ranking)
    accuracy = rows.pivot_table(index="seed", columns="share", values="test_accuracy_retrained")
    if 0.0 not in accuracy:
        raise NotMeasured(f"no network of {architecture} retrained without a deletion")
    return accuracy.sub(accuracy[0.0], axis="index").drop(columns=0.0)


def _reach(changes: Table, margin: float) -> str:
    """The largest share before the mean leaves the margin."""
    inside = takewhile(lambda share: abs(changes[share].mean()) <= margin, map(float, changes.columns))
    return in_words(max(inside, default=0.0), "share")
