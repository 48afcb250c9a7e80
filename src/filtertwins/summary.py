"""A study in a few lines: are there twins, is it more than chance, and what do more filters buy."""

from __future__ import annotations

import pandas as pd

WIDTH = 22  # of the first column


def summarise(runs: pd.DataFrame, redundancy: pd.DataFrame, threshold: float) -> str:
    """The three numbers that matter, for each architecture: twins, redundancy over chance, accuracy.

    Args:
        runs: ``runs.csv``.
        redundancy: ``redundancy.csv``.
        threshold: the similarity from which two filters count as near duplicates.

    Returns:
        a text of short lines. Values of several seeds are means over the seeds.
    """
    trained = redundancy[redundancy["stage"] == "trained"]
    seeds = runs["seed"].nunique()
    lines = [
        f"{runs['dataset'].iloc[0]}: {len(runs)} networks, {seeds} seed{'s' if seeds > 1 else ''} of each condition"
    ]

    pairs = int((trained["live_filters"] * (trained["live_filters"] - 1) // 2).sum())
    twins = int(trained["exact_duplicate_pairs"].sum())
    lines += [
        "",
        "1. Do filters end up the same?",
        _line("all networks", f"{twins} exact twins in {pairs:,} pairs of filters"),
    ]

    lines += [
        "",
        "2. Are they more alike than chance makes them? Mean nearest cosine, against re-drawn initial kernels",
    ]
    for architecture, rows in trained.dropna(subset=["excess"]).groupby("architecture", sort=False):
        largest = rows[rows["filters"] == rows["filters"].max()]
        measured, chance = largest["mean_nearest_cosine"].mean(), largest["null_mean_nearest_cosine"].mean()
        lines.append(
            _line(
                f"{architecture}, {largest['filters'].iloc[0]} filters",
                f"{measured:.3f} trained, {chance:.3f} by chance: excess {measured - chance:+.3f}"
                f" ({_per_run(largest['near_duplicate_pairs'].mean())} pairs over {threshold:g} a network)",
            )
        )

    lines += ["", "3. What do more filters buy? Mean test accuracy"]
    for architecture, rows in runs.groupby("architecture", sort=False):
        by_filters = rows.groupby("filters")["test_accuracy"].mean()
        path = by_filters.iloc[[*range(0, len(by_filters), max(1, (len(by_filters) + 3) // 4))]]
        shown = path if path.index[-1] == by_filters.index[-1] else pd.concat([path, by_filters.iloc[[-1]]])
        lines.append(
            _line(
                str(architecture),
                "   ".join(f"{k}: {a:.1%}" for k, a in shown.items()) + "   (filters: accuracy)",
            )
        )
    return "\n".join(lines) + "\n"


def _line(name: str, text: str) -> str:
    return f"   {name:<{WIDTH}}  {text}"


def _per_run(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
