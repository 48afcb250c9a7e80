"""What a study computes: its chunks, what each depends on, and what each needs of a machine.

The rules ask here, so that the workflow's logic can be tested without Snakemake.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filtertwins.names import chunk_name, seeds_name
from filtertwins.settings import Architecture, Experiment, Settings, Start

ACTIVATION_WORDS = {"relu": "ReLU"}
SMALL_KERNEL = 9  # Filters are merged where their kernels have no more elements than this.
SCORING_STEPS = 300  # Scoring all pruned networks twice takes about as long as this many steps of training.
MNIST_IMAGES = 60_000  # The estimated time of an epoch is that of MNIST's.

Plain = dict[str, Any]
"""Plain data that JSON can hold."""


class Training(NamedTuple):
    """What is trained under one name."""

    architecture: Architecture
    starts: tuple[Start, ...] = (Start(),)
    also_scored: tuple[int, ...] = ()  # steps before the last one


def as_json(values: Any) -> str:
    """Plain data as text, which Snakemake compares to see whether a job is stale. The order of keys is kept."""
    return json.dumps(values, default=list)


def digest(values: Any) -> str:
    """A short digest of plain data."""
    return hashlib.sha256(as_json(values).encode()).hexdigest()[:12]


def asked_mem_mb(need: int, attempt: int = 1) -> int:
    """The memory that a job asks a cluster for: rounded up to 500 MB, and twice as much at each further attempt."""
    return 500 * math.ceil(need * (1 << attempt - 1) / 500)


def asked_minutes(need: int, attempt: int = 1) -> int:
    """The time that it asks for: rounded up to 15, 30, 60, 120, ... minutes, and doubled likewise."""
    return 15 << math.ceil(math.log2(max(15, need) / 15)) + attempt - 1


class Plan:
    """The jobs of a study.

    Args:
        settings: the study.
        dataset_code: digest of the code that makes the dataset from its files.
    """

    def __init__(self, settings: Settings, dataset_code: str = "") -> None:
        self.settings = settings
        self.dataset = settings.dataset_settings.model_dump(mode="json", exclude={"mirrors"})
        self.dataset_digest = digest([self.dataset, dataset_code])
        self._trained = {name: Training(item) for name, item in settings.studied.items()} | {
            f"{experiment}/{name}": Training(item, options.starts)
            for experiment, options in self.experiments.items()
            for name, item in options.studied.items()
        }
        self._trained |= {name: training for name, (training, _) in self._from_scratch().items()}

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The experiments that are switched on, by name."""
        return {name: item for name, item in self.settings.experiments.items() if item is not None}

    def labels(self) -> dict[str, str]:
        """Words for each architecture, by the name that tables have; the study's own come first, then experiments'.

        An architecture without a label is called by its kernel and activation, or by its name where those words are
        another one's.
        """
        found: dict[str, str] = {}
        for architectures in (self.settings.studied, *(item.studied for item in self.experiments.values())):
            for name, item in architectures.items():
                height, width = item.kernel
                words = (
                    f"{height}\N{MULTIPLICATION SIGN}{width}, {ACTIVATION_WORDS.get(item.activation, item.activation)}"
                )
                label = item.label or (name.replace("_", " ") if words in found.values() else words)
                found.setdefault(name, label)
        return found

    def dataset_file(self, folder: Path) -> Path:
        """The file of the dataset's arrays. Its name changes with its content, so its time does not matter."""
        return folder / self.settings.dataset / f"dataset-{self.dataset_digest}.npz"

    def study(self) -> Plain:
        """The runs of the study: the filter counts of each architecture, and the chunks of seeds."""
        return {
            "architectures": {name: list(item.filters) for name, item in self.settings.studied.items()},
            "chunks": self.settings.chunks(),
        }

    def experiment(self, name: str) -> Plain:
        """The runs of an experiment, whose architectures are named ``<experiment>/<architecture>``."""
        experiment = self.experiments[name]
        return {
            "architectures": {f"{name}/{own}": list(item.filters) for own, item in experiment.studied.items()},
            "chunks": self.settings.chunks(experiment.seeds),
        }

    def controls(self) -> Plain:
        """The runs of the controls. A control that the study trains in the same way is taken from the study.

        ``names`` maps such an architecture of the study to its name among the controls.
        """
        controls, found = self.experiments["controls"], self.experiment("controls")
        names: dict[str, str] = {}
        if controls.starts == (Start(),) and set(found["chunks"]) <= set(self.settings.chunks()):
            for own, item in controls.studied.items():
                if (same := self._as_studied(item)) and same not in names:
                    names[same] = own
        places = {f"controls/{own}": same for same, own in names.items()}
        counts = {places.get(name, name): own for name, own in found["architectures"].items()}
        return found | {"architectures": counts, "names": names}

    def _as_studied(self, item: Architecture) -> str | None:
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
        shown, whole = self.settings.gallery, self.study()
        return {
            "architectures": {
                name: [filters for filters in counts if filters in shown.filters] or counts[-1:]
                for name, counts in whole["architectures"].items()
            },
            "chunks": [(first, seeds) for first, seeds in whole["chunks"] if first <= shown.seed < first + seeds],
        }

    def removal(self, architecture: str | None = None) -> Plain:
        """The part of the study whose filters are removed one by one: the gallery's filter counts, with all seeds.

        If an architecture is named, only its networks are included.
        """
        several = {
            name: [filters for filters in counts if filters > 1]
            for name, counts in self.gallery()["architectures"].items()
            if architecture in (None, name)
        }
        return {
            "architectures": {name: counts for name, counts in several.items() if counts},
            "chunks": self.settings.chunks(),
        }

    def merging(self) -> Plain:
        """The part of the study whose filters are merged: kernels so small that few filters span them."""
        small = {
            name: list(item.filters)
            for name, item in self.settings.studied.items()
            if math.prod(item.kernel) <= SMALL_KERNEL and item.filters[-1] > 1
        }
        return {"architectures": small, "chunks": self.settings.chunks()}

    def kept_counts(self) -> list[tuple[str, int, int]]:
        """Architecture, filters and filters kept of all networks that are fine-tuned, those that keep all included."""
        return [
            (name, item.filters, kept)
            for name, item in self.settings.pruned.items()
            for kept in (*item.kept, item.filters)
        ]

    def pruned_files(self, folder: Path) -> list[Path]:
        """The scores of pruned networks: one file for each chunk and number of filters kept."""
        return [
            folder / name / f"filters-{filters:03d}" / f"kept-{kept:03d}_{seeds_name(first, seeds)}.csv"
            for name, filters, kept in self.kept_counts()
            for first, seeds in self.settings.chunks()
        ]

    def importance_files(self, folder: Path) -> list[Path]:
        """The importances of filters: one file for each chunk that is pruned."""
        return [
            folder / name / f"filters-{network.filters:03d}" / f"importance_{seeds_name(first, seeds)}.csv"
            for name, network in self.settings.pruned.items()
            for first, seeds in self.settings.chunks()
        ]

    def _from_scratch(self) -> dict[str, tuple[Training, Plain]]:
        """Small networks to compare pruned ones with: how each is trained, and what it is compared with.

        With equal epochs, a small network sees as many batches as the large network and its pruned one together. With
        equal compute, its training takes as many multiply-accumulates, whose number is proportional to the filters. It
        passes the first budget on the way to the second, so it is trained once and scored twice.
        """
        found: dict[str, tuple[Training, Plain]] = {}
        more = self.settings.pruning.fine_tuning_steps if self.settings.pruning else 0
        for name, network in self.settings.pruned.items():
            architecture = self.settings.studied[name]
            for kept in network.from_scratch:
                steps = architecture.steps or 0
                fewer, most = steps + more, round(steps * network.filters / kept) + more
                small = architecture.model_copy(update={"filters": (kept,), "steps": most})
                budgets = {"equal_epochs": fewer, "equal_compute": most}
                compared = {"architecture": name, "filters": network.filters, "budgets": budgets}
                found[f"pruning/{name}_{network.filters}_to_{kept}"] = Training(small, also_scored=(fewer,)), compared
        return found

    def from_scratch(self) -> Plain:
        """The runs of the small networks, and what each is compared with."""
        networks = self._from_scratch()
        return {
            "architectures": {name: list(training.architecture.filters) for name, (training, _) in networks.items()},
            "chunks": self.settings.chunks(),
            "compared": {name: compared for name, (_, compared) in networks.items()},
        }

    def costed_networks(self) -> list[Plain]:
        """The networks whose size and latency are measured: pruned ones and whole ones, with what their layers are."""
        return [
            {"architecture": name, "filters": filters, "kept": kept}
            | {key: getattr(self.settings.studied[name], key) for key in ("kernel", "activation")}
            for name, filters, kept in self.kept_counts()
        ]

    def weight_deletion(self) -> Plain:
        """The part of the study whose weights are deleted one by one."""
        deletion = self.settings.weight_deletion
        return {
            "architectures": {deletion.architecture: [deletion.filters]} if deletion else {},
            "chunks": self.settings.chunks(),
        }

    def weight_deletion_conditions(self) -> list[Plain]:
        """The condition of each chunk whose weights are deleted, in the order of their files."""
        return [
            self.condition(architecture, filters, first, first + seeds - 1)
            for architecture, filters, first, seeds in _chunks_of(self.weight_deletion())
        ]

    @staticmethod
    def chunk_files(folder: Path, study: Plain) -> list[Path]:
        """The files of a study's chunks."""
        return [folder / name / chunk_name(filters, first, seeds) for name, filters, first, seeds in _chunks_of(study)]

    def condition(self, architecture: str, filters: int, first: int, last: int) -> Plain:
        """Everything that a chunk's result depends on, except the code. It is stored in the chunk's file too.

        The architecture's list of filter counts is left out, since adding one must not touch the others' runs; so is
        its label, which only figures use.
        """
        model, starts, also_scored = self._trained[architecture]
        return {
            "dataset": self.settings.dataset,
            "dataset_digest": self.dataset_digest,
            "architecture": architecture.rpartition("/")[2],
            "model": model.model_dump(mode="json", exclude={"filters", "label"}),
            "starts": [start.model_dump(mode="json") for start in starts],
            "filters": filters,
            "seeds": list(range(first, last + 1)),
            "snapshots": self.settings.snapshots,
            "also_scored": list(also_scored),
        }

    # What a job needs of a machine, estimated from benchmarks of the MNIST study with a margin: memory a quarter or
    # more above the most that was measured, time three times or more. ``tools/check_resources.py`` compares the two.

    def head_weights(self, architecture: str, filters: int, first: int, last: int) -> int:
        """The number of weights in a chunk's dense layers, which its memory and time grow with."""
        return self._dense_weights(architecture, filters) * self._networks(architecture, first, last)

    def training_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of training a chunk: TensorFlow, the data, the networks and their weights, and Snakemake twice."""
        weights = self.head_weights(architecture, filters, first, last)
        return 2000 + 10 * self._networks(architecture, first, last) + weights // 10_000

    def training_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of training a chunk."""
        item = self._trained[architecture].architecture
        steps = item.steps or (item.epochs or 1) * MNIST_IMAGES // item.batch
        step_s = self._step_s(architecture, filters, self._networks(architecture, first, last))
        return _minutes(10, 3 * steps * step_s)

    def pruning_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of pruning a chunk and fine-tuning: one network for each method, and each has fewer filters."""
        weights = self.head_weights(architecture, filters, first, last)
        return 2000 + self._methods * 10 * (last + 1 - first) + self._methods * weights // 20_000

    def pruning_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of pruning a chunk and fine-tuning."""
        steps = SCORING_STEPS + (self.settings.pruning.fine_tuning_steps if self.settings.pruning else 0)
        return _minutes(10, 3 * steps * self._step_s(architecture, filters, (last + 1 - first) * self._methods))

    def importance_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of rating a chunk's filters."""
        return 1500 + self.head_weights(architecture, filters, first, last) // 20_000

    def importance_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of rating a chunk's filters; a filter with a large kernel took 0.13 s."""
        return _minutes(10, (last + 1 - first) * filters * 0.4)

    def weight_deletion_minutes(self) -> int:
        """Time of deleting weights, which took 9 s a seed."""
        return _minutes(15, self.settings.seeds * 30)

    def measuring_mem_mb(self, study: Plain, base: int = 1500) -> int:
        """Memory of measuring a study's networks."""
        return base + self._filters_of(study) * 30 // 1000

    def measuring_minutes(self, study: Plain, base: int = 15) -> int:
        """Time of measuring a study's networks; the slowest measure took 10 ms a filter, to remove it."""
        return _minutes(base, self._filters_of(study) * 0.06)

    def _networks(self, architecture: str, first: int, last: int) -> int:
        return (last + 1 - first) * len(self._trained[architecture].starts)

    def _dense_weights(self, architecture: str, filters: int) -> int:
        height, width = self._trained[architecture].architecture.kernel
        return (29 - height) * (29 - width) * filters * 10

    def _step_s(self, architecture: str, filters: int, networks: int) -> float:
        """Seconds that a step of some networks took: so much for each image of a network, and for each dense weight.

        Linear networks touch their weights once a step, the others once for each block of images.
        """
        item = self._trained[architecture].architecture
        images, weights = networks * item.batch, networks * self._dense_weights(architecture, filters)
        if item.activation == "linear" and not item.dropout:
            return images * 1.2e-6 + weights * 3e-9
        return images * 6e-6 + weights * 30e-9 * max(1.0, item.batch / 128)

    @property
    def _methods(self) -> int:
        return len(self.settings.pruning.methods) if self.settings.pruning else 0

    def _filters_of(self, study: Plain) -> int:
        """The number of filters in all networks of a study."""
        return sum(
            filters * seeds * len(self._trained[architecture].starts)
            for architecture, filters, _, seeds in _chunks_of(study)
        )


def _chunks_of(study: Plain) -> Iterator[tuple[str, int, int, int]]:
    """Architecture, filters, first seed and number of seeds of each chunk of a study."""
    for architecture, counts in study["architectures"].items():
        for filters in counts:
            for first, seeds in study["chunks"]:
                yield architecture, filters, first, seeds


def _minutes(base: int, seconds: float) -> int:
    return base + math.ceil(seconds / 60)
