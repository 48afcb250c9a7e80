"""Condensation (H6): do small initial weights make filters alike?"""

from __future__ import annotations

import math

import numpy as np

from filtertwins.measures.clusters import cluster_filters, count_clusters
from filtertwins.measures.nulls import isotropic_mean_absolute_cosine
from filtertwins.measures.redundancy import (
    Floats,
    equivalence_of,
    filter_vectors,
    ignores_sign,
    similarity_matrix,
)
from filtertwins.names import Row
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk


def condensation_rows(chunk: Chunk, threshold: float) -> list[Row]:
    """``condensation.csv``: one row a network and recorded step.

    Two filters are alike as far as the activation's own equivalence says, with biases where they matter.
    ``directions`` is the number of clusters that filters form at a similarity: 1 when all point one way, which Luo et
    al. 2021 (J. Mach. Learn. Res. 22(71)) call condensed, and as many as there are filters where none are alike. For
    ReLU, two filters on one line that point in opposite directions are two of them. ``mean_similarity`` is the mean
    over all pairs. ``kernel_similarity`` is that of kernels without biases; only this one can be held against
    ``isotropic_similarity``, which random directions have.

    Args:
        chunk: networks and their recorded kernels.
        threshold: τ, the mean similarity within a cluster.
    """
    model = chunk.condition["model"]
    equivalence, dimension = equivalence_of(model["activation"]), math.prod(chunk.snapshot_kernels.shape[2:-1])
    chance = isotropic_mean_absolute_cosine(dimension) if ignores_sign(equivalence) else 0.0
    rows = []
    for index, run in enumerate(run_names(chunk)):
        scale = chunk.condition["starts"][chunk.starts[index]]["scale"]
        for place, step in enumerate(chunk.snapshot_steps.tolist()):
            kernels, biases = chunk.snapshot_kernels[place, index], chunk.snapshot_biases[place, index]
            vectors, alone = (filter_vectors(kernels, own, equivalence) for own in (biases, None))
            similarity = similarity_matrix(vectors, equivalence)
            rows.append(
                run
                | {"activation": model["activation"], "scale": scale, "step": step}
                | {"directions": count_clusters(cluster_filters(vectors, similarity, threshold))}
                | {"mean_similarity": _mean_of_pairs(similarity)}
                | {"kernel_similarity": _mean_of_pairs(similarity_matrix(alone, equivalence))}
                | {"isotropic_similarity": chance, "live_filters": len(similarity)}
            )
    return rows


def _mean_of_pairs(similarity: Floats) -> float:
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    return float(pairs.mean()) if len(pairs) else np.nan
