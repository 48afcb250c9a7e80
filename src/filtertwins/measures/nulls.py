"""How similar are filters by chance? Null models for :mod:`filtertwins.measures.redundancy`.

Two nulls of one set of filters: *isotropic* (independent directions, uniform on the sphere; closed forms) and
*redrawn* (kernels drawn afresh from the layer's own initialiser; Monte Carlo). A bias starts at zero in every
filter, so initial kernels live in the kernel's own dimension under either equivalence: there their null is.

``filters`` is the number of live filters of the run that a null is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betainccinv, gammaln, ndtr, ndtri

from filtertwins.measures.redundancy import Equivalence, Floats, Numbers, ignores_sign, similarities_among

_FAMILY_OF_INITIALIZER = {  # The scale of a distribution is irrelevant to directions.
    "glorotuniform": "uniform",
    "heuniform": "uniform",
    "lecununiform": "uniform",
    "randomuniform": "uniform",
    "glorotnormal": "truncated_normal",  # Keras cuts all its normal initialisers at two standard deviations,
    "henormal": "truncated_normal",
    "lecunnormal": "truncated_normal",
    "truncatednormal": "truncated_normal",
    "randomnormal": "normal",  # except for this one
    "orthogonal": "orthogonal",
    "constant": "equal",
    "ones": "equal",
    "zeros": "equal",
}

_BATCH_ENTRIES = 1_000_000  # kernel weights or similarities held at a time: 8 MB of float64


# The isotropic null


def isotropic_cosine_cdf(cosines: ArrayLike, dimension: int, equivalence: Equivalence) -> Floats:
    """P(similarity of two isotropic directions ≤ c), for each c.

    cos² ~ Beta(1/2, (d-1)/2) and the sign is fair (Muirhead 1982, Aspects of Multivariate Statistical Theory,
    section 1.5). In one dimension |cos| is always 1.
    """
    c = np.asarray(cosines, dtype=np.float64)
    if dimension == 1:
        at_one = (c >= 1).astype(np.float64)
        return at_one if ignores_sign(equivalence) else (at_one + (c >= -1)) / 2
    c = np.clip(c, 0.0 if ignores_sign(equivalence) else -1.0, 1.0)
    absolute_cdf = betainc(0.5, (dimension - 1) / 2, c**2)
    return np.asarray(absolute_cdf if ignores_sign(equivalence) else (1 + np.sign(c) * absolute_cdf) / 2)


def isotropic_mean_absolute_cosine(dimension: int) -> float:
    """E|cos| = Γ(d/2) / (√π Γ((d+1)/2)), the mean of √Beta(1/2, (d-1)/2)."""
    return float(np.exp(gammaln(dimension / 2) - gammaln((dimension + 1) / 2)) / np.sqrt(np.pi))


def isotropic_nearest_cdf(cosines: ArrayLike, filters: int, dimension: int, equivalence: Equivalence) -> Floats:
    """P(one filter's nearest cosine ≤ c) = F(c)^(k-1).

    Exact as the marginal law of one filter, whose cosines to the k-1 others are independent. The nearest
    cosines of a network's k filters depend on each other, so this is not the law of their mean or maximum.
    Missing for k = 1.
    """
    cdf = isotropic_cosine_cdf(cosines, dimension, equivalence) ** (filters - 1)
    return cdf if filters > 1 else np.full_like(cdf, np.nan)


def isotropic_nearest_mean(filters: int, dimension: int, equivalence: Equivalence) -> float:
    """Mean nearest cosine of k isotropic directions, ∫ c dF(c)^(k-1); for |cos| and d = 3 it is 1 - 1/k.

    Missing for k = 1.
    """
    if filters == 1:
        return np.nan
    if dimension == 1:  # two directions: a filter's nearest is at -1 only if all others point the other way
        return 1.0 if ignores_sign(equivalence) else 1.0 - 2.0 ** (2 - filters)

    def quantile(probability: float) -> float:
        """The cosine at which F^(k-1) is ``probability``, by way of 1 - F: F may be too close to 1."""
        upper_tail = -np.expm1(np.log(probability) / (filters - 1))
        if ignores_sign(equivalence):
            return float(np.sqrt(betainccinv(0.5, (dimension - 1) / 2, upper_tail)))
        absolute = np.sqrt(betainccinv(0.5, (dimension - 1) / 2, 2 * min(upper_tail, 1 - upper_tail)))
        return float(absolute if upper_tail < 0.5 else -absolute)

    from scipy.integrate import quad  # It takes half a second to import, and `inspect` has no use for it.

    mean, _ = quad(quantile, 0.0, 1.0, limit=200)  # over probabilities, where many filters make no sharp step
    return float(mean)


# The redrawn null


def redrawn(
    statistic: Callable[[Floats], Numbers],
    filters: int,
    dimension: int,
    equivalence: Equivalence,
    initializer: str,
    draws: int,
    rng: np.random.Generator,
) -> Numbers:
    """A statistic of networks just initialised: ``(draw, ...)``.

    The unit is the network, as in the statistic that is judged. The law depends on the arguments only: seeds and
    conditions that share them can share one null.

    Args:
        statistic: from similarities ``(draw, filter, filter)`` to ``(draw, ...)``.
        filters: k, the live filters of the network.
        dimension: d, weights per kernel, without the bias.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        initializer: Keras's name for it, such as ``glorot_uniform``.
        draws: how many networks.
        rng: the generator. The draws do not depend on how they are batched.

    Raises:
        ValueError: for an initialiser whose weights are not independent draws from a known family.
    """
    batch = max(1, _BATCH_ENTRIES // (filters * max(filters, dimension)))
    found = []
    for start in range(0, draws, batch):
        kernels = draw_weights((min(batch, draws - start), filters, dimension), initializer, rng)
        units = kernels / np.linalg.norm(kernels, axis=-1, keepdims=True)
        found.append(statistic(similarities_among(units, equivalence)))
    return np.concatenate(found)


def draw_weights(shape: tuple[int, ...], initializer: str, rng: np.random.Generator) -> Floats:
    """Weights ``(..., filter, dimension)`` as an initialiser draws them, but for their scale.

    Most are independent: uniform on [-1, 1], standard normal, or that cut at ±2. Those of ``Orthogonal`` are
    orthogonal, up to as many filters as there are dimensions; ``Constant`` and its like make all filters equal.

    Raises:
        ValueError: the initialiser is not known; names are Keras's, in either spelling.
    """
    family = _FAMILY_OF_INITIALIZER.get(initializer.lower().replace("_", ""))
    if family is None:
        raise ValueError(f"initializer: {initializer!r} has no known distribution; allowed are Keras's names")
    if family == "uniform":
        return rng.uniform(-1.0, 1.0, shape)
    if family == "truncated_normal":
        return np.asarray(ndtri(rng.uniform(ndtr(-2.0), ndtr(2.0), shape)))  # the inverse of the CDF
    if family == "equal":
        return np.ones(shape)
    normal = rng.standard_normal(shape)
    if family == "orthogonal":
        tall = normal.swapaxes(-1, -2) if shape[-2] < shape[-1] else normal
        basis = np.linalg.qr(tall)[0]
        return np.asarray(basis.swapaxes(-1, -2) if shape[-2] < shape[-1] else basis)
    return normal


def monte_carlo_p_value(observed: float, null: Floats) -> float:
    """(1 + #{null ≥ observed}) / (1 + draws), never 0 (Phipson & Smyth 2010, SAGMB 9(1)).

    Missing if the observed value or a draw is, or if there is none.
    """
    if np.isnan(observed) or np.isnan(null).any() or not len(null):
        return np.nan
    return float((1 + np.count_nonzero(null >= observed)) / (1 + len(null)))


def pooled_p_value(observed: Sequence[float], nulls: Sequence[Floats]) -> float:
    """The p-value of the sum of a statistic over networks, such as a count, by :func:`monte_carlo_p_value`.

    A draw of the sum is one draw of each network, and no draw is used twice, even where networks share a null: then
    2,000 draws give 200 sums over 10 networks, and the test is exact (Hope 1968, J. R. Stat. Soc. B 30(3)).

    Args:
        observed: one value a network.
        nulls: each network's null, (draw,).
    """
    networks = len(nulls)
    sums = min(map(len, nulls)) // networks
    whole = np.sum([null[place::networks][:sums] for place, null in enumerate(nulls)], axis=0)
    return monte_carlo_p_value(float(np.sum(observed)), whole)
