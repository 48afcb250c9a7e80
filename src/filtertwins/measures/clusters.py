"""Which filters form groups? Clusters of filters by direction, and whether there are any at all.

Dead filters (see :mod:`filtertwins.measures.redundancy`) belong to no cluster: their label is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist

from filtertwins.measures.redundancy import (
    Equivalence,
    Floats,
    Numbers,
    directions,
    ignores_sign,
    live_filters,
    similarity_blocks,
    similarity_matrix,
)

Labels = NDArray[np.int64]

_ROUNDING = 1e-9  # far above the rounding of a cosine, far below a difference that matters


def cluster_filters(vectors: Numbers, equivalence: Equivalence, threshold: float) -> Labels:
    """Average-linkage clusters of filters whose mean similarity is τ or more.

    The clusters of ``AgglomerativeClustering(metric="precomputed", linkage="average",
    distance_threshold=1-τ)`` on 1 - similarity, without its whole matrix. Two clusters merge only if some
    pair across them has a similarity of τ or more, so no cluster leaves its connected component of the graph
    of such pairs, and each component is clustered alone, by the routine that scikit-learn uses.

    Args:
        vectors: ``(filter, dimension)``.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        threshold: τ in (0, 1).

    Returns:
        ``(filter,)``: clusters counted from 0 by first appearance, -1 for dead filters.

    Raises:
        ValueError: for a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: {threshold!r}; allowed: between 0 and 1")
    units = directions(vectors)
    labels = np.empty(len(units), dtype=np.int64)
    clusters = 0
    for members in _components(units, equivalence, threshold - _ROUNDING):
        labels[members] = clusters
        if len(members) > 1:
            merges = linkage(_distances(units[members], equivalence), method="average")
            labels[members] += fcluster(merges, 1 - threshold, criterion="distance") - 1
        clusters = labels[members].max() + 1
    return _among_all(vectors, labels)


def cluster_filters_into(vectors: Numbers, equivalence: Equivalence, clusters: int) -> Labels:
    """Average-linkage clusters of filters, as in :func:`cluster_filters`, for a number of clusters.

    Args:
        vectors: ``(filter, dimension)``.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        clusters: how many, from 1 to the live filters.

    Returns:
        ``(filter,)``: clusters counted from 0 by first appearance, -1 for dead filters.

    Raises:
        ValueError: for a number of clusters that the live filters can't form.
    """
    units = directions(vectors)
    if not 1 <= clusters <= len(units):
        raise ValueError(f"clusters = {clusters}; allowed: 1 to the live filters, {len(units)}")
    labels = np.arange(2 * len(units) - clusters)  # of the filters, then of each merger
    if clusters < len(units):
        merges = linkage(_distances(units, equivalence), method="average")[: len(units) - clusters, :2].astype(int)
        for merge in reversed(range(len(merges))):  # what went into a cluster gets its label, from the top down
            labels[merges[merge]] = labels[len(units) + merge]
    return _among_all(vectors, labels[: len(units)])


def redundant_filters(labels: Labels) -> int:
    """Live filters beyond the first of each cluster, filters - clusters (Ayinde & Zurada 2019, TNNLS 30(9)).

    Args:
        labels: of :func:`cluster_filters`.
    """
    return int(np.count_nonzero(labels >= 0)) - count_clusters(labels)


def count_clusters(labels: Labels) -> int:
    """How many clusters the labels name, -1 not being one."""
    return len(np.unique(labels[labels >= 0]))


def cluster_filters_by_density(vectors: Numbers, equivalence: Equivalence, smallest_cluster: int = 2) -> Labels:
    """HDBSCAN's clusters: a second opinion that knows no threshold (Campello, Moulavi & Sander 2013, PAKDD).

    It looks for groups denser than their surroundings, and never returns one cluster of all filters. It holds
    the whole matrix of distances, so is for thousands of filters at most.

    Args:
        vectors: ``(filter, dimension)``.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        smallest_cluster: filters that a group needs, 2 or more.

    Returns:
        ``(filter,)``: clusters counted from 0 by first appearance; -1 for filters in none, and for dead ones.
    """
    from sklearn.cluster import HDBSCAN  # here, since it is slow to import and no rule needs it

    distances = 1.0 - similarity_matrix(vectors, equivalence)
    np.fill_diagonal(distances, 0.0)
    if len(distances) <= smallest_cluster:  # too few to be denser than anything
        return _among_all(vectors, np.full(len(distances), -1))
    model = HDBSCAN(metric="precomputed", min_cluster_size=smallest_cluster, copy=False)
    return _among_all(vectors, model.fit_predict(distances))


@dataclass(frozen=True)
class GapStatistic:
    """Are there clusters at all? If ``clusters`` is 1, no."""

    clusters: int | None  # None: too few live filters to ask
    gaps: Floats  # (cluster count - 1,)
    errors: Floats  # (cluster count - 1,), the simulation error s of each gap


def gap_statistic(
    vectors: Numbers,
    equivalence: Equivalence,
    rng: np.random.Generator,
    *,
    most_clusters: int = 20,
    references: int = 100,
) -> GapStatistic:
    """Gap statistic of average-linkage clusters against isotropic directions.

    Gap(m) = E*[log W_m] - log W_m, W_m = Σ_r D_r / 2n_r the pooled dissimilarity 1 - similarity within m
    clusters. The smallest m with Gap(m) ≥ Gap(m+1) - s_{m+1} is chosen, or the largest tried if there is none
    (Tibshirani, Walther & Hastie 2001, J. R. Stat. Soc. B 63(2)). The reference has as many filters and
    dimensions, with directions uniform on the sphere: directions merely drawn from a cube may show a gap too.

    The rule's one standard error makes it say "clusters" of one isotropic network in ten or so (measured), so
    report how often it does, beside the same for initial kernels.

    Args:
        vectors: ``(filter, dimension)``.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        rng: for the references.
        most_clusters: the largest number of clusters tried; at most one less than the live filters.
        references: how many reference sets.

    Returns:
        The chosen number, and the gaps for 1, 2, ... clusters; nothing for fewer than 3 live filters.
    """
    units = directions(vectors)
    filters, dimension = units.shape
    tried = min(most_clusters, filters - 1)
    if tried < 2:
        return GapStatistic(clusters=None, gaps=np.empty(0), errors=np.empty(0))
    observed = _log_dispersions(units, equivalence)[:tried]
    expected = np.array(
        [_log_dispersions(rng.standard_normal((filters, dimension)), equivalence)[:tried] for _ in range(references)]
    )  # (reference, cluster count - 1)
    gaps = expected.mean(axis=0) - observed
    errors = expected.std(axis=0) * np.sqrt(1 + 1 / references)
    enough = np.flatnonzero(gaps[:-1] >= gaps[1:] - errors[1:])
    return GapStatistic(clusters=int(enough[0]) + 1 if len(enough) else tried, gaps=gaps, errors=errors)


def _components(units: Floats, equivalence: Equivalence, threshold: float) -> list[NDArray[np.intp]]:
    """The members of each component: filters linked by chains of pairs as similar as the threshold."""
    filters = len(units)
    component = np.arange(filters)
    for rows, similarities in similarity_blocks(units, equivalence):
        row, column = np.nonzero(similarities >= threshold)
        # Edges to the components so far stand for the blocks so far, which need not be kept.
        ends = np.append(rows[row], np.arange(filters)), np.append(column, component)
        graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(filters, filters))
        _, label = connected_components(graph, directed=False)
        _, first_member = np.unique(label, return_index=True)
        component = first_member[label]
    order = np.argsort(component, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if filters else []


def _distances(vectors: Floats, equivalence: Equivalence) -> Floats:
    """1 - similarity of each pair, in SciPy's condensed order: ``(pair,)``. In place, to save memory."""
    distances = pdist(vectors, metric="cosine")
    if ignores_sign(equivalence):
        np.subtract(1.0, distances, out=distances)
        np.abs(distances, out=distances)
        np.subtract(1.0, distances, out=distances)
    return np.asarray(np.maximum(distances, 0.0, out=distances))


def _log_dispersions(vectors: Floats, equivalence: Equivalence) -> Floats:
    """Log W_m of the average-linkage clusters, for m = 1, 2, ..., filters: ``(cluster count - 1,)``.

    A merge of a and b at height h adds 2·n_a·n_b·h to D, the dissimilarities over ordered pairs within the
    cluster: under average linkage h is their mean across a and b.
    """
    filters = len(vectors)
    merges = linkage(_distances(vectors, equivalence), method="average")
    sizes = np.append(np.ones(filters), merges[:, 3])
    within = np.zeros(2 * filters - 1)  # D_r of each cluster that ever exists
    dispersions = np.zeros(filters)  # W after 0, 1, ... merges
    for merge, (first, second, height) in enumerate(merges[:, :3]):
        a, b, merged = int(first), int(second), filters + merge
        within[merged] = within[a] + within[b] + 2 * sizes[a] * sizes[b] * height
        parts = within[a] / (2 * sizes[a]) + within[b] / (2 * sizes[b])
        dispersions[merge + 1] = dispersions[merge] - parts + within[merged] / (2 * sizes[merged])
    floor = filters * np.finfo(np.float64).eps  # exact twins: nothing within but rounding, and no log of 0
    return np.log(np.maximum(dispersions[::-1], floor))


def _among_all(vectors: Numbers, labels: Labels) -> Labels:
    """Labels of the live filters, set among all and renumbered from 0 by first appearance."""
    everyone = np.full(len(vectors), -1, dtype=np.int64)
    everyone[live_filters(vectors)] = labels
    clustered = everyone >= 0
    _, first, inverse = np.unique(everyone[clustered], return_index=True, return_inverse=True)
    everyone[clustered] = np.argsort(np.argsort(first))[inverse]
    return everyone
