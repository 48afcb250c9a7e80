"""The study's configuration as frozen, validated models.

``load_settings`` checks everything at once and reports each mistake with its key, its value, what is allowed
and, for a misspelt name, the nearest known one. The models are also the source of the JSON schema that editors use
(``workflow/schemas/config.schema.json``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from filtertwins.errors import StudyError
from filtertwins.mistakes import did_you_mean, list_mistakes, mistakes_of, unknown_names

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
"""A name that becomes part of file names: letters, digits and underscores."""

Activation = Literal["linear", "relu", "tanh"]
Initializer = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
OptimizerName = Literal["adam", "adamw", "sgd"]
SecondFilter = Literal["own", "twin", "half_twin", "silent"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise PydanticCustomError("increasing", "must increase, each value once")
    return values


class SettingsError(StudyError):
    """The configuration is wrong; the message lists every mistake."""


class _Model(BaseModel):
    # Defaults are validated too, because some checks compare a key with the ones above it.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class IdxFile(_Model):
    """One file of an IDX dataset, known by its decompressed payload (mirrors recompress)."""

    name: str = Field(description="file name on the mirrors")
    sha256: Sha256 = Field(description="SHA-256 of the decompressed payload, in hexadecimal")
    size: PositiveInt = Field(description="bytes of the decompressed payload")


class IdxFiles(_Model):
    """The four files of an IDX dataset."""

    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile


class IdxDataset(_Model):
    """Images and labels in four IDX files, fetched from the first mirror that serves them intact."""

    kind: Literal["idx"]
    mirrors: tuple[str, ...] = Field(min_length=1, description="folders, file:// or http(s):// addresses, in order")
    files: IdxFiles
    validation_images: PositiveInt = Field(
        description="how many of the last training images are held out for selection"
    )


class EmbeddedDataset(_Model):
    """scikit-learn's bundled 8x8 digits, enlarged to 28x28. No download."""

    kind: Literal["embedded"]


DatasetSettings = Annotated[IdxDataset | EmbeddedDataset, Field(discriminator="kind")]


class Architecture(_Model):
    """One convolutional layer, then a dense softmax layer; how it is initialised and trained."""

    label: str | None = Field(
        default=None, min_length=1, max_length=40, description="words for figures; by default kernel and activation"
    )
    kernel: tuple[Annotated[int, Field(ge=1, le=28)], Annotated[int, Field(ge=1, le=28)]] = Field(
        description="kernel height and width in pixels"
    )
    activation: Activation
    initializer: Initializer = "glorot_uniform"
    optimizer: OptimizerName = "adam"
    learning_rate: PositiveFloat
    momentum: float = Field(default=0.0, ge=0, lt=1, description="for sgd")
    weight_decay: float = Field(default=0.0, ge=0, description="for adamw and sgd")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of the feature maps' entries dropped at a step")
    freeze_kernels: bool = Field(default=False, description="train the dense layer only, on random filters")
    shuffle_labels: bool = Field(default=False, description="permute the training labels: nothing can be learnt")
    batch: PositiveInt = Field(description="images a step")
    steps: PositiveInt | None = Field(default=None, description="optimiser steps; give either steps or epochs")
    epochs: PositiveInt | None = Field(default=None, description="passes over the training images")
    scored_training_images: PositiveInt | None = Field(
        default=None, description="the training loss is measured on so many of the training images; null: on all"
    )
    filters: tuple[PositiveInt, ...] = Field(min_length=1, description="the filter counts to train")

    _filters_increase = field_validator("filters")(_increasing)

    @field_validator("momentum", "weight_decay")
    @classmethod
    def _known_to_the_optimizer(cls, value: float, info: ValidationInfo) -> float:
        having = ("sgd",) if info.field_name == "momentum" else ("adamw", "sgd")
        if value and info.data.get("optimizer", "sgd") not in having:
            raise PydanticCustomError("optimizer", f"needs optimizer: {' or '.join(having)}")
        return value

    @field_validator("epochs")
    @classmethod
    def _one_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "steps" in info.data and (info.data["steps"] is None) == (value is None):
            raise PydanticCustomError("duration", "give either steps or epochs (set the other to null)")
        return value


class Start(_Model):
    """What is done to a network's random initial weights before training."""

    scale: PositiveFloat = Field(default=1.0, description="multiplies all initial weights")
    second_filter: SecondFilter = Field(
        default="own",
        description="own: its own draw; twin: the first filter's kernel, bias and outgoing weights, all divided by the"
        " root of 2 in both, so that together they do what the first did; half_twin: the first filter's kernel and"
        " bias only; silent: zero",
    )
    epsilon: float = Field(
        default=0.0, ge=0, description="for twin: moves the twins' kernels apart, each by this length"
    )

    @field_validator("epsilon")
    @classmethod
    def _epsilon_of_twins(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("second_filter", "twin") != "twin":
            raise PydanticCustomError("epsilon", "is an option of second_filter: twin only")
        return value


class Experiment(_Model):
    """One experiment: what it trains beside the study's own architectures, if anything."""

    architectures: dict[Name, Architecture | None] = Field(
        default={}, description="null switches off an architecture that an earlier config file defines"
    )
    starts: tuple[Start, ...] = Field(
        default=(Start(),), min_length=1, description="every network is trained from each of these, side by side"
    )
    seeds: PositiveInt | None = Field(default=None, description="null: as many seeds as the study")

    @field_validator("architectures")
    @classmethod
    def _some_or_none(cls, value: dict[str, Architecture | None]) -> dict[str, Architecture | None]:
        if value and not _switched_on(value):
            raise PydanticCustomError("architectures", "all are null; switch off the experiment instead")
        return value

    @field_validator("starts")
    @classmethod
    def _two_filters_for_a_second(cls, value: tuple[Start, ...], info: ValidationInfo) -> tuple[Start, ...]:
        fewest = min((item.filters[0] for item in info.data.get("architectures", {}).values() if item), default=2)
        if fewest < 2 and any(start.second_filter != "own" for start in value):
            raise PydanticCustomError("starts", "second_filter needs architectures of 2 or more filters")
        return value

    @property
    def studied(self) -> dict[str, Architecture]:
        """The architectures that are switched on, by name."""
        return _switched_on(self.architectures)


class Margins(_Model):
    """Decided before the run: smaller differences do not matter."""

    accuracy: float = Field(default=0.003, gt=0, lt=1, description="accuracies that differ by less are equivalent")
    loss: PositiveFloat = Field(default=0.005, description="losses, in nats, that differ by less are equivalent")


class Measures(_Model):
    """How redundancy is measured, and against how many draws of its null."""

    near_duplicate_threshold: float = Field(
        default=0.95, gt=0, lt=1, description="similarity from which two filters count as near duplicates"
    )
    threshold_curve: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1), AfterValidator(_increasing)
    ] = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
    null_draws: int = Field(default=2000, ge=100, description="re-drawn initialisations of each condition")
    cluster_null_draws: int = Field(default=200, ge=20, description="in how many of these draws filters are clustered")
    seed: int = Field(default=20200, ge=0, description="seed of the null's draws")


class Gallery(_Model):
    """The runs whose kernels `kernel_gallery` shows."""

    filters: tuple[PositiveInt, ...] = Field(default=(4, 16, 64), description="filter counts shown, where trained")
    seed: int = Field(default=0, ge=0)

    _filters_increase = field_validator("filters")(_increasing)


class PrunedNetwork(_Model):
    """Which of an architecture's networks are pruned, and how far."""

    filters: int = Field(ge=2, description="the filter count that is pruned, one of the architecture's")
    kept: tuple[PositiveInt, ...] = Field(min_length=1, description="how many filters are kept; each below `filters`")
    from_scratch: tuple[PositiveInt, ...] = Field(
        default=(), description="kept counts at which small networks are trained from scratch, to compare"
    )

    _counts_increase = field_validator("kept", "from_scratch")(_increasing)

    @field_validator("kept")
    @classmethod
    def _fewer_than_there_are(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        filters = info.data.get("filters", math.inf)
        if value[-1] >= filters:
            raise PydanticCustomError("kept", f"each must be fewer than filters; allowed: 1 to {filters - 1}")
        return value

    @field_validator("from_scratch")
    @classmethod
    def _some_of_kept(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        kept = info.data.get("kept", value)
        if not set(value) <= set(kept):
            raise PydanticCustomError("from_scratch", f"allowed: counts that are in kept, {', '.join(map(str, kept))}")
        return value


class WeightDeletion(_Model):
    """Optimal Brain Damage weight by weight, as in its paper: on one small network."""

    architecture: str
    filters: PositiveInt
    shares: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], AfterValidator(_increasing)] = Field(
        min_length=1, description="shares of all weights to delete"
    )
    retraining_steps: PositiveInt


class Pruning(_Model):
    """Filters removed from trained networks, by several methods; and what that costs and saves."""

    methods: tuple[str, ...] = Field(
        min_length=1, description="criteria by which filters are removed, and cosine_merge, which merges them"
    )
    fine_tuning_steps: PositiveInt = Field(description="steps of training after pruning, for whole networks too")
    images: PositiveInt = Field(
        default=10_000, description="training images, the first ones, over which criteria average"
    )
    networks: dict[Name, PrunedNetwork | None] = Field(
        description="by architecture; null switches off one that an earlier config file names"
    )
    weight_deletion: WeightDeletion | None = None

    @field_validator("methods")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise PydanticCustomError("methods", "each method once")
        if set(value) == {"random"}:
            raise PydanticCustomError("methods", "at least one method beside random, to choose from")
        return value

    @field_validator("networks")
    @classmethod
    def _some_network(cls, value: dict[str, PrunedNetwork | None]) -> dict[str, PrunedNetwork | None]:
        if not _switched_on(value):
            raise PydanticCustomError("networks", "none is left; switch off pruning instead (pruning: null)")
        return value


class Settings(_Model):
    """A whole study."""

    datasets: dict[Name, DatasetSettings] = Field(min_length=1)
    dataset: str = Field(description="a name under `datasets`")
    seeds: PositiveInt = Field(description="runs of each condition: seeds 0, 1, ..., seeds - 1")
    seeds_per_chunk: PositiveInt = Field(default=5, description="seeds trained together in one process")
    snapshots: int = Field(default=12, ge=2, description="log-spaced steps whose kernels are kept, beside step 0")
    architectures: dict[Name, Architecture | None] = Field(
        description="null switches off an architecture that an earlier config file defines"
    )
    measures: Measures = Measures()
    gallery: Gallery = Gallery()
    margins: Margins = Margins()
    experiments: dict[Name, Experiment | None] = Field(
        default={}, description="null switches off an experiment that an earlier config file defines"
    )
    pruning: Pruning | None = Field(default=None, description="null: nothing is pruned")

    @field_validator("dataset")
    @classmethod
    def _dataset_is_defined(cls, value: str, info: ValidationInfo) -> str:
        known = info.data.get("datasets", {value: None})
        if value not in known:
            raise PydanticCustomError(
                "dataset",
                "not defined under datasets; allowed: {allowed}{hint}",
                {"allowed": ", ".join(known), "hint": did_you_mean(value, known)},
            )
        return value

    @field_validator("architectures")
    @classmethod
    def _some_architecture(cls, value: dict[str, Architecture | None]) -> dict[str, Architecture | None]:
        if all(item is None for item in value.values()):
            raise PydanticCustomError("architectures", "at least one architecture must be defined and not null")
        if all(item is None or item.filters[-1] == 1 for item in value.values()):
            raise PydanticCustomError("architectures", "at least one architecture must have more than 1 in its filters")
        return value

    @field_validator("gallery")
    @classmethod
    def _gallery_seed_is_trained(cls, value: Gallery, info: ValidationInfo) -> Gallery:
        seeds = info.data.get("seeds", math.inf)
        if value.seed >= seeds:
            raise PydanticCustomError("gallery", f"gallery.seed must be a trained seed, 0 to {seeds - 1}")
        return value

    @field_validator("pruning")
    @classmethod
    def _pruned_networks_are_trained(cls, value: Pruning | None, info: ValidationInfo) -> Pruning | None:
        if value is None or "architectures" not in info.data:
            return value
        wanted = {f"networks.{name}": (name, item.filters) for name, item in _switched_on(value.networks).items()}
        if deletion := value.weight_deletion:
            wanted["weight_deletion"] = (deletion.architecture, deletion.filters)
        mistakes = [
            f"{key}: {mistake}"
            for key, (name, filters) in wanted.items()
            if (mistake := _why_not_pruned(name, filters, info.data["architectures"]))
        ]
        if mistakes:
            raise PydanticCustomError("pruning", "{mistakes}", {"mistakes": "; ".join(mistakes)})
        return value

    @property
    def studied(self) -> dict[str, Architecture]:
        """The architectures that are switched on, by name."""
        return _switched_on(self.architectures)

    @property
    def pruned(self) -> dict[str, PrunedNetwork]:
        """The networks to prune, by architecture, without architectures that are switched off."""
        networks = _switched_on(self.pruning.networks) if self.pruning else {}
        return {name: item for name, item in networks.items() if name in self.studied}

    @property
    def weight_deletion(self) -> WeightDeletion | None:
        """The networks whose single weights are deleted, if any are."""
        deletion = self.pruning.weight_deletion if self.pruning else None
        return deletion if deletion and deletion.architecture in self.studied else None

    @property
    def dataset_settings(self) -> IdxDataset | EmbeddedDataset:
        """The settings of the chosen dataset."""
        return self.datasets[self.dataset]

    def chunks(self, seeds: int | None = None) -> list[tuple[int, int]]:
        """The blocks of seeds that are trained together, as (first seed, how many); by default of all seeds."""
        seeds = seeds or self.seeds
        return [(first, min(self.seeds_per_chunk, seeds - first)) for first in range(0, seeds, self.seeds_per_chunk)]


T = TypeVar("T")


def _switched_on(items: Mapping[str, T | None]) -> dict[str, T]:
    return {name: item for name, item in items.items() if item is not None}


def _why_not_pruned(name: str, filters: int, architectures: Mapping[str, Architecture | None]) -> str | None:
    """What is wrong with pruning an architecture's networks of some filter count, if anything."""
    if name not in architectures:
        hint = did_you_mean(name, architectures)
        return f"{name} is no architecture of the study; allowed: {', '.join(architectures)}{hint}"
    architecture = architectures[name]
    if architecture is None:  # It is switched off, and so is everything that would be done to its networks.
        return None
    if filters not in architecture.filters:
        return f"filters = {filters} is not trained; allowed: {', '.join(map(str, architecture.filters))}"
    if architecture.shuffle_labels:
        return f"{name} has shuffle_labels; criteria ask what networks know of the true labels"
    if architecture.steps is None:
        return f"{name} is trained by epochs; give it steps, which fine-tuning's are added to"
    return None


def load_settings(
    config: Mapping[str, Any], experiments: Iterable[str] | None = None, methods: Iterable[str] | None = None
) -> Settings:
    """Validate a configuration.

    Args:
        config: the merged YAML files and command-line overrides, as plain data.
        experiments: the experiments there are; by default all that the configuration names.
        methods: the methods of pruning there are; by default all that the configuration names.

    Raises:
        SettingsError: lists every mistake: key, value, what is allowed, and the nearest known name.
    """
    pruning = config.get("pruning")
    known = experiments and sorted(experiments)
    mistakes = unknown_names("experiments", config.get("experiments"), "experiment", known)
    if isinstance(pruning, Mapping):
        mistakes += unknown_names("pruning.methods", pruning.get("methods"), "method", methods)
    try:
        settings = Settings.model_validate(config)
    except ValidationError as error:
        mistakes = mistakes_of(error, Settings) + mistakes
    if mistakes:
        raise SettingsError(list_mistakes("the configuration", mistakes))
    return settings


def json_schema() -> dict[str, Any]:
    """The configuration's JSON schema for editors.

    A config file may be an overlay on another one, so no key is required here; ``load_settings`` checks the whole.
    """

    def relax(node: Any) -> Any:
        if isinstance(node, dict):
            keep_kind = {"kind"} & set(node.get("required", ()))  # tells the kinds of datasets apart
            rest = {key: relax(value) for key, value in node.items() if key != "required"}
            return rest | ({"required": sorted(keep_kind)} if keep_kind else {})
        return [relax(item) for item in node] if isinstance(node, list) else node

    schema: dict[str, Any] = relax(Settings.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
