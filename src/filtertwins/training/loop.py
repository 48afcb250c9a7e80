"""How a stack is trained: one compiled loop over steps, with all data in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from filtertwins.datasets import Dataset
from filtertwins.errors import StudyError
from filtertwins.settings import Architecture
from filtertwins.training.networks import Stack, build_stack, initial_parameters
from filtertwins.training.streams import batches
from filtertwins.weights import SPLITS, Chunk

SEGMENT_STEPS = 100  # steps a call of the compiled loop; also the report interval
EVALUATION_IMAGES = 250  # images at a time when scoring


class DivergedError(StudyError):
    """A run's loss is no longer a finite number."""


def train_chunk(
    dataset: Dataset,
    architecture: Architecture,
    filters: int,
    seeds: Sequence[int],
    snapshot_steps: Sequence[int],
    condition: Mapping[str, Any],
    report: Callable[[str], None] = print,
) -> Chunk:
    """Train one run for each seed, together.

    Args:
        dataset: images uint8; pixels are scaled to [0, 1] as they are gathered.
        architecture: the network and its training; its ``filters`` are ignored for `filters`.
        filters: the number of filters.
        seeds: each fixes a run's initial weights and batch order.
        snapshot_steps: increasing, from 0 to the last step; how many steps to train is the last one.
        condition: kept with the result: all that it depends on.
        report: gets a line of progress after every ``SEGMENT_STEPS`` steps.

    Raises:
        DivergedError: names the seed and the step.
    """
    seeds, steps = list(seeds), snapshot_steps[-1]
    what = f"{condition.get('architecture', '')} filters={filters}"
    image_shape: tuple[int, int] = dataset.train_images.shape[1:]
    stack = build_stack(architecture, initial_parameters(architecture, filters, seeds, image_shape), image_shape)
    run_steps = _compiled_loop(stack, _optimizer(architecture), dataset.train_images, dataset.train_labels)
    streams = [batches(seed, len(dataset.train_labels), architecture.batch) for seed in seeds]

    first = stack.parameters()
    kernels, biases = [first.kernels], [first.biases]
    reported_steps, reported_losses = [], []
    start_s, done = time.monotonic(), 0
    unreported: list[NDArray[np.float32]] = []
    for stop in segment_ends(snapshot_steps):
        indices = np.zeros((SEGMENT_STEPS, len(seeds), architecture.batch), np.int32)  # one shape: compiled once
        for step in range(stop - done):
            indices[step] = [next(stream) for stream in streams]
        losses = run_steps(tf.constant(indices), tf.constant(stop - done)).numpy()[: stop - done]  # (step, seed)
        _check_finite(losses, seeds, done, what)
        unreported.append(losses)
        done = stop
        if stop in snapshot_steps:
            now = stack.parameters()
            kernels.append(now.kernels)
            biases.append(now.biases)
        if stop % SEGMENT_STEPS == 0 or stop == steps:
            reported_steps.append(stop)
            reported_losses.append(np.concatenate(unreported).mean(axis=0))
            unreported.clear()
            eta_s = (time.monotonic() - start_s) / stop * (steps - stop)
            report(
                f"{what} seeds {seeds[0]}-{seeds[-1]} "
                f"step {stop}/{steps} loss {reported_losses[-1].mean():.4f} eta {eta_s:.0f}s"
            )

    losses, correct, images = _scores(stack, dataset)
    return Chunk(
        condition=condition,
        seeds=np.array(seeds, np.int64),
        parameters=stack.parameters(),
        snapshot_steps=np.array(snapshot_steps, np.int64),
        snapshot_kernels=np.stack(kernels),
        snapshot_biases=np.stack(biases),
        reported_steps=np.array(reported_steps, np.int64),
        reported_losses=np.stack(reported_losses),
        losses=losses,
        correct=correct,
        images=images,
    )


def segment_ends(snapshot_steps: Sequence[int]) -> list[int]:
    """The steps after which the compiled loop returns: every snapshot and every ``SEGMENT_STEPS`` steps."""
    regular = range(SEGMENT_STEPS, snapshot_steps[-1], SEGMENT_STEPS)
    return sorted({*snapshot_steps[1:], *regular})


def _optimizer(architecture: Architecture) -> keras.Optimizer:
    """Keras's own. Its updates are elementwise, so they work on a stack as on single networks."""
    options: dict[str, float] = {}
    if architecture.optimizer == "sgd":
        options["momentum"] = architecture.momentum
    if architecture.optimizer != "adam":
        options["weight_decay"] = architecture.weight_decay
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    return kind[architecture.optimizer](architecture.learning_rate, **options)


def _compiled_loop(
    stack: Stack, optimizer: keras.Optimizer, images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> tf.types.experimental.PolymorphicFunction:
    """A function (indices (step, seed, image), number of steps) -> losses (step, seed) that trains the stack."""
    pixels = tf.constant(images.reshape(len(images), -1))  # uint8 until gathered: a quarter of the memory
    targets = tf.constant(labels.astype(np.int32))
    optimizer.build(stack.variables)

    @tf.function(jit_compile=stack.compiled)  # type: ignore[untyped-decorator]
    def run_steps(indices: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        losses = tf.TensorArray(tf.float32, size=indices.shape[0], element_shape=(indices.shape[1],))
        for step in tf.range(steps):
            batch = indices[step]
            x = tf.cast(tf.gather(pixels, batch), tf.float32) / 255.0
            step_losses, gradients = stack.losses_and_gradients(x, tf.gather(targets, batch))
            optimizer.apply(gradients, stack.variables)
            losses = losses.write(step, step_losses)
        return losses.stack()

    return run_steps


def _check_finite(losses: NDArray[np.float32], seeds: Sequence[int], done: int, what: str) -> None:
    for step, seed in np.argwhere(~np.isfinite(losses))[:1]:
        raise DivergedError(
            f"{what}: training diverged: seed {seeds[seed]}, step {done + step + 1}: loss is {losses[step, seed]}. "
            "A smaller learning_rate usually helps."
        )


def _scores(stack: Stack, dataset: Dataset) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Mean cross-entropy (split, seed), correct predictions (split, seed) and images (split,)."""

    @tf.function(jit_compile=stack.compiled, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def score(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = stack.logits(tf.cast(images, tf.float32) / 255.0)  # (seed, image, class)
        targets = tf.broadcast_to(labels, tf.shape(logits)[:2])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        hits = tf.argmax(logits, axis=2, output_type=tf.int32) == labels
        return tf.reduce_sum(losses, axis=1), tf.reduce_sum(tf.cast(hits, tf.int32), axis=1)

    losses, correct, counts = [], [], []
    for split in SPLITS:
        images, labels = (
            getattr(dataset, f"{split}_images"),
            getattr(dataset, f"{split}_labels").astype(np.int32),
        )
        images = images.reshape(len(images), -1)
        parts = [
            [
                part.numpy().astype(np.float64)
                for part in score(images[i : i + EVALUATION_IMAGES], labels[i : i + EVALUATION_IMAGES])
            ]
            for i in range(0, len(images), EVALUATION_IMAGES)
        ]
        losses.append(sum(part[0] for part in parts) / len(images))
        correct.append(sum(part[1] for part in parts))
        counts.append(len(images))
    return np.stack(losses), np.stack(correct).astype(np.int64), np.array(counts, np.int64)
