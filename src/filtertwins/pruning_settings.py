"""The configuration of pruning: which trained networks are pruned, by which methods, and how far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, PositiveInt

from filtertwins.architectures import INCREASING, AnyArchitecture, Counts, LayeredArchitecture, Switched, switched_on
from filtertwins.mistakes import Section, allowed_names, among, check

Share = Annotated[float, Field(gt=0, lt=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=1), INCREASING]


class PrunedNetwork(Section):
    """Which of an architecture's networks are pruned, and how far."""

    filters: int = Field(ge=2, description="the filter count that is pruned, one of the architecture's")
    kept: Counts = Field(min_length=1, description="how many filters are kept; each below `filters`")
    from_scratch: Counts = Field(default=(), description="kept counts at which small networks are trained, to compare")
    methods: tuple[Annotated[str, among("methods")], ...] = Field(
        default=(), exclude_if=lambda it: not it, description="further methods, for this network alone"
    )
    doublings: int = Field(
        default=0, ge=0, le=8, description="how often steps are doubled, to compare both sides once their loss is flat"
    )

    _fewer = check("kept", "each must be fewer than filters, {filters}", lambda it, filters: it[-1] >= filters)
    _some = check("from_scratch", "allowed are those in kept, {kept}", lambda it, kept: not set(it) <= set(kept))


class WeightDeletion(Section):
    """Optimal Brain Damage weight by weight, as in its paper: on one small network."""

    architecture: str
    filters: PositiveInt
    shares: Shares = Field(description="shares of all weights to delete")
    retraining_steps: PositiveInt


class Pruning(Section):
    """Filters removed from trained networks, by several methods; and what that costs and saves."""

    methods: tuple[Annotated[str, among("methods")], ...] = Field(
        min_length=1, description="criteria by which filters are removed, and cosine_merge, which merges them"
    )
    fine_tuning_steps: PositiveInt = Field(description="steps of training after pruning, for whole networks too")
    images: PositiveInt = Field(default=10_000, description="training images, the first ones, that criteria look at")
    networks: Switched[PrunedNetwork]
    weight_deletion: WeightDeletion | None = None
    latency: bool = Field(default=True, description="measure size and latency too; nothing else runs beside that")

    _once = check("methods", "each method once", lambda it: len(set(it)) < len(it))
    _choice = check("methods", "at least one method beside random, to choose from", lambda it: it == ("random",))


def not_trained(pruning: Pruning, architectures: Mapping[str, AnyArchitecture | None]) -> Iterator[str]:
    """What is wrong with the networks that are pruned, of which the study must train each, and by steps."""
    wanted = {f"networks.{name}": (name, item.filters) for name, item in switched_on(pruning.networks).items()}
    if deletion := pruning.weight_deletion:
        wanted["weight_deletion"] = (deletion.architecture, deletion.filters)
    for key, (name, filters) in wanted.items():
        if name not in architectures:
            yield f"{key}: {name} is no architecture of the study; {allowed_names(name, architectures)}"
        elif not (item := architectures[name]):
            continue  # It is switched off, and so is everything that would be done to its networks.
        elif filters not in item.filters:
            yield f"{key}: filters = {filters} is not trained; allowed: {', '.join(map(str, item.filters))}"
        elif isinstance(item, LayeredArchitecture):
            yield f"{key}: {name} has `layers`; so far only networks of one convolution can be pruned"
        elif item.shuffle_labels:
            yield f"{key}: {name} has shuffle_labels; criteria ask what networks know of the true labels"
        elif item.steps is None:
            yield f"{key}: {name} is trained by epochs; give it steps, which fine-tuning's are added to"
