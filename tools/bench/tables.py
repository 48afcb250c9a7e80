"""From the turns taken to the benchmark's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONDITION = ["architecture", "filters"]
COMPETITORS = {  # in the order of the tables
    "keras_fit": "Keras fit",
    "naive": "naive pipeline, a process a core",
    "torch_loop": "PyTorch",
    "jax_vmap": "JAX, vmap over seeds",
    "project": "this project",
    "limit": "limit",
}


def compare(turns: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """A row for each condition and competitor, with the median over rounds, the least and the most.

    Ratios to Keras fit are taken within rounds. ``accuracy`` is the mean over the networks that Keras too trained from
    the same seed for as many steps, and ``accuracy_difference`` is the largest difference to Keras's.
    """
    alike = [*CONDITION, "round", "steps"]
    keras = turns[turns["competitor"].isin(["keras_fit", "keras_fit_few_steps"])].set_index(alike)["accuracy"]
    turns = turns.join(keras.rename("keras"), on=alike)
    turns["accuracy_difference"] = (turns["accuracy"] - turns["keras"]).abs()
    times = ["step_ms", "whole_ms"]
    keras = turns[turns["competitor"] == "keras_fit"].set_index([*CONDITION, "round"])[times]
    ratios = ["step_ratio", "whole_ratio"]
    turns[ratios] = keras.loc[pd.MultiIndex.from_frame(turns[keras.index.names])].to_numpy() / turns[times]

    ends = {"": "median", "_least": "min", "_most": "max"}
    spread = {column + end: (column, name) for column in times + ratios for end, name in ends.items()}
    table = turns.groupby([*CONDITION, "competitor"], sort=False, as_index=False).agg(
        networks=("networks", "first"),
        steps=("steps", "first"),
        rounds=("round", "size"),
        **spread,
        accuracy=("accuracy", "mean"),
        accuracy_difference=("accuracy_difference", "max"),
    )
    keras = table[table["competitor"] == "keras_fit"].set_index(CONDITION)["step_ms"]
    against = limits.assign(step_ratio=limits.join(keras.rename("keras"), on=CONDITION)["keras"] / limits["step_ms"])
    table = pd.concat([table[table["competitor"].isin(COMPETITORS)], against], ignore_index=True)
    order = {"architecture": list(dict.fromkeys(turns["architecture"])), "competitor": list(COMPETITORS)}
    return table.sort_values(
        [*CONDITION, "competitor"],
        key=lambda column: column.map(order[column.name].index) if column.name in order else column,
        ignore_index=True,
    )


def as_text(table: pd.DataFrame) -> str:
    """The comparison as it is printed in a terminal."""

    def spread(column: str, digits: int) -> list[str]:
        ends = table[[column, f"{column}_least", f"{column}_most"]].map(rounded, digits=digits)
        ranges = ends[column] + " (" + ends[f"{column}_least"] + "-" + ends[f"{column}_most"] + ")"
        return ranges.where(table["rounds"] > 1, ends[column])

    shown = {
        "condition": table["architecture"] + " k=" + table["filters"].astype(str),
        "": table["competitor"].map(COMPETITORS),
        "steps": table["steps"].map(rounded, digits=9),
        "rounds": table["rounds"].map(rounded, digits=9),
        "ms a step": spread("step_ms", 3),
        "ms, whole": spread("whole_ms", 3),
        "times Keras": spread("step_ratio", 2),
        "times, whole": spread("whole_ratio", 2),
        "accuracy %": 100 * table["accuracy"],
        "off by": 100 * table["accuracy_difference"],
    }
    return pd.DataFrame(shown).to_string(index=False, na_rep="", float_format="{:.2f}".format)


def as_markdown(table: pd.DataFrame) -> str:
    """The comparison as rows of the two tables in docs/benchmark.md: ratios to this project, then ms a model-step."""
    ratios, steps = [], []
    for (architecture, filters), rows in table.groupby(CONDITION, sort=False):
        own = rows.set_index("competitor").reindex(COMPETITORS)
        project, ms = own.loc["project"], own["step_ms"]
        least, middle, most = (rounded(project[f"step_ratio{end}"], 2) for end in ("_least", "", "_most"))
        keras = f"{middle} ({least} to {most})" if project["rounds"] > 1 else middle
        words = f"`{architecture}`, {filters}"
        ratios.append([words, keras, rounded(project["whole_ratio"], 2), rounded(ms["naive"] / ms["project"], 2)])
        steps.append([words, *(rounded(value, 3) for value in ms)])
    return "\n\n".join(
        "\n".join(f"| {' | '.join(cell or '-' for cell in row)} |" for row in rows) for rows in (ratios, steps)
    )


def rounded(value: float, digits: int) -> str:
    """A number with at most so many significant digits, and without an exponent; nothing for a missing one."""
    if pd.isna(value):
        return ""
    return np.format_float_positional(value, digits, unique=False, fractional=False, trim="-")
