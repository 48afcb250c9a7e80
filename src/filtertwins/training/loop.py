"""How a stack is trained: in one compiled loop over steps, with all data in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from filtertwins.architectures import Trained
from filtertwins.data.datasets import Dataset
from filtertwins.training.collapsed import CollapsedStack
from filtertwins.training.joint import JointStack
from filtertwins.training.scoring import Scorer, check_finite
from filtertwins.training.stacks import Stack
from filtertwins.training.streams import Purpose, batches, training_labels

StackT = TypeVar("StackT", bound=Stack)

SEGMENT_STEPS = 100  # The compiled loop runs at most this many steps at a call. Progress is reported as often.


@dataclass(frozen=True)
class Recorded:
    """What was recorded during training."""

    growth: NDArray[np.float32]  # (step, network), or (0, network)
    reported_steps: list[int]
    reported_losses: list[NDArray[np.float32]]  # (network,) each, means since the report before


Visits = Mapping[int, Callable[[Sequence[Scorer], int], None]]
"""By the step after which they are called, functions of what scores each condition's networks and of the step."""


def run_segments(
    stack: Stack,
    run_steps: tf.types.experimental.PolymorphicFunction,
    dataset: Dataset,
    architecture: Trained,
    seed_of_network: Sequence[int],
    steps: int,
    visits: Sequence[Visits],
    what: str,
    *,
    order: Purpose = Purpose.BATCHES,
    report: Callable[[str], None] = print,
) -> Recorded:
    """Train a stack, a segment of steps at a time; after segments, visits are made and progress is reported.

    Args:
        stack: the networks, as many for each seed, side by side.
        run_steps: what :func:`compiled_loop` gives.
        dataset: the images to train on.
        architecture: how the networks are trained.
        seed_of_network: each network's seed.
        steps: how many steps to train.
        visits: at step 0 or later, in this order.
        what: the networks' name in reports and errors.
        order: the random stream that gives the order of the training images.
        report: is called with a line of progress.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    seeds = list(dict.fromkeys(seed_of_network))
    labels = training_labels(dataset.train_labels, seed_of_network, shuffle=architecture.shuffle_labels)
    of_streams = seeds if architecture.batch_seed is None else [architecture.batch_seed] * len(seeds)
    streams = [batches(seed, len(dataset.train_labels), architecture.batch, order) for seed in of_streams]
    scorers = [Scorer(part) for part in parts_of(stack)]

    def visit(step: int) -> None:
        for own in visits:
            if step in own:
                own[step](scorers, step)

    visit(0)
    growth = [np.zeros((0, len(seed_of_network)))]
    reported_steps, reported_losses = [], []
    start_s, done = time.monotonic(), 0
    unreported: list[NDArray[np.float32]] = []
    for stop in segment_ends(steps, *visits):
        indices = np.zeros((SEGMENT_STEPS, len(seeds), architecture.batch), np.int32)  # One shape, compiled once.
        for step in range(stop - done):
            indices[step] = [next(stream) for stream in streams]
        of_network = np.repeat(indices, len(seed_of_network) // len(seeds), axis=1)
        targets = np.stack([own[of_network[:, network]] for network, own in enumerate(labels)], axis=1)
        results = run_steps(tf.constant(indices), tf.constant(targets, tf.int32), tf.constant(done), tf.constant(stop))
        losses, moments = (x.numpy()[: stop - done] for x in results)  # (step, network, ...)
        check_finite(losses, seed_of_network, range(done + 1, stop + 1), what)
        unreported.append(losses)
        if moments.size:
            growth.append(np.sqrt(np.linalg.eigvalsh(moments)[..., -1].clip(min=0)))
        done = stop
        if stop % SEGMENT_STEPS == 0 or stop == steps:
            reported_steps.append(stop)
            reported_losses.append(np.concatenate(unreported).mean(axis=0))
            unreported.clear()
            eta_s = (time.monotonic() - start_s) / stop * (steps - stop)
            report(
                f"{what} seeds {seeds[0]}-{seeds[-1]} "
                f"step {stop}/{steps} loss {reported_losses[-1].mean():.4f} eta {eta_s:.0f}s"
            )
        visit(stop)
    return Recorded(np.concatenate(growth).astype(np.float32), reported_steps, reported_losses)


def parts_of(stack: StackT) -> Sequence[StackT | CollapsedStack]:
    """The stacks of single conditions that a stack consists of."""
    return stack.parts if isinstance(stack, JointStack) else [stack]


def segment_ends(steps: int, *visits: Iterable[int]) -> list[int]:
    """The steps after which the compiled loop returns: visits, every ``SEGMENT_STEPS`` steps, and the last one."""
    return sorted({*range(SEGMENT_STEPS, steps, SEGMENT_STEPS), steps}.union(*visits) - {0})


def compiled_loop(
    stack: Stack,
    optimizer: keras.Optimizer,
    images: NDArray[np.uint8],
    by_penalty: Callable[[tf.Variable], tf.Tensor] | None = None,
    masks: Sequence[tf.Tensor] | None = None,
    *,
    trained: slice = slice(None),
    growth_bound: bool = False,
) -> tf.types.experimental.PolymorphicFunction:
    """A compiled function that trains the stack from one step to another on the given images.

    Its arguments are indices (step, seed, image), labels (step, network, image), the first step and the step after the
    last one. It returns the losses (step, network) and the moments (step, network, entry, entry) that give the bound on
    twins' growth; the moments are empty where there is no bound.

    Args:
        stack: the networks.
        optimizer: moves each of the stack's variables by its own gradients.
        images: (image, ...), bytes.
        by_penalty: the gradient of penalties on kernels.
        masks: 1 for each weight that is trained and 0 for the others, like the stack's variables; by default 1 for all.
        trained: which of the stack's variables are trained.
        growth_bound: whether to record the moments; only linear networks have them.
    """
    pixels = tf.constant(images.reshape(len(images), -1))  # Images stay uint8 until a batch is gathered.
    variables = stack.variables[trained]
    optimizer.build(variables)
    size = stack.moments if growth_bound and isinstance(stack, CollapsedStack) else 0

    def train_step(step: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moments = tf.zeros((labels.shape[0], 0, 0))
        if isinstance(stack, CollapsedStack) and size:
            moments = stack.growth_moments(pixels, indices, labels)
        losses, gradients = stack.losses_and_gradients(pixels, indices, labels, step)
        if by_penalty is not None:
            for place in range(0, len(gradients), 4):  # Kernels are the first of each condition's four variables.
                gradients[place] += by_penalty(stack.variables[place])
        if masks is not None:
            gradients = [gradient * mask for gradient, mask in zip(gradients, masks, strict=True)]
        optimizer.apply(gradients[trained], variables)
        return losses, moments

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # Autograph would take 0.5 s a process.
    def run_steps(
        indices: tf.Tensor, labels: tf.Tensor, first: tf.Tensor, stop: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        steps, networks, _ = labels.shape

        def body(row: tf.Tensor, losses: tf.TensorArray, moments: tf.TensorArray) -> tuple[Any, ...]:
            step_losses, step_moments = train_step(first + row, indices[row], labels[row])
            return row + 1, losses.write(row, step_losses), moments.write(row, step_moments)

        losses = tf.TensorArray(tf.float32, size=steps, element_shape=(networks,))
        moments = tf.TensorArray(tf.float32, size=steps, element_shape=(networks, size, size))
        _, losses, moments = tf.while_loop(
            lambda row, *_: row < stop - first, body, (0, losses, moments), parallel_iterations=1
        )
        return losses.stack(), moments.stack()

    return run_steps
