"""Twins (H3 to H5): do two filters stay alike that start equal, with equal kernels only, or nearly equal?"""

from __future__ import annotations

import numpy as np

from filtertwins.measures.redundancy import Floats, Numbers
from filtertwins.names import Row
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk

_SETTINGS = ("implementation", "activation", "optimizer", "learning_rate", "momentum", "weight_decay", "dropout")
_START = ("second_filter", "epsilon", "bias_gap")


def twin_rows(chunk: Chunk) -> list[Row]:
    """``twins.csv`` and ``planted.csv``: one row a network and recorded step, about the pair of filters of its start.

    See :func:`pair_measures`. ``bound`` is the largest distance of all weights, √(separation² + outgoing_separation²),
    that :func:`growth_bound` allows.
    """
    model = {name: chunk.condition["model"][name] for name in _SETTINGS}
    measures = [pair_measures(chunk, index) for index in range(len(chunk.seeds))]
    bound = growth_bound(chunk, np.array([own["distance"][0] for own in measures]))
    rows = []
    for index, (run, own) in enumerate(zip(run_names(chunk), measures, strict=True)):
        start = chunk.condition["starts"][chunk.starts[index]]
        names = run | model | {name: start[name] for name in _START} | {"pair": "{} and {}".format(*start["pair"])}
        rows += [
            names
            | {"step": step}
            | {name: values[place].item() for name, values in own.items()}
            | {"bound": bound[place, index]}
            for place, step in enumerate(chunk.snapshot_steps.tolist())
        ]
    return rows


def pair_measures(chunk: Chunk, index: int) -> dict[str, Numbers]:
    """How far apart the two filters of one network's start are, at each recorded step: ``(snapshot,)`` each.

    ``separation`` is the Euclidean distance of their kernels with biases, ``outgoing_separation`` that of their dense
    weights, ``distance`` that of all of these, and ``equal`` whether they are the same to the last bit.
    ``relative_distance`` is ``distance``, and ``kernel_distance`` that of the kernels alone, as a share of the kernels'
    length: the root mean square of both, with biases and without. ``cosine`` is of the kernels with biases.

    ``log_growth`` is the logarithm of how many times as large ``separation`` is as at the start, a finite-time
    transversal Lyapunov exponent (Pikovsky & Politi 2016, Lyapunov Exponents, Cambridge) times the steps.
    ``log_growth_at_large`` is its mean over all pairs of the network's other filters, which share nothing but training.

    A network of a single filter, filters without length, and twins that start equal leave values missing.
    """
    kernels = chunk.snapshot_kernels[:, index].astype(np.float64)
    filters = kernels.shape[-1]
    weights = kernels.reshape(len(kernels), -1, filters)
    weights = np.concatenate([weights, chunk.snapshot_biases[:, index, None]], axis=1)  # (snapshot, entry, filter)
    places = [place % filters for place in chunk.condition["starts"][chunk.starts[index]]["pair"]]
    two = weights[..., places] if len({*places}) > 1 else np.full((*weights.shape[:2], 2), np.nan)
    first, second = two[..., 0], two[..., 1]  # (snapshot, entry)
    separation, outgoing = np.linalg.norm(first - second, axis=1), chunk.outgoing_separation[:, index]
    distance, length = np.hypot(separation, outgoing), _length(two)
    others = np.delete(weights, places, axis=2)
    one, other = np.triu_indices(others.shape[2], 1)
    at_large = _log_growth(np.linalg.norm(others[..., one] - others[..., other], axis=1))  # (snapshot, pair)
    alone = not at_large.shape[1]
    return {
        "separation": separation,
        "outgoing_separation": outgoing,
        "distance": distance,
        "equal": distance == 0,
        "relative_distance": _ratio(distance, length),
        "kernel_distance": _ratio(np.linalg.norm((first - second)[:, :-1], axis=1), _length(two[:, :-1])),
        "cosine": np.clip(_ratio((first * second).sum(axis=1), np.linalg.norm(two, axis=1).prod(axis=1)), -1.0, 1.0),
        "log_growth": _log_growth(separation),
        "log_growth_at_large": np.full(len(at_large), np.nan) if alone else at_large.mean(axis=1),
    }


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


def _log_growth(distances: Floats) -> Floats:
    """The logarithm of distances (snapshot, ...) as multiples of the first; missing where one of the two is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(distances / distances[0])
    return np.asarray(np.where(np.isfinite(logarithms), logarithms, np.nan))


def _length(two: Floats) -> Floats:
    """The root mean square of the lengths of two vectors, (snapshot, entry, filter): (snapshot,)."""
    return np.asarray(np.sqrt((two**2).sum(axis=(1, 2)) / 2))


def _ratio(values: Floats, lengths: Floats) -> Floats:
    return np.asarray(np.divide(values, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0))
