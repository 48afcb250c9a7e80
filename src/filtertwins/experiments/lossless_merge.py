"""Lossless merge (H2): a linear network merges exactly into as few filters as its function needs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.measures.redundancy import Floats
from filtertwins.names import Row
from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters
from filtertwins.networks.rows import run_names
from filtertwins.networks.weights import Chunk

TEST_IMAGES = 500  # A merge is lossless on all images or on hardly any.


def merging_rows(chunk: Chunk, dataset: Dataset) -> list[Row]:
    """``merging.csv``, on the first test images: one row a run and number of filters kept, to the kernel's length.

    More filters are never needed. Networks with an activation are merged as if they had none.
    """
    model, parameters = chunk.condition["model"], chunk.parameters
    images, labels = dataset.test_images[:TEST_IMAGES], dataset.test_labels[:TEST_IMAGES]
    elements = math.prod(parameters.kernels.shape[1:-1])
    before = logits(parameters, images, model["activation"])
    rows: list[Row] = []
    for kept in range(1, min(elements, chunk.condition["filters"]) + 1):
        after = logits(merge_filters(parameters, kept, dataset.image_shape), images, model["activation"])
        rows += [
            run
            | {"activation": model["activation"], "filters_kept": kept}
            | _change(old, new, labels)
            | {"images": len(images)}
            for run, old, new in zip(run_names(chunk), before, after, strict=True)
        ]
    return rows


def _change(before: Floats, after: Floats, labels: NDArray[np.uint8]) -> Row:
    """How the logits (image, class) of one network changed when its filters were merged."""
    old, new = before.argmax(axis=1), after.argmax(axis=1)
    return {
        "largest_logit_change": np.abs(before - after).max(),
        "changed_predictions": np.count_nonzero(old != new),
        "accuracy_before": np.mean(old == labels),
        "accuracy_after": np.mean(new == labels),
    }
