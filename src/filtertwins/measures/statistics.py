"""Intervals and tests over seeds, the study's unit: pairs of filters within a network depend on each other.

In values per seed NaN means *missing* and is left out (in paired tests, the pair is); ``n`` says what was
left. Where that is too little for an answer, the answer is missing too: NaN for a number, None for a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from filtertwins.measures.redundancy import Floats

SEED = 20200
"""The seed of all sign flips."""

FLIPS = 9_999  # Where there are more ways to flip signs, so many are drawn.
FEWEST_PAIRS = 3  # Of two, sign flips give p = 0.25 at best, and a rank correlation is 1 or -1 whatever they are.


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, and the median beside it; NaN where missing."""

    estimate: float
    low: float
    high: float
    n: int
    median: float


@dataclass(frozen=True)
class PairedTest:
    """Is a mean difference above 0? NaN where missing."""

    difference: float
    p_value: float
    n: int  # pairs


def seed_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """The study's interval of a mean over seeds, the same in every table, figure and claim: Student's t.

    Its coverage was simulated (``test_statistics.py``). With 5 and 10 seeds it is the nominal 95 % for normal values,
    but 88 and 90 % for exponential and 82 and 84 % for lognormal ones, whose rare large values few seeds show. So
    the median stands beside the mean, and where the two are far apart the interval is not to be trusted.

    Args:
        values: ``(seed,)``; missing ones are left out.
        level: confidence.

    Returns:
        The mean, its interval and the median. The interval is missing for fewer than two values, all for none. Equal
        values have an interval of no width.
    """
    sample = _finite_or_missing("values", values)
    sample = sample[~np.isnan(sample)]
    n = len(sample)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0, np.nan)
    if n > 1 and np.ptp(sample) == 0:  # A mean of equal values may differ from them in the last bit.
        value = float(sample[0])
        return Interval(value, value, value, n, value)
    mean = float(np.mean(sample))
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(sample)) if n > 1 else np.nan
    return Interval(mean, mean - half, mean + half, n, float(np.median(sample)))


def sign_flip_test(first: ArrayLike, second: ArrayLike, rng: np.random.Generator) -> PairedTest:
    """Paired permutation test that the mean of ``first - second`` is above 0, such as trained minus null, over seeds.

    Without a difference each pair's sign is a coin toss (Fisher 1935, The Design of Experiments, section 21). The test
    is exact where all flips are tried. The smallest p is 2^-n: it takes five seeds for p < 0.05.

    Args:
        first: ``(seed,)``.
        second: ``(seed,)``, of the same seeds.
        rng: for the flips, where they are too many for all to be tried.

    Returns:
        The mean difference and its p-value, 1 if all differences are 0; missing for fewer than 3 pairs.

    Raises:
        ValueError: for values that do not pair.
    """
    differences = _differences(first, second)
    n = len(differences)
    mean = float(np.mean(differences)) if n else np.nan
    if n < FEWEST_PAIRS:
        return PairedTest(mean, np.nan, n)
    options: dict[str, Any] = {"permutation_type": "samples", "vectorized": True, "alternative": "greater", "rng": rng}
    result = stats.permutation_test((differences,), np.mean, n_resamples=FLIPS, **options)
    return PairedTest(mean, float(result.pvalue), n)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation (Spearman 1904, Am. J. Psychol. 15(1)); tied values share the mean of their ranks.

    Returns:
        From -1 to 1; missing (NaN) for fewer than three pairs, and where either side's values are all equal.

    Raises:
        ValueError: for values that do not pair.
    """
    ranked, others = _pairs(first, second)
    if len(ranked) < FEWEST_PAIRS or np.ptp(ranked) == 0 or np.ptp(others) == 0:
        return np.nan
    return float(stats.spearmanr(ranked, others).statistic)


def _differences(first: ArrayLike, second: ArrayLike) -> Floats:
    minuends, subtrahends = _pairs(first, second)
    return minuends - subtrahends


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Both values of the pairs of which neither is missing."""
    left, right = _finite_or_missing("first", first), _finite_or_missing("second", second)
    if left.shape != right.shape:
        raise ValueError(f"second: {len(right)} values; first has {len(left)}, and they are pairs")
    present = ~np.isnan(left) & ~np.isnan(right)
    return left[present], right[present]


def _finite_or_missing(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isinf(array).any():
        raise ValueError(f"{name}: {values!r}; allowed: one row of numbers, each finite or missing")
    return array
