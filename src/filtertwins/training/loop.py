"""How a stack is trained: one compiled loop over steps, with all data in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from filtertwins.data.datasets import Dataset
from filtertwins.errors import StudyError
from filtertwins.names import SPLITS
from filtertwins.networks.weights import Parameters, Scores
from filtertwins.settings import Architecture
from filtertwins.training.networks import CollapsedStack, Stack, build_stack
from filtertwins.training.starts import outgoing_separation
from filtertwins.training.streams import Purpose, batches, training_labels

SEGMENT_STEPS = 100  # steps a call of the compiled loop; also the report interval


class DivergedError(StudyError):
    """A run's loss is no longer a finite number."""


@dataclass(frozen=True)
class TrainedStack:
    """A stack after its training, and what was recorded on the way."""

    stack: Stack
    snapshots: list[tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]]  # kernels, biases, outgoing separation
    growth: NDArray[np.float32]  # (step, network), or (0, network)
    reported_steps: list[int]
    reported_losses: list[NDArray[np.float32]]  # (network,) each


def train_stack(
    dataset: Dataset,
    architecture: Architecture,
    initial: Parameters,
    seed_of_network: Sequence[int],
    snapshot_steps: Sequence[int],
    what: str,
    *,
    order: Purpose = Purpose.BATCHES,
    trainable: Parameters | None = None,
    growth_bound: bool = False,
    visits: Mapping[int, Callable[[Stack, int], None]] | None = None,
    report: Callable[[str], None] = print,
) -> TrainedStack:
    """Train networks together, from given weights.

    Args:
        dataset: images uint8; pixels are scaled to [0, 1] as they are gathered.
        architecture: the network and its training; its ``filters`` are ignored.
        initial: the weights that training starts from.
        seed_of_network: each network's seed, which fixes its batches; as many networks of every seed, side by side.
        snapshot_steps: increasing, from 0 to the last step; how many steps to train is the last one.
        what: the networks' name in reports and errors.
        order: the stream that the order of the training images is drawn from.
        trainable: true for each weight that is trained; the others are held as they are. By default all are trained.
        growth_bound: record what bounds the growth of twins' difference, where there is such a bound.
        visits: after which steps to do what with the stack, which gets the step too.
        report: gets a line of progress after every ``SEGMENT_STEPS`` steps.

    Raises:
        DivergedError: names the seed and the step.
    """
    steps, image_shape = snapshot_steps[-1], dataset.train_images.shape[1:]
    seeds = list(dict.fromkeys(seed_of_network))
    stack = build_stack(architecture, initial, list(seed_of_network), image_shape)
    labels = training_labels(dataset.train_labels, seed_of_network, shuffle=architecture.shuffle_labels)
    masks = None if trainable is None else _masks(trainable, architecture, list(seed_of_network), image_shape)
    run_steps = _compiled_loop(stack, architecture, dataset.train_images, masks, growth_bound=growth_bound)
    streams = [batches(seed, len(dataset.train_labels), architecture.batch, order) for seed in seeds]

    snapshots = [_snapshot(stack)]
    growth = [np.zeros((0, len(seed_of_network)))]
    reported_steps, reported_losses = [], []
    start_s, done = time.monotonic(), 0
    unreported: list[NDArray[np.float32]] = []
    for stop in segment_ends(snapshot_steps, visits or ()):
        indices = np.zeros((SEGMENT_STEPS, len(seeds), architecture.batch), np.int32)  # one shape: compiled once
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
        if stop in snapshot_steps:
            snapshots.append(_snapshot(stack))
        if stop % SEGMENT_STEPS == 0 or stop == steps:
            reported_steps.append(stop)
            reported_losses.append(np.concatenate(unreported).mean(axis=0))
            unreported.clear()
            eta_s = (time.monotonic() - start_s) / stop * (steps - stop)
            report(
                f"{what} seeds {seeds[0]}-{seeds[-1]} "
                f"step {stop}/{steps} loss {reported_losses[-1].mean():.4f} eta {eta_s:.0f}s"
            )
        if visits and stop in visits:
            visits[stop](stack, stop)
    recorded = np.concatenate(growth).astype(np.float32)
    return TrainedStack(stack, snapshots, recorded, reported_steps, reported_losses)


def segment_ends(snapshot_steps: Sequence[int], visits: Iterable[int] = ()) -> list[int]:
    """The steps after which the compiled loop returns: each snapshot, each visit and every ``SEGMENT_STEPS`` steps."""
    regular = range(SEGMENT_STEPS, snapshot_steps[-1], SEGMENT_STEPS)
    return sorted({*snapshot_steps[1:], *visits, *regular})


class _Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam, updated by TensorFlow's own kernel, which passes over the weights once rather than a dozen times.

    With 100 filters of 5x5 that takes 0.4 ms for each network instead of 1.4.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def _optimizer(architecture: Architecture) -> keras.Optimizer:
    """Keras's own. Its updates are elementwise, so they work on a stack as on single networks."""
    options: dict[str, float] = {}
    if architecture.optimizer == "sgd":
        options["momentum"] = architecture.momentum
    if architecture.optimizer != "adam":
        options["weight_decay"] = architecture.weight_decay
    kind = {"adam": _Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    return kind[architecture.optimizer](architecture.learning_rate, **options)


def _masks(
    trainable: Parameters, architecture: Architecture, seeds: list[int], image_shape: tuple[int, int]
) -> list[tf.Variable]:
    """1 for each trained weight, 0 for the others, in the order and shape of a stack's variables."""
    ones = Parameters(*(part.astype(np.float32) for part in vars(trainable).values()))
    return build_stack(architecture, ones, seeds, image_shape).variables


def _compiled_loop(
    stack: Stack,
    architecture: Architecture,
    images: NDArray[np.uint8],
    masks: Sequence[tf.Tensor] | None = None,
    *,
    growth_bound: bool = False,
) -> tf.types.experimental.PolymorphicFunction:
    """A function that trains the stack from one step to another, on given images.

    Its arguments are indices (step, seed, image), labels (step, network, image), the first step and the one after the
    last; it returns the losses (step, network) and, where twins' growth has a bound, the moments that give it (step,
    network, entry, entry).
    """
    pixels = tf.constant(images.reshape(len(images), -1))  # uint8 until gathered: a quarter of the memory
    trained = slice(2, None) if architecture.freeze_kernels else slice(None)  # without kernels and biases
    variables = stack.variables[trained]
    optimizer = _optimizer(architecture)
    optimizer.build(variables)
    plain_descent = architecture.optimizer == "sgd" and not architecture.momentum
    size = 0
    if growth_bound and plain_descent and isinstance(stack, CollapsedStack):
        size = 1 + math.prod(architecture.kernel)

    def train_step(step: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moments = tf.zeros((labels.shape[0], 0, 0))
        if isinstance(stack, CollapsedStack) and size:
            moments = stack.growth_moments(pixels, indices, labels)
        losses, gradients = stack.losses_and_gradients(pixels, indices, labels, step)
        if masks is not None:
            gradients = [gradient * mask for gradient, mask in zip(gradients, masks, strict=True)]
        optimizer.apply(gradients[trained], variables)
        return losses, moments

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # converting the code would take 0.5 s a process
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


def _snapshot(stack: Stack) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    now = stack.parameters()
    return now.kernels, now.biases, outgoing_separation(now)


def check_finite(losses: NDArray[np.floating[Any]], seeds: Sequence[int], steps: Sequence[int], what: str) -> None:
    """Check losses, during training and after it, which the last step may have ruined.

    Args:
        losses: (row, network).
        seeds: each network's.
        steps: each row's.
        what: the networks' name.

    Raises:
        DivergedError: names the seed and the step of the first that is not a finite number.
    """
    for row, network in np.argwhere(~np.isfinite(losses))[:1]:
        raise DivergedError(
            f"{what}: training diverged: seed {seeds[network]}, step {steps[row]}: loss is {losses[row, network]}. "
            "A smaller learning_rate usually helps."
        )


def score(stack: Stack, dataset: Dataset, splits: Sequence[str] = SPLITS, training_images: int | None = None) -> Scores:
    """How well each network of a stack does on some splits of a dataset.

    Args:
        stack: the networks.
        dataset: where the images are from.
        splits: some of ``SPLITS``.
        training_images: of the training split so many, the first; by default all.
    """

    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def score_block(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = stack.logits(images)  # (network, image, class)
        targets = tf.broadcast_to(labels, tf.shape(logits)[:2])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        hits = tf.argmax(logits, axis=2, output_type=tf.int32) == labels
        return tf.reduce_sum(losses, axis=1), tf.reduce_sum(tf.cast(hits, tf.int32), axis=1)

    losses, correct, counts = [], [], []
    for split in splits:
        scored = slice(training_images if split == "train" else None)
        images = getattr(dataset, f"{split}_images")[scored]
        labels = getattr(dataset, f"{split}_labels")[scored].astype(np.int32)
        images = images.reshape(len(images), -1)
        parts = [
            [
                part.numpy().astype(np.float64)
                for part in score_block(images[i : i + stack.images_at_once], labels[i : i + stack.images_at_once])
            ]
            for i in range(0, len(images), stack.images_at_once)
        ]
        losses.append(sum(part[0] for part in parts) / len(images))
        correct.append(sum(part[1] for part in parts))
        counts.append(len(images))
    return Scores(tuple(splits), np.stack(losses), np.stack(correct).astype(np.int64), np.array(counts, np.int64))
