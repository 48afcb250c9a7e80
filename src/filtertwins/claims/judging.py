"""From measured values to a verdict: the rules that all claims share.

A claim has one or more parts, such as one for each number of filters. It is supported if every part holds, refuted if
one part fails, and inconclusive otherwise. ``LEVEL`` is the chance of a wrong verdict that a claim is allowed, the same
as of the tests in tables. With m parts, each is said to fail at level/m (Bonferroni), so that many parts do not make a
refutation likelier. Each is said to hold at the level itself: all of them must hold, which makes support no likelier
(Berger 1982, Technometrics 24(4)). Equivalence tests are Holm-adjusted all the same, as everywhere in the study. The
unit is the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from filtertwins.measures.statistics import (
    SEED,
    EquivalenceTest,
    holm,
    paired_equivalence,
    seed_interval,
    sign_flip_test,
)
from filtertwins.tables.pruning import LEVEL

Verdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Samples = Sequence[tuple[str, "pd.Series[float]"]]
"""The name of each part and its values, one per seed, with the seeds as index where they are paired."""

_VERDICT_OF: dict[bool | None, Verdict] = {False: "refuted", None: "inconclusive", True: "supported"}  # worst first

_FORMATS = {
    "accuracy": ".1%",
    "points of accuracy": "z.2%",
    "nats": ".4f",
    "cosine": ".3f",
    "change of cosine": "+.3f",
    "logits": ".2g",
    "distance": ".2g",
    "correlation": ".2f",
    "networks": ".1%",
    "pairs": ".2%",
    "share": ".1%",
    "ratio": ".2f",
}
"""How an effect is shown, by its unit. Accuracies and shares, such as those of networks and of pairs, are in [0, 1]."""

_LISTED = 6  # A sentence lists so many parts one by one; of more parts it gives the range.


class NotMeasured(Exception):  # noqa: N818 - not an error: a study need not measure everything
    """The tables lack what a claim needs; the message says what."""


@dataclass(frozen=True)
class Part:
    """One part of a claim, such as one number of filters."""

    name: str
    effect: float
    low: float
    high: float
    n: int  # seeds
    holds: bool | None  # None: cannot be told
    room: float  # by how much the effect is on the claim's side of its line; negative beyond it
    p_value: float = np.nan  # missing where an interval or every network decides, and where the unit is no sample


@dataclass(frozen=True)
class Outcome:
    """What the tables say about a claim."""

    verdict: Verdict
    part: Part  # the one that decides
    unit: str  # of its effect
    n: int  # seeds, of the part that has the fewest
    numbers: Mapping[str, str]  # for the sentence


def combine(parts: Sequence[Part], unit: str, **numbers: str) -> Outcome:
    """One outcome of all parts: the worst one decides. The ``numbers`` are others that the sentence may mention.

    Raises:
        NotMeasured: there is no part.
    """
    if not parts:
        raise NotMeasured("nothing there to test it on")
    worst = min(parts, key=lambda part: (list(_VERDICT_OF).index(part.holds), part.room))
    n = min(part.n for part in parts)
    each = [f"{in_words(part.effect, unit)} for {part.name}" for part in parts]
    if len(parts) > _LISTED:
        effects = [part.effect for part in parts]
        each = [f"{in_words(min(effects), unit)} to {in_words(max(effects), unit)}"]
    numbers |= {name: in_words(getattr(worst, name), unit) for name in ("effect", "low", "high")}
    numbers |= {"n": str(n), "part": worst.name, "parts": str(len(parts)), "each": "; ".join(each)}
    numbers["held"] = str(sum(bool(part.holds) for part in parts))
    return Outcome(_VERDICT_OF[worst.holds], worst, unit, n, numbers)


def in_words(value: float, unit: str) -> str:
    """A number as a sentence or a table shows it.

    >>> in_words(0.9243, "accuracy")
    '92.4 %'
    >>> in_words(-1e-5, "points of accuracy")
    '0.00 points'
    """
    shown = format(value, _FORMATS[unit]).replace("%", " points" if unit.startswith("points") else " %")
    return shown if np.isfinite(value) else "unknown"


def listed(words: Sequence[str]) -> str:
    """Words as in running text.

    >>> listed(["1", "2", "4"])
    '1, 2 and 4'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "none"


def above(low: float, high: float, line: float) -> bool | None:
    """Whether an interval is above a line; not above it; or across it, or missing (None)."""
    return _told(low > line, high <= line)


def within(low: float, high: float, lowest: float, highest: float) -> bool | None:
    """Whether an interval is within a range; wholly outside; or across an end, or missing (None)."""
    return _told(lowest <= low and high <= highest, high < lowest or highest < low)


def range_parts(values: Samples, lowest: float, highest: float) -> list[Part]:
    """Is each mean over seeds within a range? Its interval must be."""
    parts = []
    for name, sample in values:
        found, wide = (seed_interval(sample, level=1 - LEVEL / tests) for tests in (1, len(values)))
        inside, outside = (within(x.low, x.high, lowest, highest) for x in (found, wide))
        holds = _told(inside is True, outside is False)
        room = min(found.estimate - lowest, highest - found.estimate)
        parts.append(Part(name, found.estimate, found.low, found.high, found.n, holds, room))
    return parts


def direction_parts(values: Samples, line: float, *, below: bool = False, in_all: int | None = None) -> list[Part]:
    """Is each mean over seeds above a line? The interval of the mean must say so, and sign flips.

    Sign flips are exact for few seeds, where the bootstrap is too sure of itself: of five seeds they say p = 0.03 at
    best. Values all equal, as 0 where nothing ever happens, are taken at their word.

    With ``below`` it asks whether the means are below the line instead. ``in_all`` is the number of the claim's parts,
    if these are not all of them.
    """
    side, in_all = -1 if below else 1, in_all or len(values)
    parts = []
    for name, sample in values:
        found, wide = (seed_interval(sample, level=1 - LEVEL / tests) for tests in (1, in_all))
        nearest, farthest = (found.low, wide.high) if side > 0 else (-found.high, -wide.low)
        beyond = side * (sample.dropna() - line)
        p_value, p_against = _sign_flips(beyond), _sign_flips(-beyond)
        constant = found.method == "constant"
        holds = _told(
            nearest > side * line and (constant or p_value < LEVEL),
            farthest <= side * line and (constant or p_against < LEVEL / in_all),
        )
        room = side * (found.estimate - line)
        parts.append(Part(name, found.estimate, found.low, found.high, found.n, holds, room, p_value))
    return parts


def equivalence_parts(values: Samples, margin: float) -> list[Part]:
    """Is each mean within a margin of 0? See :func:`margin_parts`; the p-values are adjusted for the parts."""
    tests = [(name, paired_equivalence(sample, np.zeros(len(sample)), margin)) for name, sample in values]
    return margin_parts(tests, holm([test.p_value for _, test in tests]))


def margin_parts(tests: Sequence[tuple[str, EquivalenceTest]], p_adjusted: ArrayLike) -> list[Part]:
    """Is each mean difference within its margin? Two one-sided tests say yes, a whole interval beyond it says no.

    The tests have intervals of confidence 90 %, as in tables; there is one adjusted p-value a part.
    """
    parts = []
    for (name, test), p in zip(tests, np.asarray(p_adjusted, np.float64), strict=True):
        low, high = _widened(test, len(tests))
        holds = _told(p < LEVEL, within(low, high, -test.margin, test.margin) is False)
        room = test.margin - abs(test.difference)
        parts.append(Part(name, test.difference, test.low, test.high, test.n, holds, room, float(p)))
    return parts


def network_parts(values: pd.Series[float], lowest: float, highest: float, seeds: pd.Series[int]) -> list[Part]:
    """Is the value of every single network within a range? It needs no test: low and high are the extremes."""
    low, high, n = float(values.min()), float(values.max()), int(seeds.nunique())
    return [
        Part("", float(x), low, high, n, bool(lowest <= x <= highest), min(x - lowest, highest - x)) for x in values
    ]


def share_part(hits: pd.Series[bool], line: float, seeds: pd.Series[int]) -> Part:
    """Is the share of networks that have something above a line?

    By exact one-sided bounds (Clopper & Pearson 1934, Biometrika 26(4)). They take networks as independent, though some
    share a seed; with the seed as the unit the bounds would be wider.
    """
    found = stats.binomtest(int(hits.sum()), len(hits))
    interval = found.proportion_ci(1 - 2 * LEVEL, method="exact")
    share, low, high = float(found.statistic), float(interval.low), float(interval.high)
    return Part("", share, low, high, int(seeds.nunique()), above(low, high, line), share - line)


def _told(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


def _sign_flips(values: pd.Series[float]) -> float:
    rng = np.random.default_rng(SEED)  # Flips are drawn for 14 seeds and more only; for fewer, all are tried.
    return sign_flip_test(values, np.zeros(len(values)), rng).p_value


def _widened(test: EquivalenceTest, parts: int) -> tuple[float, float]:
    """The t-interval of an equivalence test at level / parts, from the one at the level itself."""
    if test.n < 2:
        return np.nan, np.nan
    quantiles = stats.t.isf([LEVEL / parts, LEVEL], test.n - 1)
    half = (test.high - test.low) / 2 * quantiles[0] / quantiles[1]
    return test.difference - half, test.difference + half
