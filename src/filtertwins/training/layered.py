"""Networks of several layers, as plain Keras models that are trained side by side in the compiled loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from typing_extensions import override

from filtertwins.architectures import LayeredArchitecture, described_by
from filtertwins.data.datasets import Dataset
from filtertwins.layers import LayerChoice, last_shape
from filtertwins.names import SPLITS
from filtertwins.networks.convolutions import Convolution, convolutions, first_trained
from filtertwins.networks.weights import LayeredChunk, Scores
from filtertwins.training.loop import Recorded, Visits, compiled_loop, run_segments
from filtertwins.training.scoring import Scorer, check_finite
from filtertwins.training.stacks import Stack, as_images, cross_entropy
from filtertwins.training.streams import Purpose, generator, initializer_seed

ANSWERS = 1000
"""So many answers of each filter are kept, each to one place of one training image."""

SHOWN_IMAGES = 250
"""The first training images, which these places are on."""

WATCHED_IMAGES = 10_000
"""A ReLU filter that none of so many first training images activates counts as never active."""

_AT_ONCE = 250
_PLACES_SEED = 20202


def layered_model(
    architecture: LayeredArchitecture, filters: int, seed: int, image_shape: tuple[int, ...], classes: int
) -> keras.Model:
    """The network as a Keras user would write it, with the initial weights and the dropout of a seed.

    Activations are layers of their own, which changes nothing but that a convolution's answers can be had without.

    Returns:
        a model from (image, row, column, channel) in [0, 1] to logits (image, class).
    """
    stack: list[keras.Layer] = [keras.layers.Input(image_shape)]
    for place, choice in enumerate(architecture.layers):
        stack += _keras_layers(choice, place, filters, seed)
    if len(last_shape(architecture.layers, filters, image_shape)) > 1:
        stack.append(keras.layers.Flatten())
    head = keras.initializers.GlorotUniform(seed=initializer_seed(seed, Purpose.HEAD))
    stack.append(keras.layers.Dense(classes, kernel_initializer=head, name=f"{len(architecture.layers)}_head"))
    return keras.Sequential(stack)


def _keras_layers(choice: LayerChoice, place: int, filters: int, seed: int) -> list[keras.Layer]:
    """One layer, named by its place, and its activation as another one."""
    options: dict[str, Any] = {name: own for name, own in choice.layer.model_dump().items() if own is not None}
    if "filters" in options:
        options["filters"] = choice.layer.width(filters)  # type: ignore[attr-defined]
    options.pop("scaled", None)
    for number, name in enumerate(name for name in options if name.endswith("_initializer")):
        block = 2 * place + number  # of the seed's stream: each array of weights has its own
        options[name] = _of_keras("initializers", options[name], seed=initializer_seed(seed, Purpose.KERNEL, block))
    for name in [name for name in options if name.endswith("_regularizer")]:
        options[name] = _AsMatrix(_of_keras("regularizers", options[name]))
    if choice.name == "Dropout":
        options["seed"] = initializer_seed(seed, Purpose.DROPOUT, place)
    activation = options.pop("activation", "linear")
    layers = [] if choice.name == "Activation" else [getattr(keras.layers, choice.name)(**options, name=f"{place}_own")]
    return layers if activation == "linear" else [*layers, keras.layers.Activation(activation)]


def _of_keras(module: str, named: Mapping[str, Mapping[str, Any]], **more: Any) -> Any:
    """Keras's object of a name with options; what does not draw has no seed."""
    [(name, options)] = named.items()
    kind = getattr(getattr(keras, module), name)
    return kind(**options, **({} if name in ("Constant", "Ones", "Zeros") else more))


class _AsMatrix(keras.regularizers.Regularizer):  # type: ignore[misc]
    """A penalty on kernels as a matrix (tap, filter), as Keras's ``OrthogonalRegularizer`` wants them."""

    def __init__(self, inner: keras.Regularizer) -> None:
        self._inner = inner

    def __call__(self, kernels: Any) -> Any:
        return self._inner(keras.ops.reshape(kernels, (-1, kernels.shape[-1])))


class LayeredStack(Stack):
    """Networks that are each a plain Keras model with variables of its own.

    All that a Keras user's step does happens here too: penalties, the running means of batch normalisation, dropout.
    """

    images_at_once = _AT_ONCE

    def __init__(self, models: Sequence[keras.Model]) -> None:
        self.models = list(models)
        self._image: tuple[int, ...] = models[0].input_shape[1:]
        self.variables = [variable for model in models for variable in model.trainable_variables]

    @override
    def losses_and_gradients(
        self, pixels: tf.Tensor, indices: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        losses, gradients = [], []
        for place, model in enumerate(self.models):
            images = as_images(tf.gather(pixels, indices[place]), self._image)
            trained = [variable.value for variable in model.trainable_variables]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trained)
                logits = model(images, training=True)
                penalty = tf.add_n([tf.zeros(()), *model.losses])
            each, by_logits = cross_entropy(labels[place], tf.transpose(logits))
            losses.append(tf.reduce_mean(each))
            by_outputs = [tf.transpose(by_logits) / labels.shape[1], tf.ones(())]
            wanted = slice(2 if model.losses else 1)
            gradients += tape.gradient([logits, penalty][wanted], trained, by_outputs[wanted])
        return tf.stack(losses), gradients

    @override
    def logits(self, images: tf.Tensor) -> tf.Tensor:
        seen = as_images(images, self._image)
        return tf.stack([model(seen, training=False) for model in self.models])


def train_layered(
    dataset: Dataset, condition: Mapping[str, Any], steps: int, report: Callable[[str], None] = print
) -> LayeredChunk:
    """Train one network of several layers for each seed of a condition, side by side.

    Args:
        dataset: its images are uint8; networks see pixels in [0, 1].
        condition: as for :func:`filtertwins.training.train_chunks`.
        steps: how many steps to train.
        report: is called with a line of progress at regular steps.

    Raises:
        DivergedError: a loss is not finite; the message names the seed and the step.
    """
    filters, architecture = condition["filters"], described_by(condition)
    assert isinstance(architecture, LayeredArchitecture)  # noqa: S101 - the others have stacks of their own
    what, seeds = f"{condition['architecture']} filters={filters}", list(condition["seeds"])
    draws = [seed if architecture.draw_seed is None else architecture.draw_seed for seed in seeds]
    models = [layered_model(architecture, filters, seed, dataset.image_shape, dataset.classes) for seed in draws]
    if architecture.half_siblings:
        _share_lower_layers(dataset, architecture, models, seeds, steps, what, report)
    watchers = [_watcher(architecture, model) for model in models]
    stages = [_record(architecture, models, watchers, dataset)]
    scored: list[Scores] = []

    def score(scorers: Sequence[Scorer], step: int) -> None:
        scored.append(scorers[0](dataset, training_images=architecture.scored_training_images))
        check_finite(scored[0].losses, seeds, [step] * len(SPLITS), what)

    recorded = _train(dataset, architecture, models, seeds, steps, what, {steps: score}, report)
    stages.append(_record(architecture, models, watchers, dataset))
    weights, answers, active = (
        {name: np.stack([stage[part][name] for stage in stages]) for name in stages[0][part]} for part in range(3)
    )
    return LayeredChunk(
        condition=condition,
        seeds=np.array(seeds, np.int64),
        starts=np.zeros(len(seeds), np.int64),
        weights=weights,
        answers=answers,
        active=active,
        reported_steps=np.array(recorded.reported_steps, np.int64),
        reported_losses=np.stack(recorded.reported_losses),
        scored_steps=np.array([steps], np.int64),
        losses=scored[0].losses[np.newaxis],
        correct=scored[0].correct[np.newaxis],
        images=scored[0].images,
    )


def _train(
    dataset: Dataset,
    architecture: LayeredArchitecture,
    models: Sequence[keras.Model],
    seeds: Sequence[int],
    steps: int,
    what: str,
    visits: Visits,
    report: Callable[[str], None],
) -> Recorded:
    stack = LayeredStack(models)
    optimizer = _of_keras("optimizers", architecture.optimizer, learning_rate=architecture.learning_rate)
    run_steps = compiled_loop(stack, optimizer, dataset.train_images)
    return run_segments(stack, run_steps, dataset, architecture, seeds, steps, [visits], what, report=report)


def _share_lower_layers(
    dataset: Dataset,
    architecture: LayeredArchitecture,
    models: Sequence[keras.Model],
    seeds: Sequence[int],
    steps: int,
    what: str,
    report: Callable[[str], None],
) -> None:
    """Train the first seed's network, give its lower layers to all networks, and freeze them there."""
    shape = dataset.image_shape
    first = layered_model(architecture, architecture.filters[0], seeds[0], shape, dataset.classes)
    _train(dataset, architecture, [first], seeds[:1], steps, f"{what} lower layers", {}, report)
    frozen = first_trained(architecture)  # the layers below this place
    for model in models:
        for own, other in zip(model.layers, first.layers, strict=True):
            if _place_of(own) < frozen:
                own.set_weights(other.get_weights())
                own.trainable = False  # A batch normalisation then keeps its means, too.


def _place_of(layer: keras.Layer) -> float:
    """The place among the architecture's layers; a layer without weights that the name does not tell has none."""
    number = layer.name.split("_")[0]
    return int(number) if number.isdigit() else np.inf


Stage = tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float32]], dict[str, NDArray[np.bool_]]]
"""Of all networks now: weights (seed, ...), some answers (seed, place, filter), activity (seed, filter)."""


Watcher = Callable[[tf.Tensor], dict[str, tf.Tensor]]
"""From images to each convolution's answers before the activation, (image, row, column, filter), at this moment."""


def _watched(architecture: LayeredArchitecture) -> list[Convolution]:
    return [own for own in convolutions(architecture.layers) if own.answers is not None]


def _watcher(architecture: LayeredArchitecture, model: keras.Model) -> Watcher:
    """It is compiled once, at its first call."""
    outputs = {own.name: model.get_layer(f"{own.answers}_own").output for own in _watched(architecture)}
    inner = keras.Model(model.inputs, outputs)
    compiled: Watcher = tf.function(lambda images: inner(images, training=False), autograph=False)
    return compiled


def _record(
    architecture: LayeredArchitecture, models: Sequence[keras.Model], watchers: Sequence[Watcher], dataset: Dataset
) -> Stage:
    weights: dict[str, list[NDArray[Any]]] = {}
    for model in models:
        for layer in model.layers:
            for variable in layer.weights:
                if "seed_generator" not in variable.path:
                    name = f"{layer.name.split('_')[0]}_{variable.name}"
                    weights.setdefault(name, []).append(variable.numpy())
    found = [_answers(_watched(architecture), watcher, dataset) for watcher in watchers]
    answers = {name: np.stack([own[0][name] for own in found]) for name in found[0][0]}
    active = {name: np.stack([own[1][name] for own in found]) for name in found[0][1]}
    return {name: np.stack(own) for name, own in weights.items()}, answers, active


def _answers(
    watched: Sequence[Convolution], watcher: Watcher, dataset: Dataset
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.bool_]]]:
    """Of one network, each convolution's answers before the activation at some places, and which filters ever fire."""
    kept: dict[str, list[NDArray[np.float32]]] = {own.name: [] for own in watched}
    active: dict[str, NDArray[np.bool_]] = {}
    images = dataset.train_images[:WATCHED_IMAGES]
    for start in range(0, len(images), _AT_ONCE):
        for name, maps in watcher(as_images(images[start : start + _AT_ONCE], dataset.image_shape)).items():
            if start < SHOWN_IMAGES:
                kept[name].append(maps.numpy())
            active[name] = active.get(name, False) | tf.reduce_any(maps > 0, axis=(0, 1, 2)).numpy()
    return {own.name: _at_places(own, np.concatenate(kept[own.name])) for own in watched}, active


def _at_places(convolution: Convolution, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The answers at some random places, (place, filter), of maps (image, row, column, filter): the same each time."""
    flat = maps.reshape(-1, maps.shape[-1])
    rng = generator(_PLACES_SEED, Purpose.KERNEL, convolution.place)
    return flat[rng.choice(len(flat), min(ANSWERS, len(flat)), replace=False)]
