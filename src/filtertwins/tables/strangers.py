"""Filters of one network beside strangers, filters of networks that differ in the seed alone (H13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from filtertwins.data.datasets import Dataset
from filtertwins.measures.exchange import exchange_test
from filtertwins.measures.patches import patch_moment
from filtertwins.measures.redundancy import (
    Equivalence,
    Floats,
    directions,
    equivalence_of,
    filter_vectors,
    live_filters,
)
from filtertwins.measures.strangers import STRANGER_SHARE, compare_with_strangers, neighbourhoods, ratio_curve
from filtertwins.names import CONDITION, Row
from filtertwins.networks.rows import STAGES, LayerRuns, layers_of
from filtertwins.networks.weights import AnyChunk, conditions
from filtertwins.tables.likeness import response_vectors_of

_SEED = 20201


@dataclass(frozen=True)
class _Stage:
    """One layer of all networks of one condition at one stage."""

    names: Row
    equivalence: Equivalence
    basis: str  # what filters are compared by: kernels, or in deeper layers responses
    vectors: list[Floats]  # by network, (filter, dimension), with biases where they count
    answers: Callable[[], list[Floats]]  # the same of the filters' answers to the training images
    corresponding: bool  # whether all networks started from the same weights


class StrangerRows(NamedTuple):
    """The rows of the two tables about strangers."""

    strangers: list[Row]  # one a condition and stage
    strangers_by_threshold: list[Row]  # one a condition, stage and threshold


def stranger_tables(chunks: Iterable[AnyChunk], dataset: Dataset) -> StrangerRows:
    """``strangers.csv`` and ``strangers_by_threshold.csv``: conditions of two or more filters, at each stage.

    The primary threshold is the similarity that 1 % of stranger pairs exceed. ``within`` and ``between`` are the shares
    of pairs that reach it, and ``ratio`` is g. Initial kernels are independent, so that their g is 1: they are the
    negative control. The second table has g at several thresholds, each with the ``share`` of stranger pairs that
    exceed it, and the ends of a band that holds at all of them at once. ``response_ratio`` is g of the filters' answers
    to the patches of the training images, with a threshold of its own. In deeper layers, where kernels of different
    networks see different channels, the ratio itself is of answers (``basis``), and ``response_ratio`` is missing.

    Where all networks started from the same weights, filters at the same place are left out of the strangers. The
    exchange test can't do that, so that it is missing there.

    Args:
        chunks: of a study; those of one condition follow each other.
        dataset: its training images are what filters answer to.
    """
    rows = StrangerRows([], [])
    moment_of = cache(lambda kernel: patch_moment(dataset.train_images, kernel, bias=True))
    for stage in _stages(chunks, moment_of):
        vectors = stage.vectors
        if stage.corresponding:  # The places of filters must stay those of their partners.
            everywhere = np.all([live_filters(own) for own in vectors], axis=0)
            vectors = [own[everywhere] for own in vectors]
        units = [directions(own) for own in vectors]
        pairs = neighbourhoods(units, stage.equivalence, corresponding=stage.corresponding)
        curve = ratio_curve(pairs, np.random.default_rng([_SEED, stage.names["filters"], len(units), 1]))
        found = curve.points[curve.shares.index(STRANGER_SHARE)]
        rng = np.random.default_rng([_SEED, stage.names["filters"], len(units)])
        attraction, repulsion = (
            (np.nan, np.nan) if stage.corresponding else exchange_test(units, stage.equivalence, found.threshold, rng)
        )
        answered = stage.answers() if stage.basis == "kernels" else [np.zeros((0, 1)) for _ in units]
        responses = [directions(own) for own in answered]
        near = neighbourhoods(responses, stage.equivalence, corresponding=stage.corresponding)
        answers = compare_with_strangers(near)
        rows.strangers.append(
            stage.names
            | asdict(found)
            | {"estimable": found.estimable, "attraction_p_value": attraction, "repulsion_p_value": repulsion}
            | {f"response_{name}": asdict(answers)[name] for name in ("threshold", "ratio", "ratio_low", "ratio_high")}
            | {"response_estimable": answers.estimable}
        )
        ends = zip(curve.shares, curve.points, curve.band_low.tolist(), curve.band_high.tolist(), strict=True)
        rows.strangers_by_threshold.extend(
            stage.names
            | {"share": share}
            | asdict(point)
            | {"estimable": point.estimable, "band_low": low, "band_high": high}
            for share, point, low, high in ends
        )
    return rows


def _stages(chunks: Iterable[AnyChunk], moment_of: Callable[[tuple[int, int]], Floats]) -> Iterator[_Stage]:
    """Each layer of the networks of each condition of several filters, whatever its chunks, at each stage."""
    for chunk in conditions(chunks):
        condition = chunk.condition
        if condition["filters"] < 2:
            continue
        shared = condition["model"].get("draw_seed") is not None
        for layer in layers_of(chunk):
            names: Row = {name: condition[name] for name in CONDITION}
            names |= {"activation": layer.activation, "dimension": layer.dimension}
            equivalence = equivalence_of(layer.activation)
            if layer.frozen or layer.kernels.shape[-1] < 2 or (layer.answers is None and not layer.one_basis):
                continue
            for place, stage in enumerate(STAGES):
                biases = layer.biases[place] if stage == "trained" else [None] * len(chunk.seeds)
                vectors = [
                    filter_vectors(own, bias, equivalence)
                    for own, bias in zip(layer.kernels[place], biases, strict=True)
                ]
                answers = partial(_answers, layer, place, vectors, moment_of)
                basis = "kernels" if layer.one_basis else "responses"
                yield _Stage(
                    names | {"stage": stage, "layer": layer.name, "basis": basis},
                    equivalence,
                    basis,
                    vectors if layer.one_basis else answers(),
                    answers,
                    shared,
                )


def _answers(
    layer: LayerRuns, place: int, vectors: list[Floats], moment_of: Callable[[tuple[int, int]], Floats]
) -> list[Floats]:
    """Vectors whose cosines are those of the filters' answers; for patches whose second moment has a bias's pixel."""
    dimension = vectors[0].shape[1]
    return response_vectors_of(layer, place, vectors, lambda kernel: moment_of(kernel)[:dimension, :dimension])
