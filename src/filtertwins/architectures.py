"""One network's options: what an architecture is, and what it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PositiveFloat, PositiveInt, Tag, TypeAdapter

from filtertwins.keras_names import ACTIVATIONS, Optimizer
from filtertwins.layers import CONVOLUTIONS, Layers
from filtertwins.mistakes import NAME, Section, added, check, refuse

OFF = "null switches off what an earlier config file defines"
T = TypeVar("T")
INCREASING = AfterValidator(refuse("must increase, each value once", lambda it: list(it) != sorted(set(it))))
SOME_LEFT = AfterValidator(refuse("all null; keep one, or switch it all off", lambda it: it and not switched_on(it)))
Name = Annotated[str, Field(pattern=NAME)]
"""A name that becomes part of file names: letters, digits and underscores."""

FAST = ("linear", "relu", "tanh")
BY_LAYERS = "not linear, relu or tanh; a network with another activation of Keras is written with `layers:`"
Activation = Annotated[
    Literal["linear", "relu", "tanh"],
    BeforeValidator(refuse(BY_LAYERS, lambda it: it in ACTIVATIONS and it not in FAST)),
]
Initializer = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
SecondFilter = Literal["own", "twin", "half_twin", "silent"]
Counts = Annotated[tuple[PositiveInt, ...], INCREASING]
Switched = Annotated[dict[Name, T | None], SOME_LEFT, Field(description=OFF)]


class L1Options(Section):
    """The options of Keras's ``L1``."""

    l1: PositiveFloat = Field(description="the penalty is this times the sum of all absolute weights")


class L2Options(Section):
    """The options of Keras's ``L2``."""

    l2: PositiveFloat = Field(description="the penalty is this times the sum of all squared weights")


class OrthogonalOptions(Section):
    """The options of Keras's ``OrthogonalRegularizer``."""

    factor: PositiveFloat = Field(description="the penalty is this times the mean absolute cosine of all pairs")
    mode: Literal["columns", "rows"] = Field(description="columns: pairs of filters; rows: of places in the kernel")


class KernelRegularizer(Section):
    """Penalties by their names in Keras; several add up. Each sees a network's kernels as a matrix (tap, filter)."""

    L1: L1Options | None = added("pulls all weights to 0 alike")
    L2: L2Options | None = added("pulls large weights to 0 the most")
    OrthogonalRegularizer: OrthogonalOptions | None = added("pulls filters apart")


class Trained(Section):
    """How networks are trained, whatever their layers."""

    label: str | None = Field(default=None, min_length=1, max_length=40, description="words for figures")
    learning_rate: PositiveFloat
    shuffle_labels: bool = Field(default=False, description="permute the training labels: nothing can be learnt")
    draw_seed: int | None = added("all networks start from this seed's initial weights; null: each from its own", ge=0)
    batch_seed: int | None = added("all networks see this seed's batches; null: each its own", ge=0)
    batch: PositiveInt = Field(description="images a step")
    steps: PositiveInt | None = Field(default=None, description="optimiser steps; give either steps or epochs")
    epochs: PositiveInt | None = Field(default=None, description="passes over the training images")
    scored_training_images: PositiveInt | None = Field(
        default=None, description="the training loss is measured on so many of the training images; null: on all"
    )
    filters: Counts = Field(min_length=1, description="the filter counts to train")

    _shared = check("batch_seed", "needs draw_seed: null", lambda it, draw_seed: None not in (it, draw_seed))
    _duration = check(
        "epochs", "give either steps or epochs (null for the other)", lambda it, steps: (it is None) == (steps is None)
    )


class Architecture(Trained):
    """One convolutional layer, then a dense softmax layer; how it is initialised and trained."""

    kernel: tuple[PositiveInt, PositiveInt] = Field(description="kernel height and width in pixels")
    activation: Activation
    initializer: Initializer = "glorot_uniform"
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = Field(default=0.0, ge=0, lt=1, description="for sgd")
    weight_decay: float = Field(default=0.0, ge=0, description="for adamw and sgd")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the feature maps' entries dropped at a step")
    implementation: Literal["stacked", "keras"] = Field(
        default="stacked", description="stacked: many networks at once; keras: the plain Keras model, to compare"
    )
    freeze_kernels: bool = Field(default=False, description="train the dense layer only, on random filters")
    kernel_regularizer: KernelRegularizer | None = added("penalties on the kernels, such as Keras's on their cosines")
    scale: PositiveFloat | None = added("multiplies all initial weights; null: by 1")

    _penalty = check("kernel_regularizer", "needs trained kernels", lambda it, freeze_kernels: it and freeze_kernels)
    _pairs = check(
        "kernel_regularizer",
        "filters = {filters}; a single one has none to be orthogonal to; OrthogonalRegularizer needs 2 or more",
        lambda it, filters: it and it.OrthogonalRegularizer and 1 in filters,
    )
    _momentum = check("momentum", "needs optimizer: sgd", lambda it, optimizer: it and optimizer != "sgd")
    _plain = check("implementation", "has no dropout", lambda it, dropout: it == "keras" and dropout)
    _decay = check("weight_decay", "needs optimizer: adamw or sgd", lambda it, optimizer: it and optimizer == "adam")

    @property
    def collapses(self) -> bool:
        """Whether its networks are trained through their effective weights, which takes the least time."""
        return self.activation == "linear" and not self.dropout and self.implementation == "stacked"


class LayeredArchitecture(Trained):
    """A network of any layers that Keras has and ``layers`` names, then a dense softmax layer with all classes."""

    layers: Layers = Field(min_length=1, description="from the images on; the dense softmax layer at the end is added")
    optimizer: Optimizer = Field(
        default="adam", description="a name in Keras, or one with options: {SGD: {momentum: 0.9}}"
    )
    half_siblings: PositiveInt | None = added(
        "so many convolutions, from the first on, are those of the first seed's trained network in all networks, frozen"
    )

    _seen = check(
        "layers",
        "none is a convolution; one of them must be",
        lambda it: not any(choice.name in CONVOLUTIONS for choice in it),
    )
    _above = check(
        "half_siblings",
        "allowed: fewer than the convolutions",
        lambda it, layers: it and it >= sum(choice.name in CONVOLUTIONS for choice in layers),
    )


def _form(given: object) -> str:
    """Which form an architecture has. The tags are taken out of messages again."""
    layered = "layers" in given if isinstance(given, Mapping) else isinstance(given, LayeredArchitecture)
    return "#layers" if layered else "#kernel"


AnyArchitecture = Annotated[
    Annotated[Architecture, Tag("#kernel")] | Annotated[LayeredArchitecture, Tag("#layers")], Discriminator(_form)
]


_FORMS: TypeAdapter[Architecture | LayeredArchitecture] = TypeAdapter(AnyArchitecture)


def described_by(condition: Mapping[str, Any]) -> Architecture | LayeredArchitecture:
    """The architecture of the networks of a condition, of whichever form, with its number of filters."""
    return _FORMS.validate_python(condition["model"] | {"filters": [condition["filters"]]})


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
