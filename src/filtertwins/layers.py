"""The layers of a network of any depth, with the names that they have in Keras; and what fits on what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from filtertwins import keras_layers
from filtertwins.keras_layers import MisfitError, Shape
from filtertwins.mistakes import Section, added

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")


def _section(given: Any) -> Any:
    """A layer without options may be written as its name alone; a null for its options means none."""
    if isinstance(given, str):
        return {given: {}}
    return {name: {} if own is None else own for name, own in given.items()} if isinstance(given, Mapping) else given


class LayerChoice(Section):
    """One layer, by its name in Keras."""

    Conv2D: keras_layers.Conv2DLayer | None = added("kernels over all channels, or over those of a group")
    DepthwiseConv2D: keras_layers.DepthwiseConv2DLayer | None = added("kernels that see one channel each")
    SeparableConv2D: keras_layers.SeparableConv2DLayer | None = added("depthwise kernels, then a mixture of channels")
    BatchNormalization: keras_layers.BatchNormalizationLayer | None = added("each channel is centred and scaled")
    Activation: keras_layers.ActivationLayer | None = added("an activation of its own")
    MaxPooling2D: keras_layers.MaxPooling2DLayer | None = added("the largest of each window")
    AveragePooling2D: keras_layers.AveragePooling2DLayer | None = added("the mean of each window")
    GlobalAveragePooling2D: keras_layers.GlobalAveragePooling2DLayer | None = added("the mean of each channel")
    Dropout: keras_layers.DropoutLayer | None = added("some of the entries are dropped at each step")
    Flatten: keras_layers.FlattenLayer | None = added("all pixels and channels in a row")
    Dense: keras_layers.DenseLayer | None = added("a fully connected layer")

    @property
    def name(self) -> str:
        """Its name in Keras."""
        return next(name for name, own in self if own is not None)

    @property
    def layer(self) -> keras_layers.Layer:
        """Its options."""
        return getattr(self, self.name)  # type: ignore[no-any-return]


def _one(choice: LayerChoice) -> LayerChoice:
    named = [name for name, own in choice if own is not None]
    if len(named) != 1:
        raise ValueError("give one layer for each dash, such as - Conv2D: {filters: 1, kernel_size: 3}")
    return choice


Layers = tuple[
    Annotated[LayerChoice, BeforeValidator(_section, json_schema_input_type=LayerChoice | str), AfterValidator(_one)],
    ...,
]


def shapes(
    layers: Sequence[LayerChoice], filters: int, image_shape: Shape
) -> Iterator[tuple[LayerChoice, Shape, Shape]]:
    """Each layer, with the shape that it is given, and that of its answer.

    Raises:
        MisfitError: a layer does not fit there; the message names its place.
    """
    given = image_shape
    for place, choice in enumerate(layers):
        try:
            answered = choice.layer.shape(given, filters)
        except MisfitError as error:
            raise MisfitError(f"layers.{place}.{choice.name}: {error}") from None
        yield choice, given, answered
        given = answered


def last_shape(layers: Sequence[LayerChoice], filters: int, image_shape: Shape) -> Shape:
    """What the last layer answers to one image; see :func:`shapes`."""
    *_, (_, _, answered) = shapes(layers, filters, image_shape)
    return answered


def totals(layers: Sequence[LayerChoice], filters: int, image_shape: Shape, classes: int) -> tuple[int, int]:
    """The weights of a network, and its multiplications with weights for one image, the last dense layer included."""
    steps = list(shapes(layers, filters, image_shape))
    head = classes * math.prod(steps[-1][2])
    weights = sum(choice.layer.weights(given, filters) for choice, given, _ in steps)
    macs = sum(choice.layer.macs(given, filters) for choice, given, _ in steps)
    return weights + head, macs + head
