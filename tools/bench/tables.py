"""From the turns taken to the benchmark's tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from filtertwins.settings import Architecture

CONDITION = ["architecture", "filters"]
COMPARED = ("keras", "naive", "project")  # These are compared on the whole grid.
COMPETITORS = {  # in the order of the tables
    "keras": "Keras fit",
    "naive": "naive pipeline, a process a core",
    "naive_alone": "naive pipeline, one after another",
    "torch": "PyTorch",
    "jax": "JAX, vmap over seeds",
    "project": "this project",
    "limit": "limit",
    "limit_layered": "limit of the layered form",
}


def compare(measurements: pd.DataFrame, accuracies: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """A row for each condition and competitor, with the median over rounds, the least and the most.

    Ratios to Keras fit are taken within rounds. ``accuracy`` is the mean over the networks that Keras too trained from
    the same seed for as many steps, and ``accuracy_difference`` is the largest difference to Keras's.
    """
    rows = measurements[measurements["competitor"].isin(COMPETITORS)]
    keras = rows[rows["competitor"] == "keras"].set_index([*CONDITION, "round"])[["step_ms", "whole_ms"]]
    rows = rows.join(keras.add_prefix("keras_"), on=[*CONDITION, "round"])
    rows = rows.assign(
        step_ratio=rows["keras_step_ms"] / rows["step_ms"], whole_ratio=rows["keras_whole_ms"] / rows["whole_ms"]
    )
    groups = rows.groupby([*CONDITION, "competitor"], sort=False)
    table = groups.agg(
        feed=("feed", "first"), networks=("networks", "first"), steps=("steps", "first"), rounds=("round", "size")
    )
    for column in ("step_ms", "whole_ms", "step_ratio", "whole_ratio"):
        found = groups[column].agg(["median", "min", "max"])
        table[[column, f"{column}_least", f"{column}_most"]] = found
    table = table.join(_agreement(accuracies)).reset_index()
    table = pd.concat([table, _against_keras(limits, table).assign(feed="")], ignore_index=True)
    conditions = list(dict.fromkeys(measurements[CONDITION].itertuples(index=False, name=None)))
    place = [conditions.index(row) for row in table[CONDITION].itertuples(index=False, name=None)]
    table = table.assign(place=place, order=table["competitor"].map(list(COMPETITORS).index))
    return table.sort_values(["place", "order"]).drop(columns=["place", "order"]).reset_index(drop=True)


def _agreement(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and its largest difference to Keras's, where both trained a seed's network for as many steps."""
    key = [*CONDITION, "steps", "seed"]
    keras = accuracies[accuracies["competitor"] == "keras"].set_index(key)["accuracy"]
    both = accuracies.join(keras.rename("keras"), on=key).dropna(subset="keras")
    both = both[both["steps"].eq(both.groupby([*CONDITION, "competitor"])["steps"].transform("max"))]
    both["accuracy_difference"] = (both["accuracy"] - both["keras"]).abs()
    groups = both.groupby([*CONDITION, "competitor"])
    return groups.agg(accuracy=("accuracy", "mean"), accuracy_difference=("accuracy_difference", "max"))


def _against_keras(limits: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The limits, with their ratios to Keras fit."""
    keras = table[table["competitor"] == "keras"].set_index(CONDITION)["step_ms"]
    joined = limits.join(keras.rename("keras"), on=CONDITION)
    return limits.assign(step_ratio=joined["keras"] / joined["step_ms"])


def estimate_grid(
    measurements: pd.DataFrame,
    architectures: Mapping[str, Architecture],
    chunks: Sequence[tuple[int, int]],
    cores: int,
) -> pd.DataFrame:
    """An estimate of what training every condition of some architectures takes: a row each, in seconds on all cores.

    What a process pays once and what a step takes were measured for networks that differ only in the number of filters
    and the learning rate; between the measured numbers of filters, and only there, they are taken as linear. All cores
    are taken as busy to the end. The naive pipeline comes in two ways: a one-thread process on each core, or models one
    after another on all cores, each in the time of Keras fit plus the start of a process.

    Args:
        measurements: rows of turns.
        architectures: the study's.
        chunks: first seed and number of seeds of each chunk.
        cores: the number of cores.
    """
    costs = _costs(measurements)
    tried = tuple(measurements.loc[measurements["competitor"] == "naive_alone", CONDITION].iloc[0])
    start_s = costs.loc[(*tried, "naive_alone"), "once_s"] - costs.loc[(*tried, "keras"), "once_s"]
    networks = sum(seeds for _, seeds in chunks)
    rows = []
    for name, architecture in architectures.items():
        alike = [other for other in architectures if _alike(architecture, architectures[other])]
        own = costs[costs.index.isin(alike, level="architecture")].droplevel("architecture")
        measured, steps = own.index.get_level_values("filters"), architecture.steps or 0
        for filters in architecture.filters:
            if measured.empty or not measured.min() <= filters <= measured.max():
                continue
            process_s = {who: _process_s(own.xs(who, level="competitor"), filters, steps) for who in COMPARED}
            rows.append(
                {"architecture": name, "filters": filters, "networks": networks, "steps": steps}
                | {"naive_s": process_s["naive"] * networks / cores}
                | {"naive_alone_s": (start_s + process_s["keras"]) * networks}
                | {"project_s": process_s["project"] * len(chunks) / cores}
            )
    table = pd.DataFrame(rows)
    best = table[["naive_s", "naive_alone_s"]].min(axis=1)
    return table.assign(ratio=best / table["project_s"])


def _costs(measurements: pd.DataFrame) -> pd.DataFrame:
    """What each competitor's process pays once, and for a step of all its networks: medians over rounds, in seconds."""
    step_s = measurements["step_ms"] * measurements["networks"] / 1000
    both = measurements.assign(step_s=step_s, once_s=measurements["wall_s"] - measurements["steps"] * step_s)
    return both.groupby([*CONDITION, "competitor"])[["once_s", "step_s"]].median()


def _process_s(costs: pd.DataFrame, filters: int, steps: int) -> float:
    """How long one process takes, from the costs at some numbers of filters."""
    costs = costs.sort_index()
    once_s, step_s = (np.interp(filters, costs.index, costs[part]) for part in ("once_s", "step_s"))
    return float(once_s + steps * step_s)


def _alike(one: Architecture, other: Architecture) -> bool:
    """Whether their steps cost the same."""
    own = {"label", "filters", "learning_rate", "steps", "epochs"}
    return one.model_dump(exclude=own) == other.model_dump(exclude=own)


def as_text(table: pd.DataFrame) -> str:
    """The comparison as it is printed in a terminal."""

    def spread(row: pd.Series, column: str, digits: int) -> str:
        if pd.isna(row[column]):
            return ""
        text = rounded(row[column], digits)
        if row.get("rounds", 1) > 1:
            text += f" ({rounded(row[f'{column}_least'], digits)}-{rounded(row[f'{column}_most'], digits)})"
        return text

    def percent(value: float) -> str:
        return "" if pd.isna(value) else f"{100 * value:.2f}"

    def count(value: float) -> str:
        return "" if pd.isna(value) else f"{value:.0f}"

    lines = []
    for _, row in table.iterrows():
        lines.append(
            {
                "condition": f"{row['architecture']} k={row['filters']}",
                "": COMPETITORS[row["competitor"]] + (f" ({row['feed']})" if row["feed"] else ""),
                "steps": count(row["steps"]),
                "rounds": count(row["rounds"]),
                "ms a step": spread(row, "step_ms", 3),
                "ms, whole": spread(row, "whole_ms", 3),
                "times Keras": spread(row, "step_ratio", 2),
                "times, whole": spread(row, "whole_ratio", 2),
                "accuracy %": percent(row["accuracy"]),
                "off by": percent(row["accuracy_difference"]),
            }
        )
    return pd.DataFrame(lines).to_string(index=False)


def grid_text(grid: pd.DataFrame) -> str:
    """The estimate of the whole grid, in a line for each way to train it."""
    best = grid[["naive_s", "naive_alone_s"]].min(axis=1)
    parts = {
        "naive pipeline, a process a core": grid["naive_s"].sum(),
        "naive pipeline, one after another": grid["naive_alone_s"].sum(),
        "naive pipeline, the faster way for each condition": best.sum(),
        "this project": grid["project_s"].sum(),
    }
    names = ", ".join(grid["architecture"].unique())
    lines = [f"  {seconds / 60:8.1f} min  {name}" for name, seconds in parts.items()]
    ratio = best.sum() / grid["project_s"].sum()
    heading = f"Training the grid ({names}; {grid['networks'].sum()} networks), estimated from the steps above:"
    return "\n".join([heading, *lines, f"  {ratio:8.1f} times faster than the naive pipeline"])


def rounded(value: float, digits: int) -> str:
    """A number with so many significant digits, and without an exponent."""
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{places}f}"
