"""Filters that live in one network, compared with strangers: filters of networks that differ in the seed alone.

Closeness above random directions is two things at once. Training prefers some directions in every network (a learned
*density*), and the filters of one network act on each other (an *interaction*). Strangers share the density but never
met, so only the interaction tells housemates from strangers.

Within one condition let W_s be the share of pairs within network s that are at least as similar as a threshold τ, and
B_st the share of such pairs across networks s and t. The difference W - B of their means and the ratio g = W / B
compare housemates with strangers: g is a pair-correlation function (Ripley 1977, J. R. Stat. Soc. B 39(2)) whose
reference is replicated networks. Intervals are delete-one-network jackknife intervals (Miller 1974, Biometrika 61(1))
with t(S - 1), that of the ratio on a logarithmic scale. The unit is the network, since pairs
within one depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from filtertwins.measures.redundancy import Equivalence, Floats, similarities_across, similarities_among

STRANGER_SHARE = 0.01
"""The primary threshold is the similarity that this share of stranger pairs exceed, whatever the dimension."""

FEWEST_EXPECTED_PAIRS = 5
"""With fewer close pairs expected within all networks together, a ratio is not estimable."""

FEWEST_NETWORKS = 3


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
class Neighbourhoods:
    """The similarities of all pairs of filters of some networks, sorted, within each network and across every two."""

    within: tuple[Floats, ...]  # by network, (pair,)
    across: dict[tuple[int, int], Floats]  # by two networks in order, (pair,)

    @property
    def networks(self) -> int:
        """How many networks there are."""
        return len(self.within)


def neighbourhoods(networks: Sequence[Floats], equivalence: Equivalence) -> Neighbourhoods:
    """Compare every two filters, within networks and across.

    Args:
        networks: the unit vectors of each network's live filters, (filter, dimension).
        equivalence: under which scalings two filters do the same job.
    """
    own = [similarities_among(units, equivalence)[np.triu_indices(len(units), 1)] for units in networks]
    across = {
        (s, t): np.sort(similarities_across(networks[s], networks[t], equivalence), axis=None)
        for s in range(len(networks))
        for t in range(s + 1, len(networks))
    }
    return Neighbourhoods(tuple(np.sort(pairs) for pairs in own), across)


def primary_threshold(pairs: Neighbourhoods, share: float = STRANGER_SHARE) -> float:
    """The similarity that a share of stranger pairs exceed, each two networks counting alike; NaN without strangers."""
    blocks = [block for block in pairs.across.values() if len(block)]
    if not blocks:
        return np.nan
    values = np.concatenate(blocks)
    weights = np.concatenate([np.full(len(block), 1 / len(block)) for block in blocks])
    return float(np.quantile(values, 1 - share, weights=weights, method="inverted_cdf"))


def compare_with_strangers(pairs: Neighbourhoods, threshold: float, *, level: float = 0.95) -> Comparison:
    """Are filters of one network more or less often alike than strangers?

    Args:
        pairs: of the networks of one condition; conditions are never pooled, since they share initial kernels.
        threshold: the similarity from which a pair counts as close.
        level: confidence of the two intervals.

    Returns:
        The intervals are missing for fewer than three networks. That of the ratio is missing, too, where leaving out
        one network leaves no close pair.
    """
    count = pairs.networks
    usable = [s for s, own in enumerate(pairs.within) if len(own)]
    if count < 2 or not usable or np.isnan(threshold):
        nan = np.nan
        return Comparison(threshold, nan, nan, nan, nan, nan, nan, nan, nan, 0.0, count)
    within = np.array([_share(own, threshold) for own in pairs.within])
    between = np.full((count, count), np.nan)
    for (s, t), block in pairs.across.items():
        between[s, t] = between[t, s] = _share(block, threshold)

    def statistics(kept: Sequence[int]) -> tuple[float, float]:
        chosen = np.asarray(kept)
        block = between[np.ix_(chosen, chosen)]
        return float(np.nanmean(within[chosen])), float(np.nanmean(block[np.triu_indices(len(chosen), 1)]))

    everyone = list(range(count))
    w, b = statistics(everyone)
    difference = ratio = (np.nan, np.nan)
    if count >= FEWEST_NETWORKS:
        without = np.array([statistics([t for t in everyone if t != s]) for s in everyone])
        difference = _jackknife(w - b, without[:, 0] - without[:, 1], level)
        if (without > 0).all():
            low, high = _jackknife(np.log(w / b), np.log(without[:, 0] / without[:, 1]), level)
            ratio = (float(np.exp(low)), float(np.exp(high)))
    expected = b * sum(len(own) for own in pairs.within)
    return Comparison(threshold, w, b, w - b, *difference, w / b if b else np.nan, *ratio, expected, count)


def exchange_test(
    networks: Sequence[Floats], equivalence: Equivalence, threshold: float, rng: np.random.Generator, draws: int = 199
) -> tuple[float, float]:
    """Permutation p-values that housemates are closer, and that they are less close, than an exchange of filters makes.

    Filters are exchanged among the networks at random. That is exact only if networks have no effect of their own: one
    whose filters share a covariance rejects for attraction far too often, and hardly ever for repulsion. So a small
    second value is conservative, and a small first one ambiguous.
    """
    units = np.concatenate(list(networks))
    close = similarities_among(units, equivalence) >= threshold
    ends = np.cumsum([len(own) for own in networks])
    places = np.split(np.arange(len(units)), ends[:-1])

    def pairs_within(order: np.ndarray) -> float:
        shares = []
        for place in places:
            if len(place) > 1:
                own = close[np.ix_(order[place], order[place])]
                shares.append((own.sum() - len(place)) / (len(place) * (len(place) - 1)))
        return float(np.mean(shares))

    observed = pairs_within(np.arange(len(units)))
    drawn = np.array([pairs_within(rng.permutation(len(units))) for _ in range(draws)])
    return tuple(float((1 + np.count_nonzero(side)) / (1 + draws)) for side in (drawn >= observed, drawn <= observed))  # type: ignore[return-value]


def _share(similarities: Floats, threshold: float) -> float:
    """The share of sorted similarities that reach a threshold; NaN of none."""
    if not len(similarities):
        return np.nan
    return 1 - float(np.searchsorted(similarities, threshold, side="left")) / len(similarities)


def _jackknife(estimate: float, without_one: Floats, level: float) -> tuple[float, float]:
    """The interval of an estimate from the estimates that leave out one network each."""
    count = len(without_one)
    error = np.sqrt((count - 1) / count * np.sum((without_one - without_one.mean()) ** 2))
    half = stats.t.ppf((1 + level) / 2, count - 1) * error
    return estimate - half, estimate + half
