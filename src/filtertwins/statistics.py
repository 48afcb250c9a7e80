"""Intervals and tests over seeds, the study's unit: pairs of filters within a network depend on each other.

In values per seed NaN means *missing* and is left out (in paired tests, the pair is); ``n`` says what was left. Where
too little is left for an answer, the answer is missing too: NaN for a number, None for a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from filtertwins.redundancy import Floats

Alternative = Literal["greater", "less", "two-sided"]

FEWEST_PAIRS = 3  # a paired test on fewer says nothing: two sign flips give p = 0.25 at best


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; NaN where missing."""

    estimate: float
    low: float
    high: float
    n: int
    method: Literal["BCa", "percentile", "constant", "Wilson", "missing"]


@dataclass(frozen=True)
class PairedTest:
    """A paired test of a mean difference against 0; NaN where missing."""

    difference: float
    p_value: float
    n: int  # pairs


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests: is a mean difference within ± margin? NaN and None where missing."""

    difference: float
    low: float  # of the interval of confidence 1 - 2·alpha, which lies within ± margin just when equivalent
    high: float
    margin: float
    p_value: float
    equivalent: bool | None
    n: int  # pairs


def bootstrap_interval(
    values: ArrayLike, rng: np.random.Generator, *, level: float = 0.95, resamples: int = 10_000
) -> Interval:
    """Bootstrap interval of the mean over seeds.

    Bias-corrected and accelerated (Efron 1987, JASA 82); percentile where that is undefined. Values all equal leave
    nothing to resample, and give an interval of no width.

    Args:
        values: ``(seed,)``; missing ones are left out.
        rng: for the resamples. A fixed one gives a fixed interval.
        level: confidence.
        resamples: how many.

    Returns:
        The mean and its interval; the interval is missing for fewer than two values.
    """
    sample = _present(values)
    n = len(sample)
    if n < 2:
        return Interval(float(sample[0]) if n else np.nan, np.nan, np.nan, n, "missing")
    mean = float(sample.mean())
    if np.ptp(sample) == 0:
        return Interval(float(sample[0]), float(sample[0]), float(sample[0]), n, "constant")
    resampled = rng.choice(sample, size=(resamples, n)).mean(axis=1)
    return Interval(mean, 0, 0, n, "BCa")
