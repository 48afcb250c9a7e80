"""One fewer (H8): is a network with two equal filters a network of one filter less, and its loss larger?"""

from __future__ import annotations

from filtertwins.names import Row
from filtertwins.networks.rows import network_scores, run_names
from filtertwins.networks.weights import Chunk


def one_fewer_rows(chunk: Chunk) -> list[Row]:
    """``one_fewer.csv``: one row a network, whose n filters all differ, or have two twins, or have a silent one.

    The three start from the same draw. A silent filter stays silent, so that its network has n - 1 filters; the network
    with twins computes the same at the start. ``twins_equal`` says whether the twins ended equal to the last bit.
    """
    rows: list[Row] = []
    for index, (run, scores) in enumerate(zip(run_names(chunk), network_scores(chunk.scores), strict=True)):
        second = chunk.condition["starts"][chunk.starts[index]]["second_filter"]
        rows.append(
            run
            | {"activation": chunk.condition["model"]["activation"], "second_filter": second}
            | {name: scores[name] for name in ("train_loss", "test_loss", "test_accuracy")}
            | {"twins_equal": _first_two_equal(chunk, index) if second == "twin" else None}
        )
    return rows


def _first_two_equal(chunk: Chunk, index: int) -> bool:
    kernels, biases = chunk.parameters.kernels[index], chunk.parameters.biases[index]
    same_outgoing = chunk.outgoing_separation[-1, index] == 0
    return bool((kernels[..., 0] == kernels[..., 1]).all() and biases[0] == biases[1] and same_outgoing)
