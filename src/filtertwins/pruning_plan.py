"""What of a study is pruned, by which jobs; and the small networks that pruned ones are compared with.

Only networks of one convolution are pruned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from filtertwins.architectures import Architecture
from filtertwins.names import COSINE_MERGE, DOUBLED
from filtertwins.pruning_settings import PrunedNetwork
from filtertwins.settings import Experiment, Settings

Plain = dict[str, Any]
"""Plain data that JSON can hold."""


def study_of(settings: Settings, architectures: dict[str, list[int]], experiment: Experiment | None = None) -> Plain:
    """The runs of some filter counts by architecture, with the seeds of the study or of an experiment, for tables."""
    return {"architectures": architectures, "chunks": settings.chunks(experiment)}


class SmallNetwork(NamedTuple):
    """A small network to compare pruned ones with."""

    architecture: Architecture
    also_scored: tuple[int, ...]  # steps before the last one
    compared: Plain  # the architecture and the filters of the network that was pruned, and steps by budget


class PruningPlan:
    """The part of a study that prunes.

    Args:
        settings: the study.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._methods = settings.pruning.methods if settings.pruning else ()
        self._steps = settings.pruning.fine_tuning_steps if settings.pruning else 0

    def chunks(self) -> list[tuple[str, PrunedNetwork, int, int]]:
        """Architecture, which of its networks, first seed and number of seeds of each chunk that is pruned."""
        return [
            (name, network, first, seeds)
            for name, network in self.settings.pruned.items()
            for first, seeds in self.settings.chunks()
        ]

    def jobs(self, own: Collection[str] = ()) -> Iterator[tuple[str, PrunedNetwork, int, int, Plain]]:
        """The jobs that prune, as in :meth:`chunks`, each with what it does: its parameters.

        Methods of one's own, and those of one network alone, have a job each, after those of the methods for all
        networks. So one more of them leaves the others' jobs as they are.
        """
        for_all = [name for name in self._methods if name not in own]
        for name, network, first, seeds in self.chunks():
            kept = [*network.kept, network.filters] if for_all else [network.filters]
            how = {"methods": for_all, "kept": kept, "longer": self.longer(name, network)}
            yield name, network, first, seeds, how | {"criteria": _criteria(for_all)}
        for name, network, first, seeds in self.chunks():
            for method in self.settings.methods_of(name):
                if method not in for_all:
                    how = {"methods": [method], "kept": list(network.kept), "longer": {"kept": [], "steps": []}}
                    yield name, network, first, seeds, how | {"criteria": _criteria([method])}

    def rated_by_several(self) -> bool:
        """Whether the filters of some network are rated by several criteria."""
        return any(len(_criteria(self.settings.methods_of(name))) > 1 for name in self.settings.pruned)

    def longer(self, name: str, network: PrunedNetwork) -> Plain:
        """Which pruned networks are trained on until they get no better, and the steps after which they are scored.

        Counted from the large network's first step, these are the steps that small networks are scored after.
        """
        if not network.doublings:
            return {"kept": [], "steps": []}
        before = self.settings.one_layered[name].steps or 0
        whole = _doubled(before + self._steps, network.doublings)
        return {"kept": list(network.from_scratch), "steps": [steps - before for steps in whole]}

    def small_networks(self) -> dict[str, SmallNetwork]:
        """Small networks to compare pruned ones with, by the name under which they are trained.

        With equal epochs, a small network sees as many batches as the large network and its pruned one together. With
        equal compute, its training takes as many multiply-accumulates, whose number is proportional to the filters. And
        the first budget is doubled several times, to see when networks get no better. A small network passes all other
        budgets on the way to the largest, so it is trained once and scored several times.
        """
        found = {}
        for name, network in self.settings.pruned.items():
            architecture = self.settings.one_layered[name]
            steps = architecture.steps or 0
            fewer, *doubled = _doubled(steps + self._steps, network.doublings)
            for kept in network.from_scratch:
                budgets = {"equal_epochs": fewer, "equal_compute": round(steps * network.filters / kept) + self._steps}
                budgets |= {f"{DOUBLED}_{times}": own for times, own in enumerate(doubled, start=1)}
                *also_scored, most = sorted(set(budgets.values()))
                found[f"pruning/{name}_{network.filters}_to_{kept}"] = SmallNetwork(
                    architecture.model_copy(update={"filters": (kept,), "steps": most}),
                    tuple(also_scored),
                    {"architecture": name, "filters": network.filters, "budgets": budgets},
                )
        return found

    def from_scratch(self) -> Plain:
        """The runs of the small networks."""
        networks = self.small_networks().items()
        return study_of(self.settings, {name: list(small.architecture.filters) for name, small in networks})

    def costed_networks(self) -> list[Plain]:
        """The networks whose size and latency are measured: pruned ones and whole ones, with what their layers are."""
        return [
            {"architecture": name, "filters": item.filters, "kept": kept}
            | {key: getattr(self.settings.one_layered[name], key) for key in ("kernel", "activation")}
            for name, item in self.settings.pruned.items()
            for kept in (*item.kept, item.filters)
        ]

    def weight_deletion(self) -> Plain:
        """The part of the study whose weights are deleted one by one."""
        deletion = self.settings.weight_deletion
        return study_of(self.settings, {deletion.architecture: [deletion.filters]} if deletion else {})


def _doubled(steps: int, times: int) -> list[int]:
    """Some steps, and what they are when doubled up to so many times."""
    return [steps << doubled for doubled in range(1 + times)]


def _criteria(methods: Sequence[str]) -> list[str]:
    """The methods that rate filters."""
    return [name for name in methods if name != COSINE_MERGE]
