"""From measured values to a verdict: the one rule that all claims share.

A claim has a fixed list of parts, such as one for each number of filters, and says of each that its value lies in a
range. The ends of a range are smallest effects of interest (``margins`` in the config): "more" means more by as much
as matters, and "the same" means different by less. A part holds if its whole interval over seeds is in the range, and
fails if the whole interval is outside. A claim is supported if every part holds, refuted if one part fails, and
inconclusive otherwise.

``LEVEL`` is the chance of a wrong verdict that a claim is allowed. An interval has confidence 1 - LEVEL, or 1 - 2 LEVEL
where the range has two ends: these are two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15). With m
parts, each is said to fail at LEVEL / m (Bonferroni), so that many parts do not make a refutation likelier. Each is
said to hold at LEVEL itself: all of them must hold, which makes support no likelier (Berger 1982, Technometrics 24(4)).
The unit is the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from filtertwins.claims.words import Verdict, in_words
from filtertwins.measures.statistics import seed_interval
from filtertwins.tables.pruning import LEVEL

Samples = Sequence[tuple[str, "pd.Series[float]"]]
"""The name of each part and its values, one per seed, with the seeds as index where they are paired."""

_VERDICT_OF: dict[bool | None, Verdict] = {False: "refuted", None: "inconclusive", True: "supported"}  # worst first

MOST = 0.5
"""What networks are said to do, more than this share of the seeds must do."""

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
    room: float  # by how far the effect is inside the range; negative outside
    median: float = np.nan  # over seeds
    decidable: bool = True  # whether so few seeds could hold or fail at all


@dataclass(frozen=True)
class Outcome:
    """What the tables say about a claim."""

    verdict: Verdict
    part: Part  # the one that decides
    unit: str  # of its effect
    n: int  # seeds, of the part that has the fewest
    pooled: float  # the mean effect of all parts
    decidable: bool  # whether every part could hold or fail with so many seeds
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
    pooled, decidable = float(np.mean([part.effect for part in parts])), all(part.decidable for part in parts)
    return Outcome(_VERDICT_OF[worst.holds], worst, unit, n, pooled, decidable, numbers)


Interval = tuple[float, float]


def told(found: Interval, wide: Interval, lowest: float, highest: float) -> bool | None:
    """Whether a part holds: its interval is within a range; or fails: the wider one, for all parts, is outside it."""
    inside = lowest <= found[0] and found[1] <= highest
    return True if inside else False if wide[1] < lowest or highest < wide[0] else None


def widening(n: int, parts: int, *, level: float = LEVEL) -> float:
    """How many times as long a t interval over n seeds is at level / parts, one-sided, as at the level."""
    return float(stats.t.isf(level / parts, n - 1) / stats.t.isf(level, n - 1))


def range_parts(
    values: Samples, lowest: float = -np.inf, highest: float = np.inf, *, in_all: int | None = None
) -> list[Part]:
    """Is each mean over seeds within a range, which may be open to one side?

    ``in_all`` is the number of the claim's parts, if these are not all of them.
    """
    alpha = 2 * LEVEL if np.isfinite([lowest, highest]).all() else LEVEL
    parts = []
    for name, sample in values:
        found, wide = (seed_interval(sample, level=1 - alpha / tests) for tests in (1, in_all or len(values)))
        holds = told((found.low, found.high), (wide.low, wide.high), lowest, highest)
        room = min(found.estimate - lowest, highest - found.estimate)
        parts.append(Part(name, found.estimate, found.low, found.high, found.n, holds, room, found.median))
    return parts


def same_parts(values: Samples, margin: float) -> list[Part]:
    """Is each mean within a margin of 0?"""
    return range_parts(values, -margin, margin)


def network_parts(values: pd.Series[float], lowest: float, highest: float, seeds: pd.Series[int]) -> list[Part]:
    """Is the value of every single network within a range? It needs no test: low and high are the extremes."""
    low, high, n = float(values.min()), float(values.max()), int(seeds.nunique())
    return [
        Part("", x, low, high, n, told((x, x), (x, x), lowest, highest), min(x - lowest, highest - x))
        for x in values.astype(float)
    ]


def seeds_part(hits: pd.Series[bool]) -> Part:
    """Do most seeds have something, one value a seed?

    By exact one-sided bounds (Clopper & Pearson 1934, Biometrika 26(4)). Networks of one seed start from related draws,
    so that they count once, together.
    """

    def share(count: int) -> tuple[float, float, float]:
        found = stats.binomtest(count, len(hits))
        interval = found.proportion_ci(1 - 2 * LEVEL, method="exact")
        return float(found.statistic), float(interval.low), float(interval.high)

    def told(low: float, high: float) -> bool | None:
        return True if low > MOST else False if high < MOST else None

    effect, low, high = share(int(hits.sum()))
    decidable = told(*share(len(hits))[1:]) is True and told(*share(0)[1:]) is False
    return Part("", effect, low, high, len(hits), told(low, high), effect - MOST, decidable=decidable)
