"""Are housemates closer, or less close, than an exchange of filters among networks makes them? A permutation test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.nulls import monte_carlo_p_value
from filtertwins.measures.redundancy import Equivalence, Floats, similarities_among


def exchange_test(
    networks: Sequence[Floats], equivalence: Equivalence, threshold: float, rng: np.random.Generator, draws: int = 199
) -> tuple[float, float]:
    """Permutation p-values that housemates are closer, and that they are less close, than an exchange of filters makes.

    Filters are exchanged among the networks at random. That is exact only if networks have no effect of their own: one
    whose filters share a covariance rejects for attraction far too often, and hardly ever for repulsion. So a small
    second value is conservative, and a small first one ambiguous. Both are missing for a single network.
    """
    if len(networks) < 2 or np.isnan(threshold):
        return np.nan, np.nan
    units = np.concatenate(list(networks))
    sizes = np.array([len(own) for own in networks])
    first, second = np.nonzero(np.triu(similarities_among(units, equivalence) >= threshold, 1))
    own = np.repeat(np.arange(len(sizes)), sizes)
    weights = 1 / np.maximum(sizes * (sizes - 1) / 2, 1)  # (network,), such that each network counts alike

    def pairs_within(labels: NDArray[np.intp]) -> Floats:
        """The sum of the networks' shares of close pairs, for each row of filters' networks."""
        together = labels[..., first] == labels[..., second]
        sums = np.sum(together * weights[labels[..., first]], axis=-1)
        return np.asarray(np.round(sums, 9))  # So that equal counts give equal sums, whatever their order.

    observed = float(pairs_within(own))
    labels = np.empty((draws, len(own)), dtype=np.intp)
    for row in labels:
        row[rng.permutation(len(own))] = own
    drawn = pairs_within(labels)
    return monte_carlo_p_value(observed, drawn), monte_carlo_p_value(-observed, -drawn)
