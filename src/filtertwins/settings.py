"""The study's configuration as frozen, validated models; ``load_settings`` lists every mistake at once.

The models are also the source of the JSON schema that editors use (``workflow/schemas/config.schema.json``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, ValidationError

from filtertwins.architectures import (
    OFF,
    AnyArchitecture,
    Architecture,
    Counts,
    LayeredArchitecture,
    Name,
    Start,
    Switched,
    switched_on,
)
from filtertwins.errors import StudyError
from filtertwins.mistakes import Section, among, check, list_mistakes, meant, mistakes_of
from filtertwins.pruning_settings import PrunedNetwork, Pruning, Share, Shares, WeightDeletion, not_trained
from filtertwins.sources import AnyDataset, Source, misfits


class SettingsError(StudyError):
    """The configuration is wrong; the message lists every mistake."""


DEPTH = "depth"
"""The experiment about networks of several layers; all others are about networks of one convolution."""


class Experiment(Section):
    """One experiment: what it trains beside the study's own architectures, if anything."""

    architectures: Switched[AnyArchitecture] = Field(default={})
    starts: tuple[Start, ...] = Field(default=(Start(),), min_length=1, description="each network is trained from each")
    seeds: PositiveInt | None = Field(default=None, description="null: as many seeds as the study")
    seeds_per_chunk: PositiveInt | None = Field(default=None, description="null: as in the study")

    _pairs = check(
        "starts",
        "second_filter needs a pair of two different filters: 2 or more filters in each architecture, and such places",
        lambda it, architectures: any(
            start.second_filter != "own" and not _has_pair(filters, start.pair)
            for start in it
            for filters in _counts(architectures)
        ),
    )

    @property
    def studied(self) -> dict[str, Architecture | LayeredArchitecture]:
        """The architectures that are switched on, by name."""
        return switched_on(self.architectures)


class Margins(Section):
    """The smallest effects of interest, one a unit, decided before the run: smaller ones do not matter on any side."""

    accuracy: Share = Field(default=0.003, description="difference of two accuracies")
    loss: PositiveFloat = Field(default=0.005, description="difference of two losses, in nats")
    cosine: Share = Field(default=0.01, description="difference of two mean cosines")
    share: Share = Field(default=0.05, description="difference of two shares of filters")
    correlation: Share = Field(default=0.3, description="rank correlation, of either sign")
    ratio: float = Field(default=1.25, gt=1, description="factor between two counts of pairs, or two times")


class Measures(Section):
    """How redundancy is measured, and against how many draws of its null."""

    near_duplicate_threshold: Share = Field(default=0.95, description="similarity at which filters are near duplicates")
    threshold_curve: Shares = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
    null_draws: int = Field(default=2000, ge=100, description="re-drawn initialisations of each condition")
    cluster_null_draws: int = Field(default=200, ge=20, description="in how many of these draws filters are clustered")
    seed: int = Field(default=20200, ge=0, description="seed of the null's draws")


class Gallery(Section):
    """The runs whose kernels `kernel_gallery` shows."""

    filters: Counts = Field(default=(4, 16, 64), description="filter counts shown, where trained")
    seed: int | None = Field(default=None, ge=0, description="null: the study's first seed")


Files = tuple[Annotated[str, Field(min_length=1)], ...]
A_FILE = str | Files | None  # as it may stand in a config
FILES_IF_ANY = BeforeValidator(lambda it: () if it is None else it, json_schema_input_type=A_FILE)
Experiments = dict[Annotated[Name, among("experiments")], Experiment | None]
NONE_IF_NULL = BeforeValidator(lambda it: {} if it is None else it, json_schema_input_type=Experiments | None)


class Settings(Section):
    """A whole study."""

    datasets: dict[Name, AnyDataset] = Field(min_length=1)
    dataset: Annotated[str, among("datasets")] = Field(description="a name under `datasets`")
    only: bool = Field(default=False, description="true: what no file laid over the default study names is off")
    claims: Annotated[Files, FILES_IF_ANY] = Field(
        default=("config/claims.yaml",),
        description="files of claims, from the folder of this file, from the repository or absolute; null: no claims",
    )
    extensions: Annotated[Files, FILES_IF_ANY] = Field(
        default=(),
        exclude=True,
        description="Python files with criteria, measures, tests of claims and figures, from the folder of this file or"
        " absolute",
    )
    first_seed: int = Field(default=0, ge=0, description="the seed of the first run of each condition")
    seeds: PositiveInt = Field(description="runs of each condition: first_seed, first_seed + 1, ...")
    seeds_per_chunk: PositiveInt = Field(default=5, description="seeds trained together in one process")
    snapshots: int = Field(default=12, ge=2, description="log-spaced steps whose kernels are kept, beside step 0")
    architectures: Switched[AnyArchitecture]
    measures: Measures = Measures()
    gallery: Gallery = Gallery()
    margins: Margins = Margins()
    experiments: Annotated[Experiments, NONE_IF_NULL] = Field(default={}, description=OFF)
    pruning: Pruning | None = Field(default=None, description="null: nothing is pruned")

    _several = check(
        "architectures", "at least one must be on, with more than 1 in its filters", lambda it: _counts(it) <= {1}
    )
    _shown = check(
        "gallery",
        "gallery.seed must be one of the {seeds} trained seeds from {first_seed} on",
        lambda it, first_seed, seeds: it.seed is not None and not first_seed <= it.seed < first_seed + seeds,
    )
    _layers = check("experiments", "{found}", lambda it: "; ".join(_about_one_layer(it)))
    _trained = check("pruning", "{found}", lambda it, architectures: it and "; ".join(not_trained(it, architectures)))

    @property
    def studied(self) -> dict[str, Architecture | LayeredArchitecture]:
        """The architectures that are switched on, by name."""
        return switched_on(self.architectures)

    @property
    def one_layered(self) -> dict[str, Architecture]:
        """Those of them whose networks have one convolution and nothing else before the dense layer."""
        return {name: item for name, item in self.studied.items() if isinstance(item, Architecture)}

    @property
    def pruned(self) -> dict[str, PrunedNetwork]:
        """The networks to prune, by architecture, without architectures that are switched off."""
        networks = switched_on(self.pruning.networks) if self.pruning else {}
        return {name: item for name, item in networks.items() if name in self.studied}

    def methods_of(self, architecture: str) -> list[str]:
        """The methods by which the networks of an architecture are pruned."""
        methods = (*self.pruning.methods, *self.pruned[architecture].methods) if self.pruning else ()
        return list(dict.fromkeys(methods))

    @property
    def weight_deletion(self) -> WeightDeletion | None:
        """The networks whose single weights are deleted, if any are."""
        deletion = self.pruning.weight_deletion if self.pruning else None
        return deletion if deletion and deletion.architecture in self.studied else None

    @property
    def dataset_settings(self) -> Source:
        """The settings of the chosen dataset."""
        return self.datasets[self.dataset]

    @property
    def gallery_seed(self) -> int:
        """The seed of the runs whose kernels the gallery shows."""
        return self.first_seed if self.gallery.seed is None else self.gallery.seed

    def chunks(self, experiment: Experiment | None = None) -> list[tuple[int, int]]:
        """The blocks of seeds that are trained together, as (first seed, how many): the study's, or an experiment's."""
        own = experiment or Experiment()
        end, size = self.first_seed + (own.seeds or self.seeds), own.seeds_per_chunk or self.seeds_per_chunk
        return [(first, min(size, end - first)) for first in range(self.first_seed, end, size)]


def _counts(architectures: Mapping[str, AnyArchitecture | None]) -> set[int]:
    return {filters for item in switched_on(architectures).values() for filters in item.filters}


def _misfits(settings: Settings) -> Iterator[str]:
    """What of the architectures does not fit the dataset's images, as far as the config tells."""
    sections = {"architectures": settings.studied}
    sections |= {
        f"experiments.{key}.architectures": own.studied for key, own in switched_on(settings.experiments).items()
    }
    dataset = settings.dataset_settings
    try:
        images, shapes = dataset.training_images, dataset.image_shapes
    except StudyError as error:
        yield f"datasets.{settings.dataset}: {error}"
        return
    for above, architectures in sections.items():
        for name, item in architectures.items():
            yield from (f"{above}.{name}.{found}" for found in misfits(item, images, shapes))


def _unfit(settings: Settings, methods: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Which methods are not for the activation of a network that is to be pruned by them."""
    for name in settings.pruned:
        activation = getattr(settings.studied[name], "activation", "layers of its own")
        for method in settings.methods_of(name):
            if (activations := methods.get(method, ())) and activation not in activations:
                yield (
                    f"pruning.networks.{name}: {method} is for {', '.join(activations)}, and this network has"
                    f" {activation}; name {method} under the `methods` of a network that it is for"
                )


def _has_pair(filters: int, pair: tuple[int, int]) -> bool:
    """Whether these are the places of two different ones of so many filters."""
    return len({place % filters for place in pair if -filters <= place < filters}) == 2


def _about_one_layer(experiments: Mapping[str, Experiment | None]) -> Iterator[str]:
    """What is wrong with experiments that are given networks of several layers."""
    for name, experiment in switched_on(experiments).items():
        for key, item in experiment.studied.items():
            if isinstance(item, LayeredArchitecture) and name != DEPTH:
                yield f"{name}.architectures.{key}: has `layers`; this experiment is about networks of one convolution"
            if isinstance(item, Architecture) and name == DEPTH:
                yield f"{name}.architectures.{key}: has no `layers`; this experiment is about networks of several"
        if name == DEPTH and experiment.starts != (Start(),):
            yield f"{name}.starts: networks with `layers` start from their own initial weights only"


def load_settings(
    config: Mapping[str, Any],
    experiments: Iterable[str] | None = None,
    methods: Mapping[str, Sequence[str]] | None = None,
    named: Mapping[str, Any] | None = None,
) -> Settings:
    """Validate a configuration, the merged YAML files and command-line overrides as plain data.

    Where it is told which experiments and which methods of pruning there are, the configuration may name no other. With
    a method go the activations that it is for; none means all.
    ``named`` is what is laid over the default study; with ``only: true`` the rest of that is switched off.

    Raises:
        SettingsError: lists every mistake: key, value, what is allowed, and the nearest known name.
    """
    known = {"experiments": experiments and sorted(experiments), "methods": methods and list(methods)}
    try:
        settings = Settings.model_validate(meant(config, named or {}), context=known)
        mistakes = [*_misfits(settings), *_unfit(settings, methods or {})]
    except ValidationError as error:
        mistakes = mistakes_of(error, Settings)
    if mistakes:
        raise SettingsError(list_mistakes("the configuration", mistakes))
    return settings


def json_schema() -> dict[str, Any]:
    """The configuration's JSON schema for editors; an overlay needs no key but a dataset's kind."""
    schema = Settings.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        if "kind" in section.pop("required", ()):
            section["required"] = ["kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_any_form(schema)}


def _any_form(schema: Any) -> Any:
    """The schema with "one of" as "any of": a section of an overlay may fit several forms, as it states so little."""
    if isinstance(schema, dict):
        return {"anyOf" if key == "oneOf" else key: _any_form(value) for key, value in schema.items()}
    return [_any_form(item) for item in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
