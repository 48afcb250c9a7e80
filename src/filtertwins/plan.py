"""What a study computes: its chunks, what each depends on, and what each needs of a machine.

The rules ask here, so that the workflow's logic can be tested without Snakemake.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from filtertwins.architectures import AnyArchitecture, LayeredArchitecture, Start
from filtertwins.bundles import FEWEST_BUNDLES, SIDE_BY_SIDE, Bundle, Family, divide
from filtertwins.names import RANDOM, RANDOM_DRAWS, chunk_name
from filtertwins.needs import MNIST, Need, Networks, Seen, family_s, measuring_need, pruning_need, training_need
from filtertwins.provenance import digest
from filtertwins.pruning_plan import Plain, PruningPlan, study_of
from filtertwins.pruning_settings import PrunedNetwork
from filtertwins.settings import Experiment, Settings

BESIDE_STUDY = frozenset({"controls", "preventers"})  # Experiments that take from the study what it trains just so.
SMALL_KERNEL = 9  # Filters are merged where their kernels have no more elements than this.


class Training(NamedTuple):
    """What is trained under one name."""

    architecture: AnyArchitecture
    chunks: list[tuple[int, int]]  # first seed and number of seeds
    starts: tuple[Start, ...] = (Start(),)
    also_scored: tuple[int, ...] = ()  # steps before the last one


class Plan:
    """The jobs of a study.

    Args:
        settings: the study.
        dataset_code: digest of the code that makes the dataset from its files.
    """

    def __init__(self, settings: Settings, dataset_code: str = "") -> None:
        self.settings = settings
        self.dataset = settings.dataset_settings.identity
        self.dataset_digest = digest([self.dataset, dataset_code])
        found = settings.dataset_settings  # Where it does not tell how many classes there are, needs are MNIST's.
        self._seen = Seen(found.training_images, found.image_shapes[-1], found.classes or MNIST.classes)
        self.pruning = PruningPlan(settings)
        self._trained = {name: Training(item, settings.chunks()) for name, item in settings.studied.items()}
        self._trained |= {
            f"{experiment}/{name}": Training(item, settings.chunks(options), options.starts)
            for experiment, options in self.experiments.items()
            for name, item in options.studied.items()
        }
        self._trained |= {
            name: Training(small.architecture, settings.chunks(), also_scored=small.also_scored)
            for name, small in self.pruning.small_networks().items()
        }

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The experiments that are switched on, by name."""
        return {name: item for name, item in self.settings.experiments.items() if item is not None}

    def dataset_file(self, folder: Path) -> Path:
        """The file of the dataset's arrays. Its name changes with its content, so its time does not matter."""
        return folder / self.settings.dataset / f"dataset-{self.dataset_digest}.npz"

    def study(self) -> Plain:
        """The runs of the study: the filter counts of each architecture, and the chunks of seeds."""
        return study_of(self.settings, {name: list(item.filters) for name, item in self.settings.studied.items()})

    def experiment(self, name: str) -> Plain:
        """The runs of an experiment, whose architectures are named ``<experiment>/<architecture>``; none if it is off.

        Those of ``BESIDE_STUDY`` that the study trains in the same way are taken from the study: ``names`` maps such an
        architecture of the study to its name in the experiment.
        """
        experiment = self.experiments.get(name, Experiment())
        chunks, studied = self.settings.chunks(experiment), experiment.studied.items()
        names: dict[str, str] = {}
        if name in BESIDE_STUDY and experiment.starts == (Start(),) and set(chunks) <= set(self.settings.chunks()):
            for own, item in studied:
                if (same := self._as_studied(item)) and same not in names:
                    names[same] = own
        places = {own: same for same, own in names.items()}
        counts = {places.get(own, f"{name}/{own}"): list(item.filters) for own, item in studied}
        found = study_of(self.settings, counts, experiment)
        return found | {"names": names} if name in BESIDE_STUDY else found

    @property
    def same(self) -> dict[str, str]:
        """By the name of an experiment's architecture, that of the study's own whose networks these are."""
        return {own: name for part in sorted(BESIDE_STUDY) for name, own in self.experiment(part)["names"].items()}

    def _as_studied(self, item: AnyArchitecture) -> str | None:
        """The study's architecture that is trained exactly like this one with all its filter counts, if any is."""
        named = {"filters": item.filters, "label": item.label}
        for name, studied in self.settings.studied.items():
            if set(item.filters) <= set(studied.filters) and studied.model_copy(update=named) == item:
                return name
        return None

    def gallery(self) -> Plain:
        """The part of the study that the gallery shows: some filter counts, and the chunk that holds its seed.

        An architecture that trained none of those filter counts shows its largest one.
        """
        shown, seed, whole = self.settings.gallery, self.settings.gallery_seed, self.study()
        return {
            "architectures": {
                name: [filters for filters in counts if filters in shown.filters] or counts[-1:]
                for name, counts in whole["architectures"].items()
            },
            "chunks": [(first, seeds) for first, seeds in whole["chunks"] if first <= seed < first + seeds],
        }

    def removal(self) -> Plain:
        """The part of the study whose filters are removed one by one: the gallery's filter counts, with all seeds."""
        shown, switched_on = self.gallery()["architectures"], "removal" in self.experiments
        several = {name: [filters for filters in shown[name] if filters > 1] for name in self.settings.one_layered}
        return study_of(self.settings, {name: counts for name, counts in several.items() if counts and switched_on})

    def merging(self) -> Plain:
        """The part of the study whose filters are merged: kernels so small that few filters span them."""
        channels, switched_on = self._seen.shape[2], "lossless_merge" in self.experiments
        small = {
            name: list(item.filters)
            for name, item in self.settings.one_layered.items()
            if switched_on and math.prod(item.kernel) * channels <= SMALL_KERNEL and item.filters[-1] > 1
        }
        return study_of(self.settings, small)

    def bundles(self) -> list[Bundle]:
        """What is trained, divided among processes."""
        found = []
        chunks = sorted({chunk for training in self._trained.values() for chunk in training.chunks})
        fewest = FEWEST_BUNDLES if len(chunks) == 1 else 1
        for first, seeds in chunks:
            families = self._families((first, seeds))
            found += divide(families, [family_s(self._networks(own, seeds)) for own in families], first, seeds, fewest)
        return found

    def bundle_conditions(self, bundle: Bundle) -> list[list[Plain]]:
        """What each of a bundle's chunks depends on, family by family, in the order of their files."""
        chunk = bundle.first, bundle.seeds
        return [[self.condition(*own, *chunk) for own in family] for family in bundle.families]

    def _families(self, chunk: tuple[int, int]) -> list[Family]:
        """The conditions that are trained with some seeds; those whose networks can be computed side by side together.

        These are linear networks that differ in nothing but their filters, and in the size and initialiser of their
        kernels. Twins under plain gradient descent are not among them: a bound on their growth is recorded.
        """
        taken_from_the_study = {
            f"{name}/{own}" for name in BESIDE_STUDY for own in self.experiment(name)["names"].values()
        }
        found: dict[str, list[Family]] = {}
        for name, training in self._trained.items():
            item = training.architecture
            if chunk not in training.chunks or name in taken_from_the_study:
                continue
            alone = isinstance(item, LayeredArchitecture) or not item.collapses or item.freeze_kernels
            alone = alone or any(start.second_filter == "twin" or start.after for start in training.starts)
            how = item.model_dump(mode="json", exclude={"label", "kernel", "initializer", "filters"})
            most = 1 if alone else max(1, SIDE_BY_SIDE // len(training.starts))
            key = name if alone else digest([how, training.starts, training.also_scored])
            for filters in item.filters:
                families = found.setdefault(key, [])
                if not families or len(families[-1]) == most:
                    families.append([])
                families[-1].append((name, filters))
        return [family for families in found.values() for family in families]

    def conditions(self, study: Plain) -> list[Plain]:
        """The conditions of a study's chunks, in the order of their files."""
        return [self.condition(*own) for own in _chunks_of(study)]

    @staticmethod
    def chunk_files(folder: Path, study: Plain) -> list[Path]:
        """The files of a study's chunks."""
        return [folder / name / chunk_name(filters, first, seeds) for name, filters, first, seeds in _chunks_of(study)]

    def condition(self, architecture: str, filters: int, first: int, seeds: int) -> Plain:
        """Everything that a chunk's result depends on, except the code. It is stored in the chunk's file too."""
        return self.common_condition(architecture) | {"filters": filters, "seeds": list(range(first, first + seeds))}

    def common_condition(self, architecture: str) -> Plain:
        """What its chunks' conditions have in common; the other filter counts and the label must not touch a run."""
        model, _, starts, also_scored = self._trained[architecture]
        return {
            "dataset": self.settings.dataset,
            "dataset_digest": self.dataset_digest,
            "architecture": architecture.rpartition("/")[2],
            "model": model.model_dump(mode="json", exclude={"filters", "label"}),
            "starts": [start.model_dump(mode="json") for start in starts],
            "snapshots": self.settings.snapshots,
            "also_scored": list(also_scored),
        }

    def training_need(self, bundle: Bundle) -> Need:
        """What training a bundle needs."""
        return training_need([self._networks(family, bundle.seeds) for family in bundle.families])

    def urgency_s(self, bundle: Bundle) -> float:
        """Seconds from a bundle's start to the end of what waits for it: its training, and the longest pruning."""
        waiting = [
            self.pruning_need(name, network, seeds).seconds
            for name, network, first, seeds in self.pruning.chunks()
            if first == bundle.first and (name, network.filters) in bundle.conditions
        ]
        return self.training_need(bundle).seconds + max(waiting, default=0.0)

    def pruning_need(
        self, name: str, network: PrunedNetwork, seeds: int, methods: Collection[str] | None = None
    ) -> Need:
        """What pruning a chunk and fine-tuning need, by default by the methods for all networks."""
        [whole], pruning = self._networks([(name, network.filters)], seeds), self.settings.pruning
        methods, steps = (methods or pruning.methods, pruning.fine_tuning_steps) if pruning else ((), 0)
        several = len(methods) + (RANDOM in methods) * (RANDOM_DRAWS - 1)
        found, longer = pruning_need(whole, several, network.kept, steps), self.pruning.longer(name, network)
        chosen = [replace(whole, filters=kept).step_s() for kept in longer["kept"]]
        return found._replace(seconds=found.seconds + max(longer["steps"], default=0) * sum(chosen))

    def measuring_need(self, studies: Sequence[Plain]) -> Need:
        """What measuring the networks of some studies needs."""
        chunks = [chunk for study in studies for chunk in _chunks_of(study)]
        networks = [own for name, filters, _, seeds in chunks for own in self._networks([(name, filters)], seeds)]
        return measuring_need(sum(own.filters * own.count for own in networks), self._seen)

    def _networks(self, family: Family, seeds: int) -> list[Networks]:
        found = []
        for name, filters in family:
            item, _, starts, _ = self._trained[name]
            before = sum({start.after for start in starts}) // len(starts)
            found.append(Networks(item, filters, seeds * len(starts), before, self._seen))
        return found


def _chunks_of(study: Plain) -> Iterator[tuple[str, int, int, int]]:
    """Architecture, filters, first seed and number of seeds of each chunk of a study."""
    for architecture, counts in study["architectures"].items():
        for filters in counts:
            for first, seeds in study["chunks"]:
                yield architecture, filters, first, seeds
