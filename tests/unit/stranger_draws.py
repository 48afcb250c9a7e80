"""Networks whose filters are independent, repel or attract each other, for the tests of strangers and of shape."""

from __future__ import annotations

import math

import numpy as np

from filtertwins.measures.redundancy import directions
from filtertwins.measures.shape import shape_test

FILTERS = 32
SIDE = 5
DIMENSION = SIDE**2


def along(count):
    """How alike the pixels in a row are."""
    places = np.arange(count)
    return np.exp(-((places[:, np.newaxis] - places) ** 2) / 2)


ROOT = np.linalg.cholesky(np.kron(along(SIDE), along(SIDE)) + 1e-9 * np.eye(DIMENSION))
"""A square root of the covariance of smooth kernels: a pixel is like its neighbours."""

_FOUR = np.random.default_rng(0).normal(size=(4, DIMENSION))


def smooth(rng, shape):
    """Filters that favour smooth directions, as trained ones do, (..., filter, dimension)."""
    return rng.standard_normal((*shape, DIMENSION)) @ ROOT.T


def own_covariance(rng, shape):
    """Smooth filters, each network's stretched in directions of its own."""
    stretched = np.eye(DIMENSION) + 0.3 * rng.standard_normal((*shape[:-1], DIMENSION, DIMENSION)) / SIDE
    return smooth(rng, shape) @ stretched


DENSITIES = {
    "smooth": smooth,
    "low rank": lambda rng, shape: rng.standard_normal((*shape, 4)) @ _FOUR,
    "heavy tails": lambda rng, shape: smooth(rng, shape) * rng.standard_t(3, size=(*shape, DIMENSION)),
    "uniform": lambda rng, shape: rng.uniform(-1, 1, (*shape, DIMENSION)),
    "own covariance": own_covariance,
}


def networks_of(density, count, rng, filters=FILTERS):
    """Unit vectors of independent filters, (network, filter, dimension)."""
    return [directions(own) for own in DENSITIES[density](rng, (count, filters))]


def repelling(rng, threshold, kept, filters=FILTERS):
    """Smooth filters, where one that is close to n earlier ones is kept with probability kept^n (Strauss 1975)."""
    chosen = np.zeros((filters, DIMENSION))
    count = 0
    while count < filters:
        for unit in directions(smooth(rng, (filters,))):
            if count < filters and rng.random() < kept ** np.count_nonzero(chosen[:count] @ unit >= threshold):
                chosen[count] = unit
                count += 1
    return chosen


def attracting(rng, copies, filters=FILTERS):
    """Smooth filters, of which so many on average are moved to near another one; at most every second can be."""
    units = directions(smooth(rng, (filters,)))
    order = rng.permutation(filters).reshape(-1, 2)
    for moved, other in order[: rng.binomial(len(order), copies / len(order))]:
        units[moved] = directions((units[other] + 0.6 * np.sqrt(rng.random()) * directions(smooth(rng, (1,))))[:1])[0]
    return units


# One network alone


def smooth_root(dimension):
    """A root of the covariance of smooth kernels: 3x3 or 5x5."""
    side = math.isqrt(dimension)
    return np.linalg.cholesky(np.kron(along(side), along(side)) + 1e-9 * np.eye(dimension))


def rejections(rng, root, filters, *, sets=100, twins=0, equivalence="positive_scale", level=0.05):
    """How often sets of independent filters, perhaps with twins of cosine .99, are rejected: by number, by maximum."""
    p_values = []
    for _ in range(sets):
        units = directions(rng.standard_normal((filters, len(root))) @ root.T)
        for twin in range(twins):
            across = rng.standard_normal(len(root)) @ root.T
            across -= across @ units[twin] * units[twin]
            units[-1 - twin] = 0.991 * units[twin] + np.sqrt(1 - 0.991**2) * across / np.linalg.norm(across)
        test = shape_test(units, equivalence, rng, draws=99)
        p_values.append((test.pairs_p_value, test.maximum_p_value))
    return np.mean(np.array(p_values) <= level, axis=0)
