"""Lossless merge (H2): a linear network merges exactly into as few filters as its function needs."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from filtertwins.names import Row
from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters, merge_loss
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk


def merging_rows(chunk: Chunk, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> list[Row]:
    """``merging.csv``: one row a run and number of filters kept, from 1 to the kernel's length.

    More filters are never needed. Networks with an activation are merged as if they had none.
    """
    model, parameters = chunk.condition["model"], chunk.parameters
    image_shape: tuple[int, int] = images.shape[1:]
    before = logits(parameters, images, model["activation"])
    rows: list[Row] = []
    for kept in range(1, min(model["kernel"][0] * model["kernel"][1], chunk.condition["filters"]) + 1):
        merged = merge_filters(parameters, kept, image_shape)
        losses = merge_loss(before, logits(merged, images, model["activation"]), labels)
        rows += [
            run | {"activation": model["activation"], "filters_kept": kept, **asdict(loss), "images": len(images)}
            for run, loss in zip(run_names(chunk), losses, strict=True)
        ]
    return rows
