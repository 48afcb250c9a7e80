"""One fewer (H8): is a network with two equal filters a network of one filter less, and its loss larger?"""

from __future__ import annotations

from filtertwins.experiments.twins import pair_measures
from filtertwins.names import Row
from filtertwins.networks.rows import network_scores, run_names
from filtertwins.networks.weights import Chunk


def one_fewer_rows(chunk: Chunk) -> list[Row]:
    """``one_fewer.csv`` and ``replanted.csv``: one row a network.

    Its n filters all differ, or have two twins, or have a silent one, and all three start from the same draw, or from
    the same trained network. A silent filter stays silent, so that its network has n - 1 filters; the network with
    twins computes the same at the start. ``twins_equal`` says whether the twins ended equal to the last bit.
    """
    rows: list[Row] = []
    for index, (run, scores) in enumerate(zip(run_names(chunk), network_scores(chunk.scores), strict=True)):
        start = chunk.condition["starts"][chunk.starts[index]]
        second, twins = start["second_filter"], pair_measures(chunk, index)
        rows.append(
            run
            | {"activation": chunk.condition["model"]["activation"], "second_filter": second}
            | {"epsilon": start["epsilon"]}
            | {name: scores[name] for name in ("train_loss", "test_loss", "test_accuracy")}
            | {"twins_equal": bool(twins["equal"][-1]) if second == "twin" else None}
            | {"kernel_distance": twins["kernel_distance"][-1]}
        )
    return rows
