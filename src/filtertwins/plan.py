"""What a study computes: its chunks, what each depends on, and what each needs of a machine.

The rules ask here, so that the workflow's logic can be tested without Snakemake.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from filtertwins.names import chunk_name, seeds_name
from filtertwins.settings import Architecture, Experiment, Settings, Start

SMALL_KERNEL = 9  # elements of the largest kernels whose filters are merged

Plain = dict[str, Any]
"""Plain data, that JSON can hold."""


class Training(NamedTuple):
    """What is trained under one name."""

    architecture: Architecture
    starts: tuple[Start, ...] = (Start(),)
    also_scored: tuple[int, ...] = ()  # steps before the last


def as_json(values: Any) -> str:
    """Plain data on a command line, and as what Snakemake compares to see whether a job is stale. Keeps the order."""
    return json.dumps(values, default=list)


def digest(values: Any) -> str:
    """A short digest of plain data."""
    return hashlib.sha256(as_json(values).encode()).hexdigest()[:12]


def asked_mem_mb(need: int, attempt: int = 1) -> int:
    """What a job asks a cluster for: twice as much at each further attempt, rounded up to half a gigabyte.

    Rounded, so that many jobs ask for the same: those can be submitted together.
    """
    return 500 * math.ceil(need * (1 << attempt - 1) / 500)


def asked_minutes(need: int, attempt: int = 1) -> int:
    """The same for time, rounded up to 15, 30, 60, 120, ... minutes."""
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

    def dataset_file(self, folder: Path) -> Path:
        """The dataset's arrays. The name tells the content apart, so that file times need not."""
        return folder / self.settings.dataset / f"dataset-{self.dataset_digest}.npz"

    def study(self) -> Plain:
        """Which runs belong to the study: the filter counts of each architecture, and the chunks of seeds."""
        return {
            "architectures": {name: list(item.filters) for name, item in self.settings.studied.items()},
            "chunks": self.settings.chunks(),
        }

    def experiment(self, name: str) -> Plain:
        """The same for what an experiment trains; its architectures are named ``<experiment>/<architecture>``."""
        experiment = self.experiments[name]
        return {
            "architectures": {f"{name}/{own}": list(item.filters) for own, item in experiment.studied.items()},
            "chunks": self.settings.chunks(experiment.seeds),
        }

    def controls(self) -> Plain:
        """The controls and what they control for, which is not trained again where the study trains it just so.

        ``names`` tells what such an architecture of the study is called among the controls.
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
        """The study's architecture that differs from this one in nothing, and has all its filter counts."""
        counts = {"filters": item.filters}
        for name, studied in self.settings.studied.items():
            if set(item.filters) <= set(studied.filters) and studied.model_copy(update=counts) == item:
                return name
        return None

    def gallery(self) -> Plain:
        """The part of the study that the gallery shows: some filter counts, and the chunk that holds its seed.

        Of an architecture that trained none of those filter counts, its largest.
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
        """The part of the study whose filters are removed one by one: the gallery's filter counts, of all seeds.

        Of one architecture, if any is named.
        """
        several = {
            name: [filters for filters in counts if filters > 1]
            for name, counts in self.gallery()["architectures"].items()
        }
        return {
            "architectures": {
                name: counts for name, counts in several.items() if counts and architecture in (None, name)
            },
            "chunks": self.settings.chunks(),
        }

    def merging(self) -> Plain:
        """The part of the study whose filters are merged: several small kernels, which few filters span."""
        whole = self.study()
        small = {
            name: counts
            for name, counts in whole["architectures"].items()
            if math.prod(self.settings.studied[name].kernel) <= SMALL_KERNEL and counts[-1] > 1
        }
        return {"architectures": small, "chunks": whole["chunks"]}

    def kept_counts(self) -> list[tuple[str, int, int]]:
        """Architecture, filters and filters kept of all that is fine-tuned; the last of each keeps all its filters."""
        return [
            (name, item.filters, kept)
            for name, item in self.settings.pruned.items()
            for kept in (*item.kept, item.filters)
        ]

    def pruned_files(self, folder: Path) -> list[Path]:
        """The scores of pruned networks: a file for each chunk and number of filters kept."""
        return [
            folder / name / f"filters-{filters:03d}" / f"kept-{kept:03d}_{seeds_name(first, seeds)}.csv"
            for name, filters, kept in self.kept_counts()
            for first, seeds in self.settings.chunks()
        ]

    def importance_files(self, folder: Path) -> list[Path]:
        """The importances of filters: a file for each chunk that is pruned."""
        return [
            folder / name / f"filters-{network.filters:03d}" / f"importance_{seeds_name(first, seeds)}.csv"
            for name, network in self.settings.pruned.items()
            for first, seeds in self.settings.chunks()
        ]

    def _from_scratch(self) -> dict[str, tuple[Training, Plain]]:
        """Small networks to compare pruned ones with: how each is trained, and what it is compared with.

        At equal epochs they see as many batches as the large network and its pruned one together. At equal compute
        their training costs the same multiply-accumulates, which are in proportion to the filters; on the way there it
        has seen equal epochs, so that one training serves both.
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
        """The small networks as a study of their own, and what each is compared with."""
        networks = self._from_scratch()
        return {
            "architectures": {name: list(training.architecture.filters) for name, (training, _) in networks.items()},
            "chunks": self.settings.chunks(),
            "compared": {name: compared for name, (_, compared) in networks.items()},
        }

    def costed_networks(self) -> list[Plain]:
        """The networks whose size and latency are measured: each pruned one's layers, and the whole one's."""
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
        """The condition of each chunk of these, in the order of their files."""
        study = self.weight_deletion()
        return [
            self.condition(architecture, filters, first, first + seeds - 1)
            for architecture, counts in study["architectures"].items()
            for filters in counts
            for first, seeds in study["chunks"]
        ]

    @staticmethod
    def chunk_files(folder: Path, study: Plain) -> list[Path]:
        """The files of a study's chunks."""
        return [
            folder / architecture / chunk_name(filters, first, seeds)
            for architecture, counts in study["architectures"].items()
            for filters in counts
            for first, seeds in study["chunks"]
        ]

    def condition(self, architecture: str, filters: int, first: int, last: int) -> Plain:
        """All that a chunk's result depends on, beside the code. Stored in its file too.

        The architecture's list of filter counts is left out: adding one must not touch the others' runs.
        """
        model, starts, also_scored = self._trained[architecture]
        return {
            "dataset": self.settings.dataset,
            "dataset_digest": self.dataset_digest,
            "architecture": architecture.rpartition("/")[2],
            "model": model.model_dump(mode="json", exclude={"filters"}),
            "starts": [start.model_dump(mode="json") for start in starts],
            "filters": filters,
            "seeds": list(range(first, last + 1)),
            "snapshots": self.settings.snapshots,
            "also_scored": list(also_scored),
        }

    def head_weights(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Weights of a chunk's dense layers: what its memory and time grow with."""
        starts = self._trained[architecture].starts
        return self._dense_weights(architecture, filters) * (last + 1 - first) * len(starts)

    def _dense_weights(self, architecture: str, filters: int) -> int:
        height, width = self._trained[architecture].architecture.kernel
        return (29 - height) * (29 - width) * filters * 10

    def training_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of a chunk, a quarter above the most of the MNIST study: TensorFlow, data, networks, their weights.

        And, on a cluster, Snakemake twice. ``tools/check_resources.py`` compares it with the benchmark files.
        """
        starts = self._trained[architecture].starts
        networks = (last + 1 - first) * len(starts)
        return 2000 + 10 * networks + self.head_weights(architecture, filters, first, last) // 10_000

    def training_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of a chunk: ten minutes to start and compile, and three times what the MNIST study's steps took.

        A step costs per image of each network and per dense weight. Linear networks touch their weights once a step,
        others once for each block of images too. An epoch is taken for one of 60,000 images.
        """
        item, starts, _ = self._trained[architecture]
        steps = item.steps or (item.epochs or 1) * 60_000 // item.batch
        return 10 + math.ceil(3 * steps * self._step_s(architecture, filters, (last + 1 - first) * len(starts)) / 60)

    def _step_s(self, architecture: str, filters: int, networks: int) -> float:
        """What a step of some networks took in the MNIST study."""
        item = self._trained[architecture].architecture
        images, weights = networks * item.batch, networks * self._dense_weights(architecture, filters)
        if item.activation == "linear" and not item.dropout:
            return images * 1.2e-6 + weights * 3e-9
        return images * 6e-6 + weights * 30e-9 * max(1.0, item.batch / 128)

    def pruning_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of pruning a chunk and training on; a network of each method, but none of all its filters."""
        networks = (last + 1 - first) * self._methods
        weights = self._methods * self.head_weights(architecture, filters, first, last)
        return 2000 + 10 * networks + weights // 20_000

    def pruning_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of the same; to score all networks twice takes about as long as 300 steps."""
        steps = 300 + (self.settings.pruning.fine_tuning_steps if self.settings.pruning else 0)
        networks = (last + 1 - first) * self._methods
        return 10 + math.ceil(3 * steps * self._step_s(architecture, filters, networks) / 60)

    def importance_mem_mb(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Memory of rating a chunk's filters, more than twice what the MNIST study took."""
        return 1500 + self.head_weights(architecture, filters, first, last) // 20_000

    def importance_minutes(self, architecture: str, filters: int, first: int, last: int) -> int:
        """Time of the same, three times the MNIST study's 0.13 s a filter, of a large kernel."""
        return 10 + math.ceil((last + 1 - first) * filters * 0.4 / 60)

    def weight_deletion_minutes(self) -> int:
        """Time of deleting weights, which took 9 s a seed of the MNIST study."""
        return 15 + math.ceil(self.settings.seeds * 30 / 60)

    @property
    def _methods(self) -> int:
        return len(self.settings.pruning.methods) if self.settings.pruning else 0

    def measuring_mem_mb(self, study: Plain, base: int = 1500) -> int:
        """Memory of measuring a study's networks, four times what the MNIST study's filters took."""
        return base + self._filters_of(study) * 30 // 1000

    def measuring_minutes(self, study: Plain, base: int = 15) -> int:
        """Time of the same, six times what the slowest took: 10 ms to remove a filter."""
        return base + math.ceil(self._filters_of(study) * 0.06 / 60)

    def _filters_of(self, study: Plain) -> int:
        """All filters of all networks of a study."""
        seeds = sum(seeds for _, seeds in study["chunks"])
        return sum(
            sum(counts) * seeds * len(self._trained[architecture].starts)
            for architecture, counts in study["architectures"].items()
        )
