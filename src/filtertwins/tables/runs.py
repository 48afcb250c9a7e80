"""Tables of runs: their scores, and the kernels that the gallery shows."""

from __future__ import annotations

from filtertwins.names import Row
from filtertwins.networks.rows import layers_of, network_scores, parameter_count, run_names, stages
from filtertwins.networks.weights import AnyChunk


def run_rows(chunk: AnyChunk) -> list[Row]:
    """``runs.csv``: one row a run. Losses are mean cross-entropies in nats, accuracies in [0, 1].

    Kernel and activation are those of the first convolution.
    """
    layers = layers_of(chunk)
    height, width = layers[0].kernel
    return [
        {
            "dataset": run["dataset"],
            "architecture": run["architecture"],
            "kernel_height": height,
            "kernel_width": width,
            "activation": layers[0].activation,
            "filters": run["filters"],
            "seed": run["seed"],
            "steps": int(chunk.scored_steps[-1]),
            "parameters": parameter_count(chunk),
        }
        | scores
        for run, scores in zip(run_names(chunk), network_scores(chunk.scores), strict=True)
    ]


def kernel_rows(chunk: AnyChunk, seed: int) -> list[Row]:
    """``kernels.csv``: one row a weight of the first convolution, of one seed's kernels before and after training."""
    return [
        {
            **run,
            "stage": stage,
            "layer": layer.name,
            "filter": index,
            "row": row,
            "column": column,
            "channel": channel,
            "weight": kernels[row, column, channel, index],
        }
        for run, stage, layer, kernels in stages(chunk)
        if run["seed"] == seed
        for index in range(kernels.shape[3])
        for row in range(kernels.shape[0])
        for column in range(kernels.shape[1])
        for channel in range(kernels.shape[2])
    ]
