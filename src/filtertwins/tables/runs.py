"""Tables of runs: their scores, and the kernels that the gallery shows."""

from __future__ import annotations

from filtertwins.names import Row
from filtertwins.networks.rows import network_scores, run_names, stages
from filtertwins.networks.weights import Chunk


def run_rows(chunk: Chunk) -> list[Row]:
    """``runs.csv``: one row a run. Losses are mean cross-entropies in nats, accuracies in [0, 1]."""
    model = chunk.condition["model"]
    return [
        {
            "dataset": run["dataset"],
            "architecture": run["architecture"],
            "kernel_height": model["kernel"][0],
            "kernel_width": model["kernel"][1],
            "activation": model["activation"],
            "filters": run["filters"],
            "seed": run["seed"],
            "steps": int(chunk.snapshot_steps[-1]),
            "parameters": chunk.parameters.count,
        }
        | scores
        for run, scores in zip(run_names(chunk), network_scores(chunk.scores), strict=True)
    ]


def kernel_rows(chunk: Chunk, seed: int) -> list[Row]:
    """``kernels.csv``: one row a weight, of one seed's kernels before and after training."""
    return [
        {
            **run,
            "stage": stage,
            "filter": index,
            "row": row,
            "column": column,
            "channel": channel,
            "weight": kernels[row, column, channel, index],
        }
        for run, stage, kernels, _ in stages(chunk)
        if run["seed"] == seed
        for index in range(kernels.shape[3])
        for row in range(kernels.shape[0])
        for column in range(kernels.shape[1])
        for channel in range(kernels.shape[2])
    ]
