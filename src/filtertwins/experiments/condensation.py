"""Condensation (H6): do small initial weights make filters alike?"""

from __future__ import annotations

import numpy as np

from filtertwins.measures.nulls import isotropic_mean_absolute_cosine
from filtertwins.measures.redundancy import filter_vectors, nearest_filters, similarity_matrix
from filtertwins.names import Row
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk


def condensation_rows(chunk: Chunk) -> list[Row]:
    """``condensation.csv``: one row a network and recorded step.

    Cosines are absolute ones of kernels without biases, for all activations. ``mean_cosine`` is their mean over all
    pairs of filters. It is 1 when all kernels lie on one line, which Luo et al. 2021 (J. Mach. Learn. Res. 22(71)) call
    condensed, and ``isotropic_mean_cosine`` by chance. ``train_loss`` is known at the last step only.
    """
    model = chunk.condition["model"]
    chance = isotropic_mean_absolute_cosine(int(np.prod(model["kernel"])))
    rows = []
    for index, run in enumerate(run_names(chunk)):
        scale = chunk.condition["starts"][chunk.starts[index]]["scale"]
        for place, step in enumerate(chunk.snapshot_steps.tolist()):
            vectors = filter_vectors(chunk.snapshot_kernels[place, index], None, "nonzero_scale")
            similarity = similarity_matrix(vectors, "nonzero_scale")
            live = len(similarity)
            pairs = similarity[np.triu_indices(live, 1)]
            nearest = nearest_filters(vectors, "nonzero_scale")[1]
            last = step == chunk.snapshot_steps[-1]
            rows.append(
                run
                | {"activation": model["activation"], "scale": scale, "step": step}
                | {"mean_cosine": float(pairs.mean()) if len(pairs) else np.nan, "isotropic_mean_cosine": chance}
                | {"mean_nearest_cosine": float(np.nanmean(nearest)) if live > 1 else np.nan, "live_filters": live}
                | {"train_loss": float(chunk.scores.losses[0, index]) if last else np.nan}
            )
    return rows
