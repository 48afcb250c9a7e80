"""One network's options: what an architecture is, and what it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt

from filtertwins.mistakes import NAME, Section, added, check, refuse
from filtertwins.regularizers import KernelRegularizer

OFF = "null switches off what an earlier config file defines"
T = TypeVar("T")
INCREASING = AfterValidator(refuse("must increase, each value once", lambda it: list(it) != sorted(set(it))))
SOME_LEFT = AfterValidator(refuse("all null; keep one, or switch it all off", lambda it: it and not switched_on(it)))
Name = Annotated[str, Field(pattern=NAME)]
"""A name that becomes part of file names: letters, digits and underscores."""

LATER = ("celu", "elu", "gelu", "hard_tanh", "leaky_relu", "relu6", "selu", "sigmoid", "silu", "softplus", "swish")
NOT_YET = "not among the activations so far: linear, relu, tanh; others come with deeper networks"
Activation = Annotated[Literal["linear", "relu", "tanh"], BeforeValidator(refuse(NOT_YET, lambda it: it in LATER))]
Initializer = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
SecondFilter = Literal["own", "twin", "half_twin", "silent"]
Counts = Annotated[tuple[PositiveInt, ...], INCREASING]
Switched = Annotated[dict[Name, T | None], SOME_LEFT, Field(description=OFF)]


class Architecture(Section):
    """One convolutional layer, then a dense softmax layer; how it is initialised and trained."""

    label: str | None = Field(
        default=None, min_length=1, max_length=40, description="words for figures; by default kernel and activation"
    )
    kernel: tuple[PositiveInt, PositiveInt] = Field(description="kernel height and width in pixels")
    activation: Activation
    initializer: Initializer = "glorot_uniform"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat
    momentum: float = Field(default=0.0, ge=0, lt=1, description="for sgd")
    weight_decay: float = Field(default=0.0, ge=0, description="for adamw and sgd")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the feature maps' entries dropped at a step")
    implementation: Literal["stacked", "keras"] = Field(
        default="stacked", description="stacked: many networks at once; keras: the plain Keras model, to compare"
    )
    freeze_kernels: bool = Field(default=False, description="train the dense layer only, on random filters")
    shuffle_labels: bool = Field(default=False, description="permute the training labels: nothing can be learnt")
    kernel_regularizer: KernelRegularizer | None = added("penalties on the kernels, such as Keras's on their cosines")
    scale: PositiveFloat | None = added("multiplies all initial weights; null: by 1")
    draw_seed: int | None = added("all networks start from this seed's initial weights; null: each from its own", ge=0)
    batch_seed: int | None = added("all networks see this seed's batches; null: each its own", ge=0)
    batch: PositiveInt = Field(description="images a step")
    steps: PositiveInt | None = Field(default=None, description="optimiser steps; give either steps or epochs")
    epochs: PositiveInt | None = Field(default=None, description="passes over the training images")
    scored_training_images: PositiveInt | None = Field(
        default=None, description="the training loss is measured on so many of the training images; null: on all"
    )
    filters: Counts = Field(min_length=1, description="the filter counts to train")

    _penalty = check("kernel_regularizer", "needs trained kernels", lambda it, freeze_kernels: it and freeze_kernels)
    _shared = check("batch_seed", "needs draw_seed: null", lambda it, draw_seed: None not in (it, draw_seed))
    _pairs = check(
        "filters",
        "a single one has none to be orthogonal to; OrthogonalRegularizer needs 2 or more",
        lambda it, kernel_regularizer: 1 in it and kernel_regularizer and kernel_regularizer.OrthogonalRegularizer,
    )
    _momentum = check("momentum", "needs optimizer: sgd", lambda it, optimizer: it and optimizer != "sgd")
    _plain = check("implementation", "has no dropout", lambda it, dropout: it == "keras" and dropout)
    _decay = check("weight_decay", "needs optimizer: adamw or sgd", lambda it, optimizer: it and optimizer == "adam")
    _duration = check(
        "epochs", "give either steps or epochs (null for the other)", lambda it, steps: (it is None) == (steps is None)
    )


class Start(Section):
    """What is done to a network's weights before training: to its random initial ones, or to trained ones."""

    after: int = Field(default=0, ge=0, description="steps of training before all this is done")
    scale: PositiveFloat = Field(default=1.0, description="multiplies all initial weights")
    second_filter: SecondFilter = Field(
        default="own",
        description="own: its own draw; twin: the first filter's kernel, bias and outgoing weights, all of both divided"
        " by the root of 2, so that the two do what the first did; half_twin: its kernel and bias only; silent: zero",
    )
    pair: tuple[int, int] = Field(
        default=(0, 1), description="the places of the first and the second filter, negative ones counted from the end"
    )
    epsilon: float = Field(default=0.0, ge=0, description="for twin: by what length each of the two kernels is moved")
    bias_gap: float = Field(default=0.0, ge=0, description="for twin: by how much each of the two biases is moved")

    _twin = check("epsilon", "needs second_filter: twin", lambda it, second_filter: it and second_filter != "twin")
    _gap = check("bias_gap", "needs second_filter: twin", lambda it, second_filter: it and second_filter != "twin")


def switched_on(items: Mapping[str, T | None]) -> dict[str, T]:
    """What is not null, by name."""
    return {name: item for name, item in items.items() if item is not None}
