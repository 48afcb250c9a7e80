"""Which filters form groups? scikit-learn's average-linkage clusters of filters by direction.

Dead filters (see :mod:`filtertwins.measures.redundancy`) belong to no cluster: their label is -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from filtertwins.measures.redundancy import (
    Equivalence,
    Floats,
    Numbers,
    check_threshold,
    live_filters,
    similarity_matrix,
)

Labels = NDArray[np.int64]


def cluster_filters(vectors: Numbers, similarity: Floats, threshold: float) -> Labels:
    """Average-linkage clusters of filters whose mean similarity is above τ.

    Args:
        vectors: ``(filter, dimension)``.
        similarity: of the live ones, from :func:`filtertwins.measures.redundancy.similarity_matrix`.
        threshold: τ in (0, 1).

    Returns:
        ``(filter,)``: clusters counted from 0 by first appearance, -1 for dead filters.

    Raises:
        ValueError: for a threshold outside (0, 1).
    """
    check_threshold(threshold)
    return _among_all(vectors, _labels(similarity, n_clusters=None, distance_threshold=1 - threshold))


def cluster_filters_into(vectors: Numbers, equivalence: Equivalence, clusters: int) -> Labels:
    """Average-linkage clusters of filters, as in :func:`cluster_filters`, for a number of clusters.

    Args:
        vectors: ``(filter, dimension)``.
        equivalence: see :data:`filtertwins.measures.redundancy.Equivalence`.
        clusters: how many, from 1 to the live filters.

    Returns:
        ``(filter,)``: clusters counted from 0 by first appearance, -1 for dead filters.

    Raises:
        ValueError: for a number of clusters that the live filters cannot form.
    """
    similarity = similarity_matrix(vectors, equivalence)
    if not 1 <= clusters <= len(similarity):
        raise ValueError(f"clusters = {clusters}; allowed: 1 to the live filters, {len(similarity)}")
    return _among_all(vectors, _labels(similarity, n_clusters=clusters))


def redundant_share(similarity: Floats, threshold: float) -> float:
    """1 - clusters / filters, the share of filters beyond the first of each cluster; missing without a filter.

    After Ayinde & Zurada 2019 (IEEE Trans. Neural Netw. Learn. Syst. 30(9)). The tree of clusters is SciPy's, which
    scikit-learn builds too; without its labels this takes a fraction of the time, and nulls need many.

    Args:
        similarity: of live filters, ``(filter, filter)``.
        threshold: the similarity at which clusters are cut.
    """
    if len(similarity) < 2:  # SciPy needs two.
        return 0.0 if len(similarity) else np.nan
    heights = linkage(squareform(1.0 - similarity, checks=False), method="average")[:, 2]
    return np.count_nonzero(heights < 1 - threshold) / len(similarity)


def with_one_job(similarity: Floats, never_active: NDArray[np.bool_]) -> Floats:
    """Similarities by which the filters that are never active form one cluster, apart from all others.

    Args:
        similarity: of live filters, ``(filter, filter)``.
        never_active: which of them answer 0 to everything, ``(filter,)``. They all do the same job, which is none.
    """
    one, both = np.logical_xor.outer(never_active, never_active), np.logical_and.outer(never_active, never_active)
    return np.where(both, 1.0, np.where(one, -1.0, similarity))


def count_clusters(labels: Labels) -> int:
    """How many clusters the labels name, -1 not being one."""
    return len(np.unique(labels[labels >= 0]))


def _labels(similarity: Floats, **options: Any) -> Labels:
    """scikit-learn's labels of the live filters."""
    if len(similarity) < 2:  # scikit-learn needs two.
        return np.zeros(len(similarity), dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering  # Here, since it takes a second to import.

    distances = 1.0 - similarity
    np.fill_diagonal(distances, 0.0)
    model = AgglomerativeClustering(metric="precomputed", linkage="average", **options)
    return np.asarray(model.fit_predict(distances), dtype=np.int64)


def _among_all(vectors: Numbers, labels: Labels) -> Labels:
    """Labels of the live filters, set among all and renumbered from 0 by first appearance."""
    everyone = np.full(len(vectors), -1, dtype=np.int64)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    everyone[live_filters(vectors)] = np.argsort(np.argsort(first))[inverse]
    return everyone
