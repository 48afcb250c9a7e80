"""What chance gives: the nulls that a study's tables about redundancy stand beside, each drawn once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.measures.functional import response_vectors
from filtertwins.measures.nulls import draw_weights, isotropic_nearest_mean, redrawn
from filtertwins.measures.patches import patch_moment
from filtertwins.measures.redundancy import Equivalence, Floats, Numbers, count_pairs, nearest_similarities
from filtertwins.names import Row
from filtertwins.networks.weights import AnyChunk
from filtertwins.settings import Measures
from filtertwins.tables.likeness import Filters, alike

MOST_WEIGHTS = 400_000_000
"""Of large kernels fewer networks are drawn, such that each null has at most so many weights in all,"""

FEWEST_DRAWS = 20
"""but never fewer networks than this."""


@dataclass(frozen=True)
class Null:
    """Draws of the re-drawn-initialiser null, for one number of filters; NaN for a single filter."""

    mean_nearest_cosine: Floats  # (draw,)
    pairs: Floats  # (draw, threshold)
    pair_fraction: Floats  # (threshold,), mean over the draws
    likeness: pd.DataFrame  # (cluster draw, measure), those of `alike`
    isotropic_mean_nearest_cosine: float


class Nulls:
    """The nulls of a study, each drawn once for all the runs that share it, and the images that filters see.

    The random numbers of each depend only on the seed and on what is drawn, not on the rest of the study.

    Args:
        measures: how much is drawn, and from which similarity on filters are near.
        images: (image, row, column, channel), bytes, that networks were trained on.
    """

    def __init__(self, measures: Measures, images: NDArray[np.uint8]) -> None:
        self.images = images
        self.threshold = measures.near_duplicate_threshold  # from which two filters are near, and clusters are cut
        self.thresholds = tuple(sorted({*measures.threshold_curve, self.threshold}))
        self._measures = measures
        self.of = cache(self._draw)
        self.moment = cache(lambda kernel: patch_moment(images, kernel))  # of the patches that a kernel is laid on

    def rng(self, *purpose: int) -> np.random.Generator:
        """Random numbers for one purpose."""
        return np.random.default_rng([self._measures.seed, *purpose])

    def _draw(
        self,
        filters: int,
        kernel: tuple[int, int],
        dimension: int,
        equivalence: Equivalence,
        initializer: str,
        on_images: bool,
    ) -> Null:
        def drawn(purpose: int, statistic: Callable[[Floats], Numbers], draws: int) -> Numbers:
            rng = self.rng(filters, dimension, purpose)
            return redrawn(statistic, filters, dimension, equivalence, initializer, draws, rng)

        most = max(FEWEST_DRAWS, MOST_WEIGHTS // (filters * dimension))
        relu = on_images and equivalence == "positive_scale"
        likeness, rng = [], self.rng(filters, dimension, 2)
        unseen = np.zeros((filters, 1))  # These have no direction, so that what responses are like is missing.
        for _ in range(min(self._measures.cluster_null_draws, most)):
            kernels = draw_weights((filters, dimension), initializer, rng)
            # Biases start at 0, so that a ReLU filter without a positive weight is never active.
            silent = np.logical_and((kernels <= 0).all(axis=-1), relu)
            responses = response_vectors(kernels, self.moment(kernel)) if on_images else unseen
            likeness.append(alike(Filters(kernels, responses, silent), equivalence, self.threshold))
        draws, pairs = min(self._measures.null_draws, most), filters * (filters - 1) / 2 or np.nan
        counts = drawn(1, lambda similarities: count_pairs(similarities, self.thresholds), draws)
        return Null(
            mean_nearest_cosine=drawn(0, lambda similarities: nearest_similarities(similarities).mean(axis=-1), draws),
            pairs=counts.astype(np.float64),
            pair_fraction=(counts / pairs).mean(axis=0),
            likeness=pd.DataFrame(likeness),
            isotropic_mean_nearest_cosine=isotropic_nearest_mean(filters, dimension, equivalence),
        )


def beside_nulls(
    rows_of: Callable[[AnyChunk, Nulls], list[Row]],
    chunks: Iterable[AnyChunk],
    measures: Mapping[str, Any],
    dataset: Dataset,
) -> list[Row]:
    """The rows of a table that has a row a network, beside what chance gives, of an experiment's chunks.

    Args:
        rows_of: gives the rows of one chunk.
        chunks: of the experiment.
        measures: the config's section of this name.
        dataset: its training images are what filters answer to, or never do.
    """
    nulls = Nulls(Measures.model_validate(measures), dataset.train_images)
    return [row for chunk in chunks for row in rows_of(chunk, nulls)]
