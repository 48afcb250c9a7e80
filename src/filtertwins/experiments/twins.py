"""Twins (H3 to H5): do two filters stay alike that start equal, with equal kernels only, or nearly equal?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filtertwins.measures.redundancy import Floats
from filtertwins.names import Row
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk

_SETTINGS = ("activation", "optimizer", "learning_rate", "momentum", "weight_decay", "dropout")


def twin_rows(chunk: Chunk) -> list[Row]:
    """``twins.csv``: one row a network and recorded step, about its first two filters.

    ``separation`` is the Euclidean distance of their kernels with biases, ``outgoing_separation`` that of their dense
    weights, and ``equal`` says whether all of these are the same to the last bit. ``bound`` is the largest distance of
    all weights, √(separation² + outgoing_separation²), that :func:`growth_bound` allows.
    """
    model = {name: chunk.condition["model"][name] for name in _SETTINGS}
    first, second = _first_two(chunk)  # (snapshot, network, entry)
    separation = np.linalg.norm(first - second, axis=2)  # (snapshot, network)
    cosine = _cosine(first, second)
    distance = np.hypot(separation, chunk.outgoing_separation)
    bound = growth_bound(chunk, distance[0])
    rows = []
    for index, run in enumerate(run_names(chunk)):
        start = chunk.condition["starts"][chunk.starts[index]]
        rows += [
            run
            | model
            | {"second_filter": start["second_filter"], "epsilon": start["epsilon"], "step": step}
            | {"separation": separation[place, index]}
            | {"outgoing_separation": chunk.outgoing_separation[place, index]}
            | {"equal": bool(distance[place, index] == 0), "cosine": cosine[place, index]}
            | {"bound": bound[place, index]}
            for place, step in enumerate(chunk.snapshot_steps.tolist())
        ]
    return rows


def growth_bound(chunk: Chunk, distance: Floats) -> Floats:
    """How far apart gradient descent can have driven two filters that started at this distance.

    A linear network's logits depend on filter f only through the outer product of its kernel u_f (with its bias) and
    its dense weights v_f, and linearly. Let G be the loss's gradient by that product, which is the same for all
    filters. Then u_f moves by -η G v_f and v_f by -η G'u_f. So each step multiplies the difference of two filters by a
    matrix whose norm is at most |1 - ημ| + η‖G‖, with learning rate η, weight decay μ and the largest singular value
    ‖G‖. The bound is the product of these over steps, at most ε exp ∫(‖G‖ - μ) dt where ημ ≤ 1. Nothing here is an
    approximation: the bound holds at any distance, for the gradients of the batches.

    Args:
        chunk: its ``growth`` holds ‖G‖, (step, network).
        distance: at step 0, ``(network,)``.

    Returns:
        ``(snapshot, network)``; missing where the growth was not recorded, infinite where it passes all numbers.
    """
    if not len(chunk.growth):
        return np.full((len(chunk.snapshot_steps), len(distance)), np.nan)
    rate, decay = (chunk.condition["model"][name] for name in ("learning_rate", "weight_decay"))
    factors = abs(1 - rate * decay) + rate * chunk.growth.astype(np.float64)  # (step, network)
    with np.errstate(over="ignore"):
        bound = np.cumprod(np.vstack([distance, factors]), axis=0)  # A distance of 0 stays 0 whatever the factors.
    return np.asarray(bound[chunk.snapshot_steps])


def _first_two(chunk: Chunk) -> tuple[Floats, Floats]:
    """The first two filters, (snapshot, network, kernel element and bias) each; an only filter has a missing second."""
    kernels = chunk.snapshot_kernels.astype(np.float64)
    flat = kernels.reshape(*kernels.shape[:2], -1, kernels.shape[-1])
    weights = np.concatenate([flat, chunk.snapshot_biases[:, :, None, :]], axis=2)
    first = weights[..., 0]
    return first, weights[..., 1] if weights.shape[-1] > 1 else np.full_like(first, np.nan)


def _cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> Floats:
    """The cosine over the last axis, missing where a vector is zero or missing."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    products = (first * second).sum(axis=-1)
    cosines = np.divide(products, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0)
    return np.asarray(np.clip(cosines, -1.0, 1.0))
