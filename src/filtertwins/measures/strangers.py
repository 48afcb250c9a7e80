"""Filters that live in one network, compared with strangers: filters of networks that differ in the seed alone.

Closeness above random directions is two things at once. Training prefers some directions in every network (a learned
*density*), and the filters of one network act on each other (an *interaction*). Strangers share the density but never
met, so only the interaction tells housemates from strangers.

A pair is close if it is more similar than a given share q of stranger pairs, so that a threshold means the same in 3
and in 25 dimensions. Within one condition let W_s(τ) be the share of pairs within network s that reach the similarity
τ, B_st(τ) that of the pairs across networks s and t, and W and B their means. With τ where B(τ) = q, the ratio
g = W / B is a pair-correlation function (Ripley 1977, J. R. Stat. Soc. B 39(2)) whose reference is replicated
networks; the difference W - B is q(g - 1), and its interval is that of g on another scale.

Intervals of log g are delete-one-network jackknife intervals (Miller 1974, Biometrika 61(1)) with t(S - 1). The unit is
the network, since pairs within one depend on each other. Two things differ from the textbook's jackknife:

- Each time a network is left out, τ is found anew. Otherwise B would seem to vary, although it is q by construction.
- What two networks share by chance is left out twice, once with each of them, so that a jackknife counts this noise
  twice (Efron & Stein 1981, Ann. Stat. 9(3), on statistics of pairs). The jackknife's variance of a mean over pairs
  that have nothing in common but chance is 2(S - 1) / (S - 2) times too large. Therefore the threshold moves by
  λ = √((S - 2) / (2(S - 1))) of its way only, on the scale of log B.

Simulated coverage is 95 to 97 % with 6 and 10 networks of 32 filters (``test_strangers_calibration.py``), also where
each network has a covariance of its own; with some five to ten expected pairs it is 98 %. Power is bounded by the
number of close pairs. Ten networks of 32 filters have 50 at the primary threshold, give or take 7. A third fewer is
found in 45 % of all draws by an interval, and in 71 % by an exchange of filters (:mod:`filtertwins.measures.exchange`);
with twenty networks an interval finds it in 87 %. A third more, if they are near copies, is found by the band of
:func:`ratio_curve` in 82 %, and a third fewer of the closest 5 % in 96 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from filtertwins.measures.redundancy import Equivalence, Floats, similarities_among

STRANGER_SHARE = 0.01
"""The primary threshold is the similarity that this share of stranger pairs exceed, whatever the dimension."""

CURVE_SHARES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002)
"""The curve of the ratio has a point for each of these shares of stranger pairs."""

FEWEST_EXPECTED_PAIRS = 5
"""With fewer close pairs expected within all networks together, a ratio is not estimable."""

FEWEST_NETWORKS = 3

KEPT = 0.3
"""The share of stranger pairs that comparisons can be made with."""

_ROUNDING = 1e-9  # Sums of many weights differ from what they should be by less than this.


@dataclass(frozen=True)
class Comparison:
    """Housemates beside strangers at one threshold; NaN where missing."""

    threshold: float
    within: float
    between: float
    difference: float
    difference_low: float
    difference_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    expected_pairs: float
    n: int  # networks

    @property
    def estimable(self) -> bool:
        """Whether enough close pairs are expected to tell a ratio."""
        return self.expected_pairs >= FEWEST_EXPECTED_PAIRS


@dataclass(frozen=True)
class Curve:
    """The ratio at several thresholds, with a band that holds at all of them at once."""

    shares: tuple[float, ...]  # of stranger pairs that exceed the threshold
    points: tuple[Comparison, ...]  # at each share; their own intervals hold at one threshold alone
    band_low: Floats  # (share,), NaN where missing
    band_high: Floats


@dataclass(frozen=True)
class Neighbourhoods:
    """The similarities of pairs of filters: of all within each network, and of the closest across every two."""

    within: tuple[Floats, ...]  # by network, (pair,), ascending
    strangers: Floats  # (pair,), ascending
    first: NDArray[np.intp]  # (pair,), the network of the first of two strangers
    second: NDArray[np.intp]  # (pair,), the network of the second
    sizes: NDArray[np.intp]  # (network,), filters
    corresponding: bool  # whether filters at the same place of two networks are left out of the strangers


def neighbourhoods(
    networks: Sequence[Floats], equivalence: Equivalence, kept: float = KEPT, *, corresponding: bool = False
) -> Neighbourhoods:
    """Compare every two filters, within networks and across.

    Args:
        networks: the unit vectors of each network's live filters, (filter, dimension).
        equivalence: under which scalings two filters do the same job.
        kept: the share of stranger pairs to keep, at least three times the largest that comparisons are made at:
            leaving out a network moves a threshold, but not to where three times as many pairs are close.
        corresponding: whether the networks started from the same weights, so that filters at the same place of two of
            them began as one and are no strangers; then all networks have as many filters.
    """
    networks = [units for units in networks if len(units)] or [np.zeros((0, 1))]  # One without filters tells nothing.
    similarity = similarities_among(np.concatenate(networks), equivalence)
    ends = np.cumsum([0, *(len(units) for units in networks)])
    places = [slice(start, end) for start, end in pairwise(ends.tolist())]
    own = [np.sort(similarity[place, place][np.triu_indices(place.stop - place.start, 1)]) for place in places]
    blocks = [(s, t) for t in range(len(networks)) for s in range(t)]
    across = [similarity[places[s], places[t]] for s, t in blocks]
    across = [block[np.eye(*block.shape) == 0] if corresponding else block.ravel() for block in across]
    strangers = np.concatenate([*across, np.zeros(0)])
    block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in across])
    if len(strangers):
        least = int((1 - kept) * len(strangers))
        closest = np.flatnonzero(strangers >= np.partition(strangers, least)[least])
        order = closest[np.argsort(strangers[closest])]
        strangers, block_of = strangers[order], block_of[order]
    first, second = np.array(blocks, dtype=np.intp).reshape(-1, 2)[block_of].T
    sizes = np.array([len(units) for units in networks], dtype=np.intp)
    return Neighbourhoods(tuple(own), strangers, first.copy(), second.copy(), sizes, corresponding)


def compare_with_strangers(pairs: Neighbourhoods, share: float = STRANGER_SHARE, *, level: float = 0.95) -> Comparison:
    """Are filters of one network more or less often alike than strangers?

    Args:
        pairs: of the networks of one condition; conditions are never pooled, since they share initial kernels.
        share: of stranger pairs that exceed the similarity from which a pair counts as close, in (0, 1).
        level: confidence of the two intervals.

    Returns:
        The intervals are missing for fewer than three networks, and where leaving out one network leaves no close pair.
    """
    return _compared(pairs, (share,), level)[0][0]


def ratio_curve(
    pairs: Neighbourhoods,
    rng: np.random.Generator,
    shares: Sequence[float] = CURVE_SHARES,
    *,
    level: float = 0.95,
    draws: int = 5_000,
) -> Curve:
    """The ratio over thresholds, with a simultaneous band.

    The band is log g ± c·(standard error), with one c for all thresholds: the quantile of the largest of the
    studentised errors. These are simulated as the t statistics of S normal rows with the jackknife values' correlation,
    each with a variance of its own (Hasler & Hothorn 2008, Biom. J. 50(5), after Hothorn, Bretz & Westfall 2008,
    Biom. J. 50(3)). Thresholds at which the ratio is not estimable have no band and do not widen that of the others.

    Args:
        pairs: as for :func:`compare_with_strangers`.
        rng: for the simulation.
        shares: of stranger pairs that exceed each threshold.
        level: confidence of the band, and of each point's interval.
        draws: how many.
    """
    points, without_one = _compared(pairs, shares, level)
    band = np.full((2, len(points)), np.nan)
    used = np.array([point.estimable and not np.isnan(point.ratio_low) for point in points])
    if used.any():
        values = without_one[:, used]
        half = _largest_error(values, level, rng, draws) * _standard_error(values)
        middle = np.log([point.ratio for point, known in zip(points, used, strict=True) if known])
        band[:, used] = np.exp([middle - half, middle + half])
    return Curve(tuple(shares), tuple(points), *band)


def _compared(pairs: Neighbourhoods, shares: Sequence[float], level: float) -> tuple[list[Comparison], Floats]:
    """The comparison at each share, and log g up to a constant with each network left out, (network, share)."""
    count, chosen = len(pairs.sizes), np.asarray(shares, dtype=np.float64)
    thresholds, within, between, error = np.full((4, len(chosen)), np.nan)
    without_one = np.full((count, len(chosen)), np.nan)
    if len(pairs.strangers) and any(len(own) for own in pairs.within):
        reaching = _reaching(pairs)
        thresholds = pairs.strangers[_places(reaching, chosen)]
        between = _at(pairs, reaching, thresholds)
        within = _mean_within(pairs, thresholds[np.newaxis], np.ones((count, 1)))[0]
        without_one = _log_ratios_without_one(pairs, thresholds, between)
        error = _standard_error(without_one)
    half = stdtrit(count - 1, (1 + level) / 2) * error
    ratio = within / between
    low, high = ratio * np.exp(-half), ratio * np.exp(half)
    expected = np.nan_to_num(between) * sum(len(own) for own in pairs.within)
    points = [
        Comparison(
            threshold=float(thresholds[place]),
            within=float(within[place]),
            between=float(between[place]),
            difference=float(between[place] * (ratio[place] - 1)),
            difference_low=float(between[place] * (low[place] - 1)),
            difference_high=float(between[place] * (high[place] - 1)),
            ratio=float(ratio[place]),
            ratio_low=float(low[place]),
            ratio_high=float(high[place]),
            expected_pairs=float(expected[place]),
            n=count,
        )
        for place in range(len(chosen))
    ]
    return points, without_one


def _log_ratios_without_one(pairs: Neighbourhoods, thresholds: Floats, between: Floats) -> Floats:
    """Log g with each network left out, up to a constant, where thresholds move by λ of their way: (network, share).

    Infinite or NaN where no close pair is left, and for too few networks.
    """
    count = len(pairs.sizes)
    own, change = np.full((2, count, len(thresholds)), np.nan)
    if count < FEWEST_NETWORKS:
        return change
    moved = np.sqrt((count - 2) / (2 * (count - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        for s in range(count):
            reaching = _reaching(pairs, s)
            stayed = np.log(_at(pairs, reaching, thresholds) / between)  # The change of log B where thresholds stay.
            places = _places(reaching, between * np.exp((1 - moved) * stayed))
            own[s] = pairs.strangers[places]
            change[s] = (1 - moved) * stayed - np.log(_at(pairs, reaching, own[s]))
        return np.asarray(np.log(_mean_within(pairs, own, 1 - np.eye(count))) + change)


def _mean_within(pairs: Neighbourhoods, thresholds: Floats, counted: Floats) -> Floats:
    """W, the mean over networks of their shares of close pairs, for rows of thresholds: (row, threshold).

    Args:
        pairs: of all networks.
        thresholds: (row, threshold).
        counted: (network, row), 1 for the networks that a row's mean is taken over; others are 0.
    """
    counted = counted * np.array([[len(own) > 0] for own in pairs.within])
    reached = [
        1 - np.searchsorted(own, thresholds, side="left") / max(len(own), 1) for own in pairs.within
    ]  # by network, (row, threshold)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("sr,srt->rt", counted, reached) / counted.sum(axis=0)[:, np.newaxis])


def _reaching(pairs: Neighbourhoods, left_out: int | None = None) -> Floats:
    """The share of stranger pairs from each one upwards, (pair,), perhaps without those of one network.

    Each two networks count alike, however many filters are live in them.
    """
    sizes = pairs.sizes.astype(np.float64)
    if left_out is not None:
        sizes[left_out] = 0.0
    every_two = np.outer(sizes, sizes) - pairs.corresponding * np.minimum.outer(sizes, sizes)
    weights = np.divide(1.0, every_two, out=np.zeros_like(every_two), where=every_two > 0)
    blocks = np.count_nonzero(np.triu(every_two, 1))
    return np.asarray(np.cumsum(weights[pairs.first, pairs.second][::-1])[::-1] / (blocks or np.nan))


def _places(reaching: Floats, shares: Floats) -> NDArray[np.intp]:
    """The pairs that these shares of stranger pairs exceed, or the least similar pair."""
    places = len(reaching) - 1 - np.searchsorted(reaching[::-1], shares * (1 + _ROUNDING), side="right")
    return np.maximum(places, 0)


def _at(pairs: Neighbourhoods, reaching: Floats, thresholds: Floats) -> Floats:
    """The share of stranger pairs that reach thresholds, all of them similarities of stranger pairs."""
    return np.asarray(reaching[np.searchsorted(pairs.strangers, thresholds, side="left")])


def _standard_error(without_one: Floats) -> Floats:
    """The jackknife's standard error from the estimates that leave out one network each, (network, ...)."""
    count = len(without_one)
    with np.errstate(invalid="ignore"):  # The logarithm of no close pair is infinite, and its error missing.
        squares = np.sum((without_one - without_one.mean(axis=0)) ** 2, axis=0)
    return np.asarray(np.sqrt((count - 1) / count * squares))


def _largest_error(without_one: Floats, level: float, rng: np.random.Generator, draws: int) -> float:
    """The quantile of the largest studentised error of several estimates, whose jackknife values are (network, one)."""
    count = len(without_one)
    deviations = without_one - without_one.mean(axis=0)
    lengths = np.linalg.norm(deviations, axis=0)
    if not lengths.any():
        return 0.0
    directions = deviations / np.where(lengths > 0, lengths, 1)
    values, vectors = np.linalg.eigh(directions.T @ directions)
    root = vectors * np.sqrt(np.maximum(values, 0))  # (estimate, component)
    rows = rng.standard_normal((draws, count, len(root))) @ root.T
    with np.errstate(invalid="ignore"):  # An estimate that no network moves has no error.
        errors = np.sqrt(count) * np.abs(rows.mean(axis=1)) / rows.std(axis=1, ddof=1)
    return float(np.quantile(np.nanmax(errors, axis=1), level))
