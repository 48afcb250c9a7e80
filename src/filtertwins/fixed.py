"""Which studies were fixed before the run that confirms: the default one, alone and with the exact reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filtertwins.extensions import read_config
from filtertwins.provenance import digest
from filtertwins.settings import Settings, load_settings

FROZEN = "b58cd2ad5c34"
"""The :func:`decisions` before the run that confirms. A claim that was added or changed since is `exploratory`."""


def is_fixed(settings: Settings, claims: Sequence[Path], configs: Path) -> bool:
    """Whether a study is one of those that were fixed.

    Args:
        settings: the study.
        claims: the files of its claims.
        configs: the folder with the configs and the claims of the fixed studies.
    """
    if not claims or not claims[0].samefile(configs / "claims.yaml"):
        return False
    default, epochs = (read_config(configs / f"{name}.yaml") for name in ("config", "epochs"))
    if decisions(read_config(claims[0]), default) != FROZEN:
        return False
    both = {**default, "experiments": default["experiments"] | epochs["experiments"]}
    return any(same_study(settings, load_settings(own)) for own in (default, both))


def decisions(claims: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """A digest of what decides the claims that are not exploratory: tests, parts and smallest effects of interest."""
    keys = ("test", "parameters", "dataset")
    frozen = {name: own for name, own in claims["claims"].items() if "exploratory" not in own}
    own = {name: [claim.get(key) for key in keys] for name, claim in frozen.items()}
    return digest([own, claims["fewest_seeds"], config["margins"]])


def same_study(one: Settings, other: Settings) -> bool:
    """Whether two studies train, measure and judge the same on the same data, whatever their seeds.

    Methods by which some network is pruned beside those of all, and claims of further files, change nothing of that.
    """
    names = ("seeds", "first_seed", "seeds_per_chunk", "gallery", "only", "datasets", "claims")
    beside: Any = dict.fromkeys(names, True) | {"pruning": {"networks": {"__all__": {"methods"}}}}
    beside["experiments"] = {"__all__": {"seeds_per_chunk"}}
    data = [(own.claims[:1], own.dataset_settings.identity) for own in (one, other)]
    return data[0] == data[1] and one.model_dump(exclude=beside) == other.model_dump(exclude=beside)
