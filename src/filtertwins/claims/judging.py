"""From measured values to a verdict: the rules that all claims share.

A claim has one or more parts, such as one for each number of filters. It is supported if every part holds, refuted if
one fails, and inconclusive otherwise. That one of m parts fails is said at level/m (Bonferroni), so that many parts do
not make it likelier. That a part holds is said at the level itself: all have to, which makes it no likelier (Berger
1982, Technometrics 24(4)). Equivalence tests are Holm-adjusted all the same, as everywhere in the study. The unit is
the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from filtertwins.measures.redundancy import Floats
from filtertwins.measures.statistics import EquivalenceTest, Interval, bootstrap_interval, holm, sign_flip_test

Verdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_VERDICT_OF: dict[bool | None, Verdict] = {True: "supported", False: "refuted", None: "inconclusive"}
_WORST_FIRST = (False, None, True)

Unit = Literal[
    "accuracy",
    "points of accuracy",
    "nats",
    "cosine",
    "change of cosine",
    "logits",
    "distance",
    "correlation",
    "networks",
    "pairs",
    "share",
    "ratio",
]
"""What an effect is measured in. Accuracies and shares, such as those of networks and of pairs, are in [0, 1]."""

_IN_WORDS: dict[str, Callable[[float], str]] = {
    "accuracy": lambda x: f"{100 * x:.1f} %",
    "points of accuracy": lambda x: f"{100 * x:z.2f} points",
    "nats": lambda x: f"{x:.4f}",
    "cosine": lambda x: f"{x:.3f}",
    "change of cosine": lambda x: f"{x:+.3f}",
    "logits": lambda x: f"{x:.2g}",
    "distance": lambda x: f"{x:.2g}",
    "correlation": lambda x: f"{x:.2f}",
    "networks": lambda x: f"{100 * x:.1f} %",
    "pairs": lambda x: f"{100 * x:.2f} %",
    "share": lambda x: f"{100 * x:.1f} %",
    "ratio": lambda x: f"{x:.2f}",
}
_LISTED = 6  # parts at most that a sentence lists one by one
_BOOTSTRAP_SEED = 20200
_TABLES_CONFIDENCE = 0.9  # of the intervals of equivalence tests


class NotMeasured(Exception):  # noqa: N818 - not an error: a study need not measure everything
    """The tables lack what a claim needs; the message says what."""


@dataclass(frozen=True)
class Outcome:
    """What the tables say about a claim. Effect and interval are those of the part that decides."""

    verdict: Verdict
    effect: float
    low: float
    high: float
    unit: Unit
    p_value: float  # NaN where an interval or every single network decides, and where the unit is no sample
    n: int  # seeds, of the part that has the fewest
    numbers: Mapping[str, str] = field(default_factory=dict)  # for the sentence


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
    p_value: float = np.nan


def combine(parts: Sequence[Part], unit: Unit, **numbers: str) -> Outcome:
    """One outcome of all parts: the worst one decides.

    Args:
        parts: at least one.
        unit: of the effects.
        numbers: what else the claim's sentence may mention.

    Raises:
        NotMeasured: there is no part.
    """
    if not parts:
        raise NotMeasured("nothing there to test it on")
    worst = min(parts, key=lambda part: (_WORST_FIRST.index(part.holds), part.room))
    return Outcome(
        verdict=_VERDICT_OF[worst.holds],
        effect=worst.effect,
        low=worst.low,
        high=worst.high,
        unit=unit,
        p_value=worst.p_value,
        n=min(part.n for part in parts),
        numbers={
            "part": worst.name,
            "parts": str(len(parts)),
            "held": str(sum(bool(part.holds) for part in parts)),
            "each": _each(parts, unit),
            **numbers,
        },
    )


def _each(parts: Sequence[Part], unit: Unit) -> str:
    if len(parts) <= _LISTED:
        return listed([f"{part.name}: {in_words(part.effect, unit)}" for part in parts])
    effects = [part.effect for part in parts]
    return f"{in_words(min(effects), unit)} to {in_words(max(effects), unit)}"


def in_words(value: float, unit: str) -> str:
    """A number as a sentence or a table shows it.

    >>> in_words(0.9243, "accuracy")
    '92.4 %'
    >>> in_words(-1e-5, "points of accuracy")
    '0.00 points'
    """
    return _IN_WORDS[unit](value) if np.isfinite(value) else "unknown"


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


def range_parts(values: Mapping[str, pd.Series[float]], lowest: float, highest: float, level: float) -> dict[str, Part]:
    """Is each mean over seeds within a range? By its bootstrap interval.

    Args:
        values: of each part by name, one number per seed.
        lowest: end of the range.
        highest: end of the range.
        level: chance that the claim is allowed of a wrong verdict.
    """
    parts = {}
    for name, sample in values.items():
        interval, wide = (bootstrap_interval(sample, _rng(), level=1 - level / tests) for tests in (1, len(values)))
        mean, low, high = interval.estimate, interval.low, interval.high
        holds = _told(
            within(low, high, lowest, highest) is True,
            within(wide.low, wide.high, lowest, highest) is False,
        )
        parts[name] = Part(name, mean, low, high, interval.n, holds, min(mean - lowest, highest - mean))
    return parts


def direction_parts(
    values: Mapping[str, pd.Series[float]], line: float, level: float, *, below: bool = False, in_all: int | None = None
) -> list[Part]:
    """Is each mean over seeds above a line? The bootstrap interval must say so, and sign flips.

    Sign flips are exact for few seeds, where the bootstrap is too sure of itself: of five seeds they say p = 0.03 at
    best. Values all equal, as 0 where nothing ever happens, are taken at their word.

    Args:
        values: of each part by name, one number per seed, such as a paired difference.
        line: what the mean is compared with.
        level: chance that the claim is allowed of a wrong verdict.
        below: ask whether the means are below the line instead.
        in_all: parts of the claim, if these are not all.
    """
    side, in_all = -1 if below else 1, in_all or len(values)
    parts = []
    for name, sample in values.items():
        interval, wide = (bootstrap_interval(sample, _rng(), level=1 - level / tests) for tests in (1, in_all))
        beyond = side * (sample.dropna() - line)
        p_value, p_against = _sign_flip(beyond), _sign_flip(-beyond)
        constant = interval.method == "constant"
        holds = _told(
            _sided(interval, line, side) is True and (constant or p_value < level),
            _sided(wide, line, side) is False and (constant or p_against < level / in_all),
        )
        room = side * (interval.estimate - line)
        parts.append(Part(name, interval.estimate, interval.low, interval.high, interval.n, holds, room, p_value))
    return parts


def equivalence_parts(tests: Mapping[str, EquivalenceTest], p_holm: ArrayLike, level: float) -> list[Part]:
    """Is each mean difference within its margin? Two one-sided tests say yes, a whole interval beyond it says no.

    Args:
        tests: of each part by name, with intervals of confidence 90 %.
        p_holm: adjusted p-values, ``(part,)``.
        level: chance that the claim is allowed of a wrong verdict.
    """
    parts = []
    for (name, test), p in zip(tests.items(), np.asarray(p_holm, dtype=np.float64), strict=True):
        low, high = _widened(test, 1 - 2 * level / len(tests))
        holds = _told(p < level, within(low, high, -test.margin, test.margin) is False)
        room = test.margin - abs(test.difference)
        parts.append(Part(name, test.difference, test.low, test.high, test.n, holds, room, float(p)))
    return parts


def no_more_parts(tests: Mapping[str, EquivalenceTest], level: float) -> list[Part]:
    """Is each mean difference no more than its margin? By one end of its interval; how low it is does not matter.

    Args:
        tests: of each part by name, with intervals of confidence 90 %.
        level: chance that the claim is allowed of a wrong verdict, on each side.
    """
    parts = []
    for name, test in tests.items():
        (_, high), (low, _) = (_widened(test, 1 - 2 * level / of_parts) for of_parts in (1, len(tests)))
        holds = _told(high < test.margin, low > test.margin)
        parts.append(Part(name, test.difference, test.low, test.high, test.n, holds, test.margin - test.difference))
    return parts


def network_parts(values: pd.Series[float], lowest: float, highest: float, seeds: int) -> list[Part]:
    """Is the value of every single network within a range? What is exact needs no test; low and high are the extremes.

    Args:
        values: one per network.
        lowest: end of the range.
        highest: end of the range.
        seeds: how many there are.
    """
    low, high = float(values.min()), float(values.max())
    return [
        Part("", float(x), low, high, seeds, bool(lowest <= x <= highest), min(x - lowest, highest - x)) for x in values
    ]


def share_part(hits: pd.Series[bool], line: float, level: float, seeds: int) -> Part:
    """Is the share of networks that have something above a line?

    Exact one-sided bounds (Clopper & Pearson 1934, Biometrika 26(4)). They take networks as independent, though some
    share a seed; with the seed as the unit the bounds would be wider.

    Args:
        hits: whether each network has it.
        line: a share in [0, 1].
        level: chance of a wrong answer, on each side.
        seeds: how many there are.
    """
    found = stats.binomtest(int(hits.sum()), len(hits))
    interval = found.proportion_ci(1 - 2 * level, method="exact")
    share, low, high = float(found.statistic), float(interval.low), float(interval.high)
    return Part("", share, low, high, seeds, above(low, high, line), share - line)


def _told(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


def _sided(interval: Interval, line: float, side: int) -> bool | None:
    """Whether an interval is above a line, or for side -1 below it."""
    low, high = (interval.low, interval.high) if side > 0 else (-interval.high, -interval.low)
    return above(low, high, side * line)


def _rng() -> np.random.Generator:
    return np.random.default_rng(_BOOTSTRAP_SEED)  # anew: no interval depends on another


def _sign_flip(values: pd.Series[float]) -> float:
    return sign_flip_test(values, np.zeros(len(values)), _rng()).p_value


def _widened(test: EquivalenceTest, confidence: float) -> tuple[float, float]:
    """A t-interval of another confidence, from the one of 90 %."""
    if test.n < 2:
        return np.nan, np.nan
    quantile = [float(stats.t.ppf((1 + level) / 2, test.n - 1)) for level in (confidence, _TABLES_CONFIDENCE)]
    half = (test.high - test.low) / 2 * quantile[0] / quantile[1]
    return test.difference - half, test.difference + half


def holm_of(tests: Mapping[str, EquivalenceTest]) -> Floats:
    """The adjusted p-values of equivalence tests."""
    return holm([test.p_value for test in tests.values()])
