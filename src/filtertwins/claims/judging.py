"""From measured values to a verdict: the rules that all claims share.

A claim has one or more parts, such as one for each number of filters. It is supported if every part holds, refuted if
one part fails, and inconclusive otherwise. With m parts, each is said to fail at level/m (Bonferroni), so that many
parts do not make a refutation likelier. Each is said to hold at the level itself: all of them must hold, which makes
support no likelier (Berger 1982, Technometrics 24(4)). Equivalence tests are Holm-adjusted all the same, as everywhere
in the study. The unit is the seed.

The functions here take ``values``, the numbers of each part by its name, one per seed and with the seeds as index where
they are paired; and ``level``, the chance of a wrong verdict that the claim is allowed.
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

Verdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Samples = Mapping[str, "pd.Series[float]"]

_VERDICT_OF: dict[bool | None, Verdict] = {True: "supported", False: "refuted", None: "inconclusive"}
_WORST_FIRST = (False, None, True)

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
_TABLES_CONFIDENCE = 0.9  # The intervals of equivalence tests have this confidence.


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
    worst = min(parts, key=lambda part: (_WORST_FIRST.index(part.holds), part.room))
    n = min(part.n for part in parts)
    numbers |= {name: in_words(getattr(worst, name), unit) for name in ("effect", "low", "high")}
    numbers |= {"n": str(n), "part": worst.name, "parts": str(len(parts)), "each": _each(parts, unit)}
    numbers["held"] = str(sum(bool(part.holds) for part in parts))
    return Outcome(_VERDICT_OF[worst.holds], worst, unit, n, numbers)


def _each(parts: Sequence[Part], unit: str) -> str:
    if len(parts) <= _LISTED:
        return listed([f"{in_words(part.effect, unit)} ({part.name})" for part in parts])
    effects = [part.effect for part in parts]
    return f"{in_words(min(effects), unit)} to {in_words(max(effects), unit)}"


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


def range_parts(values: Samples, lowest: float, highest: float, level: float) -> list[Part]:
    """Is each mean over seeds within a range? Its interval must be."""
    parts = []
    for name, sample in values.items():
        found, wide = (seed_interval(sample, level=1 - level / tests) for tests in (1, len(values)))
        holds = _told(
            within(found.low, found.high, lowest, highest) is True,
            within(wide.low, wide.high, lowest, highest) is False,
        )
        room = min(found.estimate - lowest, highest - found.estimate)
        parts.append(Part(name, found.estimate, found.low, found.high, found.n, holds, room))
    return parts


def direction_parts(
    values: Samples, line: float, level: float, *, below: bool = False, in_all: int | None = None
) -> list[Part]:
    """Is each mean over seeds above a line? The interval of the mean must say so, and sign flips.

    Sign flips are exact for few seeds, where the bootstrap is too sure of itself: of five seeds they say p = 0.03 at
    best. Values all equal, as 0 where nothing ever happens, are taken at their word.

    With ``below`` it asks whether the means are below the line instead. ``in_all`` is the number of the claim's parts,
    if these are not all of them.
    """
    side, in_all = -1 if below else 1, in_all or len(values)
    parts = []
    for name, sample in values.items():
        found, wide = (seed_interval(sample, level=1 - level / tests) for tests in (1, in_all))
        nearest, farthest = (found.low, wide.high) if side > 0 else (-found.high, -wide.low)
        beyond = side * (sample.dropna() - line)
        p_value, p_against = _sign_flips(beyond), _sign_flips(-beyond)
        constant = found.method == "constant"
        holds = _told(
            nearest > side * line and (constant or p_value < level),
            farthest <= side * line and (constant or p_against < level / in_all),
        )
        room = side * (found.estimate - line)
        parts.append(Part(name, found.estimate, found.low, found.high, found.n, holds, room, p_value))
    return parts


def equivalence_parts(values: Samples, margin: float, level: float) -> list[Part]:
    """Is each mean within a margin of 0? See :func:`margin_parts`; the p-values are adjusted for the parts."""
    tests = {name: paired_equivalence(sample, np.zeros(len(sample)), margin) for name, sample in values.items()}
    return margin_parts(tests, holm([test.p_value for test in tests.values()]), level)


def margin_parts(tests: Mapping[str, EquivalenceTest], p_adjusted: ArrayLike, level: float) -> list[Part]:
    """Is each mean difference within its margin? Two one-sided tests say yes, a whole interval beyond it says no.

    The tests have intervals of confidence 90 %; there is one adjusted p-value a part.
    """
    parts = []
    for (name, test), p in zip(tests.items(), np.asarray(p_adjusted, np.float64), strict=True):
        low, high = _widened(test, 1 - 2 * level / len(tests))
        holds = _told(p < level, within(low, high, -test.margin, test.margin) is False)
        room = test.margin - abs(test.difference)
        parts.append(Part(name, test.difference, test.low, test.high, test.n, holds, room, float(p)))
    return parts


def network_parts(values: pd.Series[float], lowest: float, highest: float, seeds: int) -> list[Part]:
    """Is the value of every single network within a range? It needs no test: low and high are the extremes."""
    low, high = float(values.min()), float(values.max())
    return [
        Part("", float(x), low, high, seeds, bool(lowest <= x <= highest), min(x - lowest, highest - x)) for x in values
    ]


def share_part(hits: pd.Series[bool], line: float, level: float, seeds: int) -> Part:
    """Is the share of networks that have something above a line?

    By exact one-sided bounds (Clopper & Pearson 1934, Biometrika 26(4)). They take networks as independent, though some
    share a seed; with the seed as the unit the bounds would be wider.
    """
    found = stats.binomtest(int(hits.sum()), len(hits))
    interval = found.proportion_ci(1 - 2 * level, method="exact")
    share, low, high = float(found.statistic), float(interval.low), float(interval.high)
    return Part("", share, low, high, seeds, above(low, high, line), share - line)


def _told(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


def _sign_flips(values: pd.Series[float]) -> float:
    rng = np.random.default_rng(SEED)  # Flips are drawn for 14 seeds and more only; for fewer, all are tried.
    return sign_flip_test(values, np.zeros(len(values)), rng).p_value


def _widened(test: EquivalenceTest, confidence: float) -> tuple[float, float]:
    """A t-interval of another confidence, from the one of 90 %."""
    if test.n < 2:
        return np.nan, np.nan
    quantile = [float(stats.t.ppf((1 + level) / 2, test.n - 1)) for level in (confidence, _TABLES_CONFIDENCE)]
    half = (test.high - test.low) / 2 * quantile[0] / quantile[1]
    return test.difference - half, test.difference + half
