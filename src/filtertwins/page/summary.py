"""A study in a few lines: are there twins, is it more than chance, and what do more filters buy."""

from __future__ import annotations

import pandas as pd

WIDTH = 22  # of the first column


def summarise(runs: pd.DataFrame, redundancy: pd.DataFrame, threshold: float) -> str:
    """The three things that matter, for each architecture: twins, redundancy over chance, accuracy.

    Args:
        runs: ``runs.csv``.
        redundancy: ``redundancy.csv``.
        threshold: the similarity from which two filters count as near duplicates.

    Returns:
        a text of short lines. Redundancy is a mean over seeds, accuracy a median, which one dead network can't move.
    """
    trained = redundancy[redundancy["stage"] == "trained"]
    seeds = runs["seed"].nunique()
    plural = "s" if seeds > 1 else ""
    lines = [f"{runs['dataset'].iloc[0]}: {len(runs)} networks, {seeds} seed{plural} of each condition"]

    pairs = int((trained["live_filters"] * (trained["live_filters"] - 1) // 2).sum())
    twins, close = int(trained["exact_duplicate_pairs"].sum()), int(trained["close_duplicate_pairs"].sum())
    text = f"{twins} exact twins, {close} within 1e-6, in {pairs:,} pairs of filters"
    lines += ["", "1. Do filters end up the same?", _line("all networks", text)]
    for architecture, largest in _of_most_filters(trained[trained["never_active_filters"] > 0], trained):
        share = largest["never_active_filters"].mean() / largest["filters"].iloc[0]
        lines.append(
            _line(_named(architecture, largest), f"{share:.1%} of the filters can never fire: all alike, in vain")
        )

    lines += [
        "",
        "2. Are they more alike than chance makes them? Mean nearest cosine, against re-drawn initial kernels",
    ]
    several = trained.dropna(subset=["excess"])
    for architecture, largest in _of_most_filters(several, several):
        measured, chance = largest["mean_nearest_cosine"].mean(), largest["null_mean_nearest_cosine"].mean()
        near, near_chance = largest["near_duplicate_pairs"].mean(), largest["null_near_duplicate_pairs"].mean()
        text = f"{measured:.3f} trained, {chance:.3f} by chance: excess {measured - chance:+.3f}"
        text += f"; {_count(near)} pairs over {threshold:g} a network, {_count(near_chance)} by chance"
        lines.append(_line(_named(architecture, largest), text))

    lines += ["", "3. What do more filters buy? Median test accuracy"]
    for name, rows in runs.groupby("architecture", sort=False):
        by_filters = rows.groupby("filters")["test_accuracy"].median()
        path = by_filters.iloc[[*range(0, len(by_filters), max(1, (len(by_filters) + 3) // 4))]]
        shown = path if path.index[-1] == by_filters.index[-1] else pd.concat([path, by_filters.iloc[[-1]]])
        accuracies = "   ".join(f"{filters}: {accuracy:.1%}" for filters, accuracy in shown.items())
        lines.append(_line(str(name), f"{accuracies}   (filters: accuracy)"))
    return "\n".join(lines) + "\n"


def _of_most_filters(chosen: pd.DataFrame, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """For each chosen architecture, the rows of its largest filter count."""
    result = []
    for architecture in chosen["architecture"].unique():
        own = rows[rows["architecture"] == architecture]
        result.append((str(architecture), own[own["filters"] == own["filters"].max()]))
    return result


def _named(architecture: str, rows: pd.DataFrame) -> str:
    return f"{architecture}, {rows['filters'].iloc[0]} filters"


def _line(name: str, text: str) -> str:
    return f"   {name:<{WIDTH}}  {text}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
