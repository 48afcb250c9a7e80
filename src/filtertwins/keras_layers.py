"""Keras's layers: their options, what each answers, its weights and its multiplications."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, WithJsonSchema
from typing_extensions import override

from filtertwins.keras_names import ACTIVATIONS, Initializer, Regularizer
from filtertwins.mistakes import Section, added, allowed_names, check

Shape = tuple[int, ...]
"""What a layer answers to one image: (row, column, channel), or (feature,) once it is flat."""


class MisfitError(ValueError):
    """A layer can't stand where it stands."""


def _pair(given: Any) -> tuple[int, int]:
    pair = tuple(given) if isinstance(given, list | tuple) else (given, given)
    numbers = [x for x in pair if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(pair) != 2 or len(numbers) != 2 or not all(x >= 1 and x % 1 == 0 for x in numbers):
        raise ValueError("must be a whole number of at least 1, or two of them: rows and columns")
    return int(pair[0]), int(pair[1])


def _known(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"no activation of Keras; {allowed_names(name, ACTIVATIONS)}")
    return name


_PAIR_SCHEMA = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}
Pair = Annotated[Any, AfterValidator(_pair), WithJsonSchema(_PAIR_SCHEMA)]
Activation = Annotated[str, AfterValidator(_known), WithJsonSchema({"enum": list(ACTIVATIONS)})]
Padding = Literal["valid", "same"]
Glorot: dict[str, dict[str, Any]] = {"GlorotUniform": {}}


class Layer(Section):
    """One layer."""

    def shape(self, shape: Shape, filters: int) -> Shape:
        """What it answers, from what it is given; ``filters`` is the architecture's.

        Raises:
            MisfitError: it does not fit there.
        """
        return shape

    def kernel_weights(self, shape: Shape, filters: int) -> int:
        """How many weights its kernels have."""
        return 0

    def weights(self, shape: Shape, filters: int) -> int:
        """How many weights it has: those of its kernels, and a bias for each channel of its answer."""
        biases = self.shape(shape, filters)[-1] if getattr(self, "use_bias", False) else 0
        return self.kernel_weights(shape, filters) + biases

    def macs(self, shape: Shape, filters: int) -> int:
        """How many multiplications with weights it does for one image: with those of its kernels, at each place."""
        return self.kernel_weights(shape, filters) * math.prod(self.shape(shape, filters)[:-1])


class _Windows(Layer):
    """A layer that looks at windows of an image."""

    padding: Padding = "valid"

    def _window(self) -> tuple[tuple[int, int], tuple[int, int]]:
        raise NotImplementedError

    def _places(self, shape: Shape) -> tuple[int, int]:
        if len(shape) != 3:
            raise MisfitError("needs images, with rows, columns and channels; it stands after a layer that has none")
        windows, strides = self._window()
        if self.padding == "same":
            rows, columns = (-(-size // stride) for size, stride in zip(shape, strides, strict=False))
        else:
            rows, columns = (
                (size - window) // stride + 1 for size, window, stride in zip(shape, windows, strides, strict=False)
            )
        if min(rows, columns) < 1:
            raise MisfitError(
                f"looks at {windows[0]}x{windows[1]} pixels of {shape[0]}x{shape[1]}; with padding: same it fits"
            )
        return rows, columns


class _Convolution(_Windows):
    kernel_size: Pair
    strides: Pair = (1, 1)
    dilation_rate: Pair = (1, 1)
    activation: Activation = "linear"
    use_bias: bool = True

    _both = check(
        "dilation_rate", "with strides above 1 it must be 1", lambda it, strides: max(it) > 1 and max(strides) > 1
    )

    def _window(self) -> tuple[tuple[int, int], tuple[int, int]]:
        height, width = ((size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True))
        return (height, width), self.strides


class _OfAnyWidth(_Convolution):
    """A convolution that has a number of filters of its own."""

    filters: PositiveInt = Field(description="times the architecture's `filters`")
    scaled: bool = Field(default=True, description="false: `filters` is the number itself")

    def width(self, filters: int) -> int:
        """Its number of filters."""
        return self.filters * filters if self.scaled else self.filters


class Conv2DLayer(_OfAnyWidth):
    """Keras's ``Conv2D``; ``filters`` is a multiple of the architecture's, unless ``scaled`` is false."""

    groups: PositiveInt = 1
    kernel_initializer: Initializer = Glorot
    kernel_regularizer: Regularizer | None = added("a penalty on the kernels")

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        rows, columns = self._places(shape)
        width = self.width(filters)
        if shape[2] % self.groups or width % self.groups:
            raise MisfitError(f"groups = {self.groups}; must divide its {shape[2]} channels and its {width} filters")
        return rows, columns, width

    @override
    def kernel_weights(self, shape: Shape, filters: int) -> int:
        return self.width(filters) * math.prod(self.kernel_size) * shape[2] // self.groups


class DepthwiseConv2DLayer(_Convolution):
    """Keras's ``DepthwiseConv2D``: so many filters for each channel, which see nothing else."""

    depth_multiplier: PositiveInt = 1
    depthwise_initializer: Initializer = Glorot
    depthwise_regularizer: Regularizer | None = added("a penalty on the kernels")

    _even = check("strides", "must be the same for rows and columns", lambda it: it[0] != it[1])

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        return *self._places(shape), shape[2] * self.depth_multiplier

    @override
    def kernel_weights(self, shape: Shape, filters: int) -> int:
        return shape[2] * self.depth_multiplier * math.prod(self.kernel_size)


class SeparableConv2DLayer(_OfAnyWidth):
    """Keras's ``SeparableConv2D``: a depthwise convolution, then one of 1x1 pixels over all channels."""

    depth_multiplier: PositiveInt = 1
    depthwise_initializer: Initializer = Glorot
    pointwise_initializer: Initializer = Glorot

    _even = check("strides", "must be the same for rows and columns", lambda it: it[0] != it[1])

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        return *self._places(shape), self.width(filters)

    @override
    def kernel_weights(self, shape: Shape, filters: int) -> int:
        return shape[2] * self.depth_multiplier * (math.prod(self.kernel_size) + self.width(filters))


class BatchNormalizationLayer(Layer):
    """Keras's ``BatchNormalization``, over channels."""

    momentum: float = Field(default=0.99, ge=0, lt=1)
    epsilon: PositiveFloat = 1e-3
    center: bool = True
    scale: bool = True

    @override
    def weights(self, shape: Shape, filters: int) -> int:
        return 2 * shape[-1] + shape[-1] * (self.center + self.scale)


class ActivationLayer(Layer):
    """Keras's ``Activation``."""

    activation: Activation


class _Pooling(_Windows):
    pool_size: Pair = (2, 2)
    strides: Pair | None = Field(default=None, description="null: as pool_size")

    def _window(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.pool_size, self.strides or self.pool_size

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        return *self._places(shape), shape[2]


class MaxPooling2DLayer(_Pooling):
    """Keras's ``MaxPooling2D``."""


class AveragePooling2DLayer(_Pooling):
    """Keras's ``AveragePooling2D``."""


class GlobalAveragePooling2DLayer(Layer):
    """Keras's ``GlobalAveragePooling2D``."""

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        if len(shape) != 3:
            raise MisfitError("needs images, with rows, columns and channels; it stands after a layer that has none")
        return (shape[2],)


class DropoutLayer(Layer):
    """Keras's ``Dropout``."""

    rate: float = Field(ge=0, lt=1)


class FlattenLayer(Layer):
    """Keras's ``Flatten``."""

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        return (math.prod(shape),)


class DenseLayer(Layer):
    """Keras's ``Dense``; the last one, with an output for each class, is added without being named."""

    units: PositiveInt
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer = Glorot
    kernel_regularizer: Regularizer | None = added("a penalty on the weights")

    @override
    def shape(self, shape: Shape, filters: int) -> Shape:
        if len(shape) != 1:
            raise MisfitError("needs a Flatten or a GlobalAveragePooling2D before it")
        return (self.units,)

    @override
    def kernel_weights(self, shape: Shape, filters: int) -> int:
        return self.units * shape[0]
