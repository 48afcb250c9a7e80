"""A study's answer in three sentences: are there twins, is it more than chance, and what do more filters buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from filtertwins.tables.by_layer import split_layer, whole_networks

_LISTED = 3  # A sentence lists so many kinds of networks.


def in_sentences(runs: pd.DataFrame, redundancy: pd.DataFrame, labels: Mapping[str, str] | None = None) -> list[str]:
    """The answer of one study, whatever its data and networks.

    Args:
        runs: ``runs.csv``.
        redundancy: ``redundancy.csv``, with deeper layers as architectures of their own.
        labels: words for each architecture, the same as in figures; one without a label is called by its name.

    Returns:
        One to three sentences: a study of single filters has no pairs to speak of. Redundancy is a mean over seeds,
        accuracy a median, which one dead network can't move.
    """
    labels = labels or {}
    trained = redundancy[(redundancy["stage"] == "trained") & (redundancy["live_filters"] > 1)]
    sentences = []
    if len(trained):
        pairs = int((trained["live_filters"] * (trained["live_filters"] - 1) // 2).sum())
        networks = len(whole_networks(trained).drop_duplicates(["architecture", "filters", "seed"]))
        equal, twins = int(trained["exact_duplicate_pairs"].sum()), int(trained["twin_pairs"].sum())
        sentences.append(
            f"{'Some filters' if twins else 'No two filters'} end up the same: of {pairs:,} pairs in {networks:,}"
            f" trained networks, {_none(twins)} have a cosine within a millionth of 1, and {_none(equal)} are equal to"
            " the last bit."
        )
        shares = [
            (filters, name, *_percents(own, ("", "strangers_", "null_")))
            for name, filters, own in _largest(trained, labels)
        ]
        one, *others = shares
        sentences.append(
            "Filters beyond the first of a cluster of nearly equal ones are redundant: {2} of the {0} filters of {1},"
            " where as many strangers (filters of other networks) have {3} and re-drawn kernels {4}".format(*one)
            + "".join("; {2} of the {0} of {1} ({3} and {4})".format(*other) for other in others)
            + "."
        )
    gains = []
    for name, filters, own in _largest(runs, labels):
        same = runs[runs["architecture"] == own["architecture"].iloc[0]]
        fewest = same[same["filters"] == same["filters"].min()]
        first, last = (part["test_accuracy"].median() for part in (fewest, own))
        fewer = fewest["filters"].iloc[0]
        start = "" if fewer == filters else f"{first:.1%} with {fewer} and "
        gains.append(f"{start}{last:.1%} with {filters} filters for {name}")
    sentences.append(f"The median test accuracy is {'; '.join(gains)}.")
    return sentences


def _largest(rows: pd.DataFrame, labels: Mapping[str, str]) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """For the first architectures: in words, the most filters, and the rows of the networks that have them."""
    for architecture in rows["architecture"].unique()[:_LISTED]:
        own = rows[rows["architecture"] == architecture]
        own = own[own["filters"] == own["filters"].max()]
        whole, layer = split_layer(architecture)
        count = own["live_filters"] + own["dead_filters"] if layer else own["filters"]
        yield labels.get(whole, whole) + (f", {layer}" if layer else ""), int(count.max()), own


def _percents(rows: pd.DataFrame, rungs: Sequence[str]) -> list[str]:
    """The mean redundant shares on several rungs; a study of one seed has no strangers."""
    means = [rows[f"{rung}redundant_share"].mean() for rung in rungs]
    return [f"{share:.0%}" if pd.notna(share) else "unknown" for share in means]


def _none(count: int) -> str:
    return f"{count:,}" if count else "none"
