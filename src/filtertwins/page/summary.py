"""A study in a few lines: are there twins, is it more than chance, and what do more filters buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

WIDTH = 36  # The width of the first column, which the default study's labels fit in.


def summarise(
    runs: pd.DataFrame, redundancy: pd.DataFrame, threshold: float, labels: Mapping[str, str] | None = None
) -> str:
    """The three things that matter, for each architecture: twins, redundancy over chance, accuracy.

    Args:
        runs: ``runs.csv``.
        redundancy: ``redundancy.csv``.
        threshold: the similarity from which two filters count as near duplicates.
        labels: words for each architecture, the same as in figures; one without a label is called by its name.

    Returns:
        a text of short lines. Redundancy is a mean over seeds, accuracy a median, which one dead network can't move.
    """
    labels = labels or {}
    trained = redundancy[redundancy["stage"] == "trained"]
    seeds = runs["seed"].nunique()
    plural = "s" if seeds > 1 else ""
    lines = [f"{runs['dataset'].iloc[0]}: {len(runs)} networks, {seeds} seed{plural} of each condition"]

    pairs = int((trained["live_filters"] * (trained["live_filters"] - 1) // 2).sum())
    equal, twins = int(trained["exact_duplicate_pairs"].sum()), int(trained["twin_pairs"].sum())
    text = f"{twins} twins (cosine within 1e-6 of 1), {equal} of them equal, in {pairs:,} pairs of filters"
    lines += ["", "1. Do filters end up the same?", _line("all networks", text)]
    for name, largest in _of_most_filters(trained[trained["never_active_filters"] > 0], trained, labels):
        share = largest["never_active_filters"].mean() / largest["filters"].iloc[0]
        lines.append(_line(name, f"{share:.1%} of the filters never fire, and so do one job"))

    lines += [
        "",
        "2. How many filters are redundant, beside strangers (from other networks) and re-drawn initial kernels?",
    ]
    several = trained.dropna(subset=["excess"])
    for name, largest in _of_most_filters(several, several, labels):
        names = ("redundant_share", "strangers_redundant_share", "null_redundant_share")
        shares = [f"{share:.1%}" if pd.notna(share) else "unknown" for share in largest[[*names]].mean()]
        text = f"{shares[0]}, of strangers {shares[1]}, of re-drawn kernels {shares[2]}"
        near, near_chance = largest["near_duplicate_pairs"].mean(), largest["null_near_duplicate_pairs"].mean()
        text += f"; {_count(near)} pairs over {threshold:g} a network, {_count(near_chance)} re-drawn"
        lines.append(_line(name, text))

    lines += ["", "3. What do more filters buy? Median test accuracy"]
    for architecture, rows in runs.groupby("architecture", sort=False):
        medians = rows.groupby("filters")["test_accuracy"].median()
        shown = sorted({*range(0, len(medians), max(1, (len(medians) + 3) // 4)), len(medians) - 1})  # at most five
        accuracies = "   ".join(f"{filters}: {accuracy:.1%}" for filters, accuracy in medians.iloc[shown].items())
        lines.append(_line(labels.get(str(architecture), str(architecture)), f"{accuracies}   (filters: accuracy)"))
    return "\n".join(lines) + "\n"


def _of_most_filters(
    chosen: pd.DataFrame, rows: pd.DataFrame, labels: Mapping[str, str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each chosen architecture, its words and the rows of its largest filter count."""
    for architecture in chosen["architecture"].unique():
        own = rows[rows["architecture"] == architecture]
        largest = own[own["filters"] == own["filters"].max()]
        yield f"{labels.get(architecture, architecture)}, {largest['filters'].iloc[0]} filters", largest


def _line(name: str, text: str) -> str:
    return f"   {name:<{WIDTH}}  {text}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
