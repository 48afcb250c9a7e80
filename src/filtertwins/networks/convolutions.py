"""The convolutions of a network of several layers: which there are, what follows each, and their weights, folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from filtertwins.architectures import LayeredArchitecture
from filtertwins.layers import CONVOLUTIONS, LayerChoice

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Convolution:
    """One convolution of a network, as tables name it and measures compare its filters."""

    name: str  # conv1, conv2, ...; the two of a separable convolution are conv1_depthwise and conv1_pointwise
    place: int  # of its layer among all
    kind: Literal["conv2d", "depthwise", "pointwise"]
    kernel_size: tuple[int, int]
    activation: str  # what follows it before the next layer with weights
    initializer: Mapping[str, Mapping[str, Any]]
    normalization: int | None = None  # the place of the batch normalisation that follows it, and is folded in
    answers: int | None = None  # the place of the layer whose answers are the convolution's, before the activation

    @property
    def kernels(self) -> str:
        """What Keras calls its kernels."""
        return {"conv2d": "kernel", "depthwise": "kernel", "pointwise": "pointwise_kernel"}[self.kind]

    @property
    def initial_distribution(self) -> str:
        """The initialiser's name; where its options decide the distribution, that of one with the same distribution."""
        [(name, options)] = self.initializer.items()
        if name != "VarianceScaling":
            return name
        named = {"uniform": "RandomUniform", "untruncated_normal": "RandomNormal"}
        return named.get(options.get("distribution", ""), "TruncatedNormal")


def convolutions(layers: Sequence[LayerChoice]) -> list[Convolution]:
    """The convolutions of a network, in order."""
    found: list[Convolution] = []
    places = [place for place, choice in enumerate(layers) if choice.name in CONVOLUTIONS]
    for number, place in enumerate(places, start=1):
        name, layer = layers[place].name, layers[place].layer
        options = layer.model_dump()
        normalized = options["activation"] == "linear" and [own.name for own in layers[place + 1 : place + 2]]
        folded = place + 1 if normalized == ["BatchNormalization"] else None
        whole = Convolution(
            name=f"conv{number}",
            place=place,
            kind="depthwise" if name == "DepthwiseConv2D" else "conv2d",
            kernel_size=options["kernel_size"],
            activation=_activation_of(layers[place:]),
            initializer=options["kernel_initializer" if name == "Conv2D" else "depthwise_initializer"],
            normalization=folded,
            answers=folded or place,
        )
        if name == "SeparableConv2D":
            drawn = options["pointwise_initializer"]
            found.append(
                replace(
                    whole,
                    name=f"{whole.name}_depthwise",
                    kind="depthwise",
                    activation="linear",
                    normalization=None,
                    answers=None,
                )
            )
            name, pixel = f"{whole.name}_pointwise", (1, 1)
            found.append(replace(whole, name=name, kind="pointwise", kernel_size=pixel, initializer=drawn))
        else:
            found.append(whole)
    return found


def first_trained(architecture: LayeredArchitecture) -> int:
    """The place of the first convolution that is trained: the first of all, or the one above shared layers."""
    places = sorted({own.place for own in convolutions(architecture.layers)})
    return places[architecture.half_siblings or 0]


def _activation_of(layers: Sequence[LayerChoice]) -> str:
    """The activation that the first layer's answers meet before the next layer with weights.

    The largest of a window is another filter's smallest if the sign is turned. So without an activation max pooling
    counts as one: any positive multiple does the same job, as with ReLU, but no filter is silent.
    """
    pooled = False
    for place, choice in enumerate(layers):
        if place and choice.name in (*CONVOLUTIONS, "Dense"):
            break
        activation = getattr(choice.layer, "activation", "linear")
        if activation != "linear":
            return str(activation)
        pooled |= choice.name == "MaxPooling2D"
    return "max_pooling" if pooled else "linear"


def folded_weights(
    convolution: Convolution, layers: Sequence[LayerChoice], weights: Mapping[str, Numbers]
) -> tuple[Numbers, Numbers]:
    """Kernels and biases of one convolution, with the batch normalisation that follows it folded in.

    That takes the mean off a channel's answers, divides by their deviation, multiplies by gamma and adds beta. So the
    kernel is multiplied by gamma over the deviation; a negative gamma turns its sign.

    Args:
        convolution: of a network.
        layers: all its layers.
        weights: all its weights by ``<place>_<name in Keras>``, with any number of axes before Keras's own.

    Returns:
        kernels (..., row, column, channel, filter) and biases (..., filter). A depthwise filter sees one channel.
    """

    def of(place: int, name: str) -> Numbers | None:
        return weights.get(f"{place}_{name}")

    kernels = of(convolution.place, convolution.kernels)
    if kernels is None:  # a depthwise convolution of a separable one
        kernels = weights[f"{convolution.place}_depthwise_kernel"]
    if convolution.kind == "depthwise":
        kernels = kernels.reshape(*kernels.shape[:-2], 1, -1)
    last = convolution.kind != "depthwise" or of(convolution.place, "pointwise_kernel") is None
    biases = of(convolution.place, "bias") if last else None
    if biases is None:
        biases = np.zeros((*kernels.shape[:-4], kernels.shape[-1]), kernels.dtype)
    if (place := convolution.normalization) is not None:
        epsilon = layers[place].layer.model_dump()["epsilon"]
        mean, variance = weights[f"{place}_moving_mean"], weights[f"{place}_moving_variance"]
        gamma, beta = of(place, "gamma"), of(place, "beta")
        scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + np.float32(epsilon))
        kernels = kernels * scale[..., np.newaxis, np.newaxis, np.newaxis, :]
        biases = (biases - mean) * scale + (0.0 if beta is None else beta)
    return kernels.astype(np.float32), biases.astype(np.float32)
