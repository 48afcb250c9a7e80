"""How alike the filters of a set are: the same measures for a network, for as many strangers, and for re-drawn kernels.

What stands beside a network is made of the same vectors: kernels without biases, since re-drawn kernels have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from filtertwins.extensions import Registry, require_parameters
from filtertwins.measures.clusters import redundant_share, with_one_job
from filtertwins.measures.functional import response_vectors
from filtertwins.measures.patches import never_active_on
from filtertwins.measures.redundancy import Equivalence, Floats, live_filters, nearest_similarities, similarity_matrix
from filtertwins.names import Row
from filtertwins.networks.rows import LayerRuns

SETS = 20
"""Sets of strangers that are drawn for each network, of as many filters as it has."""

KERNELS = ("mean_nearest_cosine", "redundant_share")
RESPONSES = (
    "response_mean_nearest_cosine",
    "response_redundant_share",
    "near_kernels_near_responses",
    "near_responses_near_kernels",
)
TAKEN = (
    *("dataset", "architecture", "filters", "seed", "stage", "layer", "kernel_height", "kernel_width", "activation"),
    *("dimension", "equivalence", "live_filters", "dead_filters", "exact_duplicate_pairs", "near_duplicate_pairs"),
    *("mean_nearest_cosine", "twin_pairs", "never_active_filters", "clusters", "redundant_share"),
    *("redundant_share_over_null", "redundant_share_over_strangers", "excess", "p_value", "cosine_to_initial", "sd"),
)
"""The columns of ``redundancy.csv`` and the measures of its means, but for those that begin with null or strangers."""


@dataclass(frozen=True)
class Filters:
    """Some filters, by what they weigh and by what they answer."""

    kernels: Floats  # (filter, dimension), without biases
    responses: Floats  # (filter, dimension), see measures.functional
    never_active: NDArray[np.bool_]  # (filter,)

    def chosen(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Filters:
        """Some of the filters, by their places or by a mask."""
        return Filters(self.kernels[which], self.responses[which], self.never_active[which])


Measure = Callable[..., float]
"""It gives a number for a set of filters, and its parameters name what it looks at."""

LOOKS_AT = ("kernels", "responses", "never_active", "equivalence", "threshold")
"""What a measure may look at: the fields of :class:`Filters`, without dead ones, and the options of ``alike``."""

MEASURES: Registry[tuple[Measure, list[str]]] = Registry("measure", taken={*TAKEN, *RESPONSES})
"""Measures of files beside the config: each a column of ``redundancy.csv``, and what it looks at."""


def measure(function: Measure) -> Measure:
    """Enter a measure of redundancy: a column of ``redundancy.csv``, beside that of re-drawn kernels and of strangers.

    Args:
        function: from some of ``LOOKS_AT`` to a number, which may be missing (NaN).
    """
    MEASURES.enter(function, (function, require_parameters("measure", function, LOOKS_AT)))
    return function


def alike(filters: Filters, equivalence: Equivalence, threshold: float) -> dict[str, float]:
    """The measures ``KERNELS``, ``RESPONSES`` and ``MEASURES`` of a set of filters; missing where there are too few.

    Filters that are never active share a cluster. They detect nothing, so they are left out where it is asked whether
    pairs with near kernels have near responses, and the other way round.

    Args:
        filters: whose kernels and responses are compared.
        equivalence: under which scalings two filters do the same job.
        threshold: the similarity from which a pair is near, and at which clusters are cut.
    """
    found: dict[str, float] = {}
    for prefix, vectors in (("", filters.kernels), ("response_", filters.responses)):
        similarity = similarity_matrix(vectors, equivalence)
        jobs = with_one_job(similarity, filters.never_active[live_filters(vectors)])
        nearest = float(nearest_similarities(similarity).mean()) if len(similarity) > 1 else np.nan
        found |= zip((f"{prefix}{name}" for name in KERNELS), (nearest, redundant_share(jobs, threshold)), strict=True)
    seeing = filters.chosen(live_filters(filters.kernels) & live_filters(filters.responses) & ~filters.never_active)
    pairs = np.triu_indices(len(seeing.kernels), 1)
    near, answering = (
        similarity_matrix(own, equivalence)[pairs] >= threshold for own in (seeing.kernels, seeing.responses)
    )
    both = np.count_nonzero(near & answering)
    found["near_kernels_near_responses"] = both / near.sum() if near.any() else np.nan
    found["near_responses_near_kernels"] = both / answering.sum() if answering.any() else np.nan
    if MEASURES:
        live = filters.chosen(live_filters(filters.kernels))
        seen = vars(live) | {"equivalence": equivalence, "threshold": threshold}
        for name, (function, looks_at) in MEASURES.items():
            found[name] = float(function(**{part: seen[part] for part in looks_at})) if len(live.kernels) else np.nan
    return found


def mean_over(sets: pd.DataFrame, measures: Sequence[str], prefix: str) -> Row:
    """Columns of a row: the mean of each measure over sets; missing where no set has a value."""
    return {f"{prefix}{name}": float(sets[name].mean()) for name in measures}


def strangers_of(
    networks: Sequence[Filters], equivalence: Equivalence, threshold: float, rng: np.random.Generator, sets: int = SETS
) -> list[pd.DataFrame]:
    """For each network, the measures of sets of as many live filters, drawn from all the other networks.

    Args:
        networks: of one condition at one stage, which differ in the seed alone.
        equivalence: as for :func:`alike`.
        threshold: as for :func:`alike`.
        rng: for the sets.
        sets: how many.

    Returns:
        A row a set, drawn without replacement; no rows where there is one other network only, whose filters have met,
        or where the others have too few. Of a set from m networks a share of 1/m of the pairs have met, so that what
        networks have beyond it is understated by about that share.
    """
    live = [own.chosen(live_filters(own.kernels)) for own in networks]
    found = []
    for s, own in enumerate(live):
        others = [other for t, other in enumerate(live) if t != s]
        rows = []
        if len(others) > 1 and 0 < len(own.kernels) <= sum(len(other.kernels) for other in others):
            pool = Filters(*(np.concatenate(parts) for parts in zip(*(vars(o).values() for o in others), strict=True)))
            draws = (rng.choice(len(pool.kernels), len(own.kernels), replace=False) for _ in range(sets))
            rows = [alike(pool.chosen(draw), equivalence, threshold) for draw in draws]
        found.append(pd.DataFrame(rows, columns=[*KERNELS, *RESPONSES, *MEASURES], dtype=np.float64))
    return found


def never_active(layer: LayerRuns, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which ReLU filters of a layer answer 0 to every training image, (stage, network, filter)."""
    if layer.activation != "relu":
        return np.zeros(layer.biases.shape, dtype=bool)
    if layer.active is not None:
        return ~layer.active
    stages, networks, filters = layer.biases.shape
    kernels = layer.kernels.reshape(-1, *layer.kernels.shape[2:])
    return never_active_on(kernels, layer.biases.reshape(-1, filters), images).reshape(stages, networks, filters)


def response_vectors_of(
    layer: LayerRuns, place: int, kernels: Sequence[Floats], moment: Callable[[tuple[int, int]], Floats]
) -> list[Floats]:
    """For each network, vectors whose cosines are those of its filters' responses, (filter, dimension).

    Where a layer's answers were kept, they stand for the responses, with each filter's mean taken off: to fixed places
    of fixed images, so that filters of different networks can be compared whatever channels they see. Of a layer that
    neither sees the images nor has answers, such as the depthwise half of a separable convolution, the vectors are
    zero, and measures of responses are missing.

    Args:
        layer: of some networks.
        place: of the stage.
        kernels: of each network at this stage, (filter, dimension).
        moment: gives the images' patches' second moment for a kernel's height and width.
    """
    if layer.sees_images:
        return [response_vectors(own, moment(layer.kernel)) for own in kernels]
    if layer.answers is None:
        return [np.zeros_like(own) for own in kernels]
    answers = layer.answers[place].astype(np.float64)
    return list((answers - answers.mean(axis=1, keepdims=True)).swapaxes(1, 2))
