"""From a chunk to the importances of its filters, to its pruned networks, and to those with deleted weights.

All take trained networks; images (image, row, column, channel), bytes, of the training split; and labels (image,).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from filtertwins.measures.redundancy import Floats
from filtertwins.names import COSINE_MERGE, RANDOM, UNPRUNED, Row
from filtertwins.networks.forward import Images, Labels
from filtertwins.networks.rows import named_networks
from filtertwins.networks.weights import Chunk, Parameters
from filtertwins.pruning.criteria import TrainedNetwork, importances, random_importances
from filtertwins.pruning.shrinking import prune
from filtertwins.pruning.weights import Deletion, delete_weights, masked


def chunk_importances(
    chunk: Chunk, images: Images, labels: Labels, criteria: Sequence[str]
) -> Iterator[tuple[Row, dict[str, Floats]]]:
    """Each network's name, and the importances of its filters by several criteria."""
    activation = chunk.condition["model"]["activation"]
    for run, network in named_networks(chunk):
        yield run, importances(TrainedNetwork(network, activation, images, labels, run["seed"]), criteria)


def prune_chunk(
    chunk: Chunk, importances: Sequence[Mapping[str, Floats]], methods: Sequence[str], kept: int
) -> list[tuple[Row, Parameters]]:
    """Each network of a chunk, pruned by each method.

    Args:
        chunk: trained networks.
        importances: those of each network's filters by criteria, (filter,).
        methods: criteria, and ``cosine_merge``.
        kept: how many filters to keep. Where it is all, each network comes once as it is, by the method ``none``.

    Returns:
        The name and the weights (with a seed axis of length 1) of each, network by network. By the method ``random``
        there are several of one name, one a draw.

    Raises:
        StudyError: for a number of filters that can't be kept.
    """
    filters, activation = chunk.parameters.kernels.shape[-1], chunk.condition["model"]["activation"]
    pruned: list[tuple[Row, Parameters]] = []
    for (run, network), own in zip(named_networks(chunk), importances, strict=True):
        name = _with_activation(run, activation)
        if kept == filters:
            pruned.append((name | {"method": UNPRUNED, "kept": kept}, network))
            continue
        for method in methods:
            ratings: Sequence[Floats | None] = [None if method == COSINE_MERGE else own[method]]
            if method == RANDOM:
                ratings = list(random_importances(network, run["seed"]))
            named = name | {"method": method, "kept": kept}
            pruned += [(named, prune(network, kept, activation, importance)) for importance in ratings]
    return pruned


def chunk_deletions(
    chunk: Chunk, images: Images, labels: Labels, shares: Sequence[float]
) -> list[tuple[Row, Deletion, Parameters]]:
    """Each network's name, what is deleted of it, and the network with zeros there; for each ranking and share."""
    activation = chunk.condition["model"]["activation"]
    return [
        (_with_activation(run, activation), deletion, masked(network, deletion.kept))
        for run, network in named_networks(chunk)
        for deletion in delete_weights(network, images, labels, activation, shares)
    ]


def _with_activation(run: Row, activation: str) -> Row:
    """The columns that name a network, and its activation."""
    return {
        "dataset": run["dataset"],
        "architecture": run["architecture"],
        "activation": activation,
        "filters": run["filters"],
        "seed": run["seed"],
    }
