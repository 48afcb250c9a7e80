"""Several networks of one architecture: strangers to each other, or one network at several times.

Networks from different seeds are strangers: their first layers see the same images through filters that never met, so
that g tells living in one network from what training prefers anyway (:mod:`filtertwins.measures.strangers`). Deeper
layers have bases of their own, and their weights cannot be compared. Two files may also be one network before and
after training. Then a filter is still more like its own former self than like the others' former selves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from filtertwins.inspect.sameness import filter_rows
from filtertwins.inspect.verdicts import Layer
from filtertwins.measures.redundancy import directions, similarities_across
from filtertwins.measures.strangers import FEWEST_NETWORKS, Comparison, compare_with_strangers, neighbourhoods
from filtertwins.names import Row

_ONE_NETWORK = 5.0  # So many standard errors are filters of one network more like themselves than like the others.


def compare_networks(
    networks: Sequence[Sequence[Layer]], before: str | None = None
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Strangers among networks of one architecture, and what changed between files of one network: rows, one a layer.

    Args:
        networks: the layers of each network, at least one; an earlier network is before a later one.
        before: the file that the others of its architecture were trained from. By default it is the first one, if the
            filters of all others are still like its own.
    """
    among: list[Row] = []
    changed: list[Row] = []
    groups: dict[Any, list[Sequence[Layer]]] = {}
    for layers in networks:
        groups.setdefault(_architecture(layers), []).append(layers)
    for group in groups.values():
        start = next((layers for layers in group if layers[0].file == before), group[0])
        others = [layers for layers in group if layers is not start]
        first = _first_layer(start)
        if start[0].file == before:
            strangers = others
        else:
            one_network = others and all(_is_one_network(start[first], layers[first]) for layers in others)
            strangers = [] if one_network else group
        if strangers is not group:
            changed += [row for layers in others for row in _changes(start, layers)]
        if len(strangers) > 1:
            among += _strangers(strangers, first)
    return tuple(among), tuple(changed)


def _architecture(layers: Sequence[Layer]) -> tuple[Any, ...]:
    """What networks of one architecture share; names may differ, since Keras counts layers on within a process."""
    own = [layer.convolution for layer in layers]
    return tuple((each.kind, each.kernels.shape, each.groups, each.activation) for each in own)


def _first_layer(layers: Sequence[Layer]) -> int:
    """The layer that sees the images: the first of those with the fewest input channels.

    A file may list its layers by the alphabet, so that the one listed first can be any.
    """
    own = [layer.convolution for layer in layers]
    return int(np.argmin([each.kernels.shape[1] * each.groups for each in own]))


def _is_one_network(first: Layer, second: Layer) -> bool:
    """Whether filters are more like the other network's filter of their own index than like the others."""
    live = first.live & second.live
    units, others = (directions(filter_rows(layer.convolution)[live]) for layer in (first, second))
    similarity = similarities_across(units, others, first.same.equivalence)
    across = similarity[~np.eye(len(similarity), dtype=bool)]
    if not len(across):
        return False
    excess = np.mean(np.diag(similarity)) - across.mean()
    return bool(excess * np.sqrt(len(similarity)) > _ONE_NETWORK * max(float(across.std()), 1e-9))


def _strangers(networks: Sequence[Sequence[Layer]], first: int) -> Iterator[Row]:
    """A row a layer; only the first layer can be compared by its weights, and only among networks that never met."""
    related = any(_is_one_network(one[first], other[first]) for one, other in combinations(networks, 2))
    for place, layer in enumerate(networks[0]):
        g = low = high = threshold = expected = np.nan
        if place != first:
            finding = "bases differ: a deeper layer's weights cannot be compared with a stranger's"
        elif related:
            finding = "some files are one network at several times, not strangers: name one file of each network"
        else:
            own = [layers[place] for layers in networks]
            units = [directions(filter_rows(each.convolution)[each.live]) for each in own]
            found = compare_with_strangers(neighbourhoods(units, layer.same.equivalence))
            g, low, high = found.ratio, found.ratio_low, found.ratio_high
            threshold, expected, finding = found.threshold, found.expected_pairs, _finding(found)
        row: Row = {"files": len(networks), "name": layer.name, "g": g, "low": low, "high": high}
        yield row | {"threshold": threshold, "expected_pairs": expected, "finding": finding}


def _finding(found: Comparison) -> str:
    """What g says, in words."""
    if not found.estimable:
        return f"not estimable: only {found.expected_pairs:.1f} near pairs are expected"
    if np.isnan(found.ratio_low):
        return f"no interval: it takes {FEWEST_NETWORKS} networks, and near pairs without any one of them"
    if found.ratio_high < 1:
        return "filters of one network are alike less often than strangers: they keep apart"
    if found.ratio_low > 1:
        return "filters of one network are alike more often than strangers: they attract, or each network differs"
    return "no difference between one network and strangers is shown"


def _changes(before: Sequence[Layer], after: Sequence[Layer]) -> Iterator[Row]:
    """A row a layer; medians are over the filters that are live at both times."""
    for old, new in zip(before, after, strict=True):
        former, rows = (filter_rows(layer.convolution)[old.live & new.live] for layer in (old, new))
        cosines = np.sum(directions(former) * directions(rows), axis=1)
        norms = np.linalg.norm(rows, axis=1) / np.linalg.norm(former, axis=1)
        row: Row = {"before": old.file, "file": new.file, "name": new.name}
        row |= {"cosine": float(np.median(cosines)) if len(cosines) else np.nan}
        row |= {"norm_ratio": float(np.median(norms)) if len(norms) else np.nan}
        row |= {"near_pairs_before": old.near_pairs, "near_pairs": new.near_pairs}
        row |= {"redundant_share_before": old.share, "redundant_share": new.share}
        yield row | {"verdict_before": old.verdict, "verdict": new.verdict}
