"""From a chunk to its pruned networks, and to the rows about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from filtertwins.errors import StudyError
from filtertwins.measures.redundancy import Floats
from filtertwins.names import COSINE_MERGE, UNPRUNED, Row
from filtertwins.networks.forward import Images, Labels
from filtertwins.networks.rows import network_scores, run_names
from filtertwins.networks.weights import Chunk, Parameters, Scores
from filtertwins.pruning.cost import network_cost
from filtertwins.pruning.criteria import TrainedNetwork, importances
from filtertwins.pruning.shrinking import check_kept, check_method, prune
from filtertwins.pruning.weights import Deletion, delete_weights, masked


def chunk_importances(
    chunk: Chunk, images: Images, labels: Labels, criteria: Sequence[str]
) -> Iterator[tuple[Row, dict[str, Floats]]]:
    """Each network's name, and the importances of its filters by several criteria.

    Args:
        chunk: trained networks.
        images: (image, row, column), bytes, of the training split.
        labels: (image,).
        criteria: names of criteria.
    """
    activation = chunk.condition["model"]["activation"]
    for index, run in enumerate(run_names(chunk)):
        network = chunk.parameters.of_seed(index)
        yield run, importances(TrainedNetwork(network, activation, images, labels, run["seed"]), criteria)


def prune_chunk(
    chunk: Chunk, importance: pd.DataFrame, methods: Sequence[str], kept: int
) -> list[tuple[Row, Parameters]]:
    """Each network of a chunk, pruned by each method.

    Args:
        chunk: trained networks.
        importance: the rows of ``importance.csv``.
        methods: criteria, and ``cosine_merge``.
        kept: how many filters to keep. Where it is all, each network comes once as it is, by the method ``none``.

    Returns:
        The name and the weights (with a seed axis of length 1) of each, network by network.

    Raises:
        StudyError: for an unknown method, a number of filters that can't be kept, or importances of other networks.
    """
    filters, activation = chunk.parameters.kernels.shape[-1], chunk.condition["model"]["activation"]
    check_kept(kept, filters)
    for method in methods:
        check_method(method)
    pruned: list[tuple[Row, Parameters]] = []
    for index, run in enumerate(run_names(chunk)):
        network = chunk.parameters.of_seed(index)
        name = _with_activation(run, chunk)
        if kept == filters:
            pruned.append((name | {"method": UNPRUNED, "kept": kept}, network))
            continue
        for method in methods:
            own = None if method == COSINE_MERGE else _importance(importance, run, method)
            pruned.append((name | {"method": method, "kept": kept}, prune(network, method, kept, activation, own)))
    return pruned


def _importance(importance: pd.DataFrame, run: Row, criterion: str) -> Floats:
    """The importances of one network's filters, (filter,)."""
    wanted = run | {"criterion": criterion}
    if missing := [name for name in (*wanted, "filter", "importance") if name not in importance]:
        raise StudyError(f"the table of importances has no column {', '.join(missing)}")
    own = importance[(importance[list(wanted)] == pd.Series(wanted)).all(axis=1)].sort_values("filter")
    if own["filter"].tolist() != list(range(run["filters"])):
        what = ", ".join(f"{name} = {value}" for name, value in wanted.items())
        raise StudyError(f"the table of importances has {len(own)} rows with {what}; needed: one for each filter")
    return own["importance"].to_numpy()


def pruning_rows(names: Sequence[Row], fine_tuning_steps: int, scores: Scores) -> list[Row]:
    """``pruning.csv``: one row a network, after so many more steps of training. Losses are in nats."""
    return [
        name | {"fine_tuning_steps": fine_tuning_steps} | own
        for name, own in zip(names, network_scores(scores), strict=True)
    ]


def from_scratch_rows(chunk: Chunk, compared: Mapping[str, Any]) -> list[Row]:
    """``from_scratch.csv``: one row a small network and budget.

    Args:
        chunk: small networks, trained from scratch.
        compared: ``architecture`` and ``filters`` of the large network, and the ``budgets`` by name, each with the
            steps that it pays for.
    """
    return [
        {"dataset": run["dataset"], "architecture": compared["architecture"]}
        | {"activation": chunk.condition["model"]["activation"], "filters": compared["filters"]}
        | {"kept": run["filters"], "seed": run["seed"], "budget": budget, "steps": steps}
        | {key: value for key, value in own.items() if key != "train_loss"}
        for budget, steps in compared["budgets"].items()
        for run, own in zip(run_names(chunk), network_scores(chunk.scores_at(steps)), strict=True)
    ]


def cost_rows(
    dataset: str,
    networks: Sequence[Mapping[str, Any]],
    image_shape: tuple[int, int],
    batch: int,
    latency_s: NDArray[Any],
) -> list[Row]:
    """``cost.csv``: one row a network and round.

    Args:
        dataset: the dataset's name.
        networks: ``architecture``, ``filters``, ``kept``, ``kernel`` and ``activation`` of each.
        image_shape: rows and columns.
        batch: the images of a call.
        latency_s: the time of a call, (network, round).
    """
    rows = []
    for network, of_network in zip(networks, latency_s.tolist(), strict=True):
        cost = network_cost(tuple(network["kernel"]), network["kept"], image_shape)
        rows += [
            {"dataset": dataset, "architecture": network["architecture"], "activation": network["activation"]}
            | {"filters": network["filters"], "kept": network["kept"]}
            | {"parameters": cost.parameters, "bytes": cost.bytes}
            | {"convolution_macs": cost.convolution_macs, "dense_macs": cost.dense_macs}
            | {"batch": batch, "round": turn, "latency_s": seconds}
            for turn, seconds in enumerate(of_network)
        ]
    return rows


def chunk_deletions(
    chunk: Chunk, images: Images, labels: Labels, shares: Sequence[float]
) -> list[tuple[Row, Deletion, Parameters]]:
    """Each network's name, what is deleted of it, and the network with zeros there; for each ranking and share.

    Args:
        chunk: trained networks.
        images: (image, row, column), bytes, of the training split.
        labels: (image,).
        shares: of all weights.
    """
    activation = chunk.condition["model"]["activation"]
    return [
        (_with_activation(run, chunk), deletion, masked(network, deletion.kept))
        for index, run in enumerate(run_names(chunk))
        for network in [chunk.parameters.of_seed(index)]
        for deletion in delete_weights(network, images, labels, activation, shares)
    ]


def obd_rows(
    deletions: Sequence[tuple[Row, Deletion, Parameters]], retraining_steps: int, before: Scores, after: Scores
) -> list[Row]:
    """``obd.csv``: one row a network, ranking and share of its weights. Losses are in nats.

    Args:
        deletions: as :func:`chunk_deletions` returns them.
        retraining_steps: for how many steps the other weights were trained on.
        before: the scores of the networks with deleted weights, in the same order.
        after: their scores after training on.
    """
    return [
        name
        | {"ranking": deletion.ranking, "share": deletion.share, "deleted": deletion.deleted}
        | {"parameters": network.count}
        | {"predicted_increase": deletion.predicted_increase}
        | {"predicted_increase_1990": deletion.predicted_increase_1990}
        | {"actual_increase": deletion.actual_increase, "loss": deletion.loss}
        | {"test_accuracy": old["test_accuracy"], "test_accuracy_retrained": new["test_accuracy"]}
        | {"test_images": old["test_images"], "retraining_steps": retraining_steps}
        for (name, deletion, network), old, new in zip(
            deletions, network_scores(before), network_scores(after), strict=True
        )
    ]


def _with_activation(run: Row, chunk: Chunk) -> Row:
    """The columns that name a network, and its activation."""
    names = {key: run[key] for key in ("dataset", "architecture")}
    names["activation"] = chunk.condition["model"]["activation"]
    return names | {key: run[key] for key in ("filters", "seed")}
