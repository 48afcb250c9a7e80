"""How well networks do: their losses and right answers, which must be finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.errors import StudyError
from filtertwins.names import SPLITS
from filtertwins.networks.weights import Scores
from filtertwins.training.stacks import Stack


class DivergedError(StudyError):
    """The loss of a run is not a finite number."""


class Scorer:
    """Scores the networks of a stack as they are when it is called. It is compiled once, which takes half a second."""

    def __init__(self, stack: Stack) -> None:
        self._at_once = stack.images_at_once

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((None, None), tf.uint8), tf.TensorSpec((None,), tf.int32)], autograph=False
        )
        def score_block(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = stack.logits(images)  # (network, image, class)
            targets = tf.broadcast_to(labels, tf.shape(logits)[:2])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
            hits = tf.argmax(logits, axis=2, output_type=tf.int32) == labels
            return tf.reduce_sum(losses, axis=1), tf.reduce_sum(tf.cast(hits, tf.int32), axis=1)

        self._score_block = score_block

    def __call__(self, dataset: Dataset, splits: Sequence[str] = SPLITS, training_images: int | None = None) -> Scores:
        """The losses and the numbers of right answers of each network on some splits of a dataset.

        Args:
            dataset: the images and labels.
            splits: some of ``SPLITS``.
            training_images: score only this many of the first training images; by default all.
        """
        losses, correct, counts = [], [], []
        for split in splits:
            scored = slice(training_images if split == "train" else None)
            images = getattr(dataset, f"{split}_images")[scored]
            labels = getattr(dataset, f"{split}_labels")[scored].astype(np.int32)
            images = images.reshape(len(images), -1)
            parts = [
                [
                    part.numpy().astype(np.float64)
                    for part in self._score_block(images[i : i + self._at_once], labels[i : i + self._at_once])
                ]
                for i in range(0, len(images), self._at_once)
            ]
            losses.append(sum(part[0] for part in parts) / len(images))
            correct.append(sum(part[1] for part in parts))
            counts.append(len(images))
        return Scores(tuple(splits), np.stack(losses), np.stack(correct).astype(np.int64), np.array(counts, np.int64))


def check_finite(losses: NDArray[np.floating[Any]], seeds: Sequence[int], steps: Sequence[int], what: str) -> None:
    """Check that all losses are finite. Scores are checked too, because the last step may have ruined a network.

    Args:
        losses: (row, network).
        seeds: the seed of each network.
        steps: the step of each row.
        what: the networks' name in the message.

    Raises:
        DivergedError: names the seed and the step of the first loss that is not finite.
    """
    for row, network in np.argwhere(~np.isfinite(losses))[:1]:
        raise DivergedError(
            f"{what}: training diverged: seed {seeds[network]}, step {steps[row]}: loss is {losses[row, network]}. "
            "A smaller learning_rate usually helps."
        )
