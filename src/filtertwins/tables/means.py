"""Means over seeds with their intervals, of every table that a figure shows: decided here, once.

``MEANS`` says for each table which columns name a group of seeds, and which of its columns are averaged. The job that
writes a table writes its means beside it, as ``<table>_means.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from filtertwins.files import write_csv
from filtertwins.measures.statistics import seed_interval
from filtertwins.names import CONDITION, RUN, Row
from filtertwins.tables.likeness import MEASURES, RESPONSES
from filtertwins.tables.removal import removal_correlations
from filtertwins.tables.selection import with_selected


@dataclass(frozen=True)
class Means:
    """How the means of one table are made."""

    keys: tuple[str, ...]
    measures: tuple[str, ...]
    unit: str = "seed"
    prepare: Callable[[pd.DataFrame], pd.DataFrame] | None = None  # from the table to the rows that are averaged
    finish: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame] | None = None  # from the means and the table


def _one_fewer_differences(table: pd.DataFrame) -> pd.DataFrame:
    """The training loss with twins, exact or near ones, minus that of the same seed without: paired differences."""
    twins, parts = table[table["second_filter"] == "twin"], []
    for other in ("own", "silent"):
        paired = _beside(twins, table[table["second_filter"] == other], RUN, other_loss="train_loss")
        difference = paired["train_loss"] - paired["other_loss"]
        parts.append(paired.assign(train_loss_difference=difference, comparison=f"twin - {other}"))
    return pd.concat(parts, ignore_index=True).dropna(subset="train_loss_difference")


def _beside(table: pd.DataFrame, reference: pd.DataFrame, keys: Sequence[str], **columns: str) -> pd.DataFrame:
    """The table with new columns: old ones of the reference row that has the same keys, missing where there is none."""
    names = {old: new for new, old in columns.items()}
    chosen = reference[[*keys, *names]].drop_duplicates(keys).rename(columns=names)
    return table.merge(chosen, how="left", on=list(keys))


def _cost_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Each network's time as a share of the whole network's in the same round."""
    keys = [*CONDITION, "batch", "round"]
    whole = table[table["kept"] == table["filters"]]
    paired = _beside(table, whole, keys, whole_s="latency_s", whole_parameters="parameters")
    return paired.assign(
        time_ratio=paired["latency_s"] / paired["whole_s"],
        share_kept=paired["kept"] / paired["filters"],
        parameters_share=paired["parameters"] / paired["whole_parameters"],
    )


def _retrained_changes(table: pd.DataFrame) -> pd.DataFrame:
    """The retrained accuracy minus that of the same network without a deletion."""
    paired = _beside(table, table[table["share"] == 0], [*RUN, "ranking"], undeleted="test_accuracy_retrained")
    return paired.assign(retrained_change=paired["test_accuracy_retrained"] - paired["undeleted"])


def _twin_growth(table: pd.DataFrame) -> pd.DataFrame:
    """How much faster near twins part than the other filters of their network; missing for twins that start equal."""
    faster = table["log_growth"] - table["log_growth_at_large"]
    return table.assign(log_growth_beyond=faster, equal=table["equal"].astype(float))


_START = ("second_filter", "epsilon", "bias_gap", "pair")
_ONE_FEWER = Means(
    (*CONDITION, "activation", "comparison", "epsilon"), ("train_loss_difference",), prepare=_one_fewer_differences
)
_LIKENESS = (*CONDITION, "activation", "dimension", "stage", "layer")
_ACCURACY = Means((*CONDITION, "activation"), ("test_accuracy",))


def _redundant_share_differences(table: pd.DataFrame) -> pd.DataFrame:
    """The redundant share minus that of as many re-drawn kernels, and minus that of as many strangers."""
    share = table["redundant_share"]
    return table.assign(
        redundant_share_over_null=share - table["null_redundant_share"],
        redundant_share_over_strangers=share - table["strangers_redundant_share"],
    )


def _with_rungs(means: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The means, with null and strangers beside each: their mean, and the range of 95 % of draws where it is known."""
    keys = list(_LIKENESS)
    for rung in ("null", "strangers"):
        names, parts = [rung, f"{rung}_low", f"{rung}_high"], []
        for measure in means["measure"].unique():
            columns = [f"{rung}_{measure}{end}" for end in ("", "_low", "_high")]
            beside = table.reindex(columns=[*keys, *columns]).groupby(keys, sort=False).mean().set_axis(names, axis=1)
            parts.append(beside.reset_index().assign(measure=measure))
        means = means.merge(pd.concat(parts, ignore_index=True), how="left")
    return means


_REDUNDANCY = Means(
    _LIKENESS,
    (
        "mean_nearest_cosine",
        "redundant_share",
        "near_duplicate_pairs",
        "redundant_share_over_null",
        "redundant_share_over_strangers",
    ),
    prepare=_redundant_share_differences,
    finish=_with_rungs,
)


MEANS: Mapping[str, Means] = {
    "runs": _ACCURACY,
    "exact_reading": _ACCURACY,
    "redundancy": _REDUNDANCY,
    "kernel_shapes": _REDUNDANCY,
    "depth": _REDUNDANCY,
    "functional": Means(_LIKENESS, RESPONSES, finish=_with_rungs),
    "condensation": Means((*CONDITION, "activation", "scale", "step"), ("directions", "mean_similarity")),
    "controls": Means((*CONDITION, "activation"), ("test_accuracy", "excess", "mean_nearest_cosine")),
    "preventers": Means(
        (*CONDITION, "kernel_height", "kernel_width", "activation", "preventer", "strength"),
        ("test_accuracy", "mean_nearest_cosine", "mean_absolute_cosine", "redundant_share", "null_mean_nearest_cosine"),
    ),
    "one_fewer": _ONE_FEWER,
    "replanted": _ONE_FEWER,
    "removal": Means((*CONDITION, "activation"), ("rank_correlation",), prepare=removal_correlations),
    "pruning": Means(
        (*CONDITION, "activation", "kept", "method", "fine_tuning_steps"),
        ("validation_accuracy", "test_accuracy"),
        prepare=with_selected,
    ),
    "criteria": Means((*CONDITION, "criterion", "other"), ("rank_correlation",)),
    "cost": Means(
        (*CONDITION, "activation", "kept", "share_kept", "parameters_share", "batch"),
        ("time_ratio",),
        unit="round",
        prepare=_cost_ratios,
    ),
    "obd": Means(
        (*CONDITION, "ranking", "share"),
        ("gradient_increase", "predicted_increase", "quadratic_increase", "actual_increase", "retrained_change"),
        prepare=_retrained_changes,
    ),
    "twins": Means(
        (*CONDITION, "activation", "optimizer", "learning_rate", "dropout", *_START, "step"),
        ("equal", "kernel_distance", "log_growth", "log_growth_at_large", "log_growth_beyond"),
        prepare=_twin_growth,
    ),
}
"""By the name of the table; columns of the means: the keys, then measure, mean, low, high, median and n."""


def means_of(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The means over seeds of one table, their 95 % intervals, and the medians: one row a group and measure.

    Args:
        name: of the table, a key of ``MEANS``.
        table: its rows.
    """
    wanted = MEANS[name]
    rows = wanted.prepare(table) if wanted.prepare else table
    found: list[Row] = []
    for key, own in rows.groupby(list(wanted.keys), sort=False, dropna=False):
        ordered = own.sort_values(wanted.unit)
        for measure in (*wanted.measures, *(own for own in MEASURES if own in rows)):
            interval = seed_interval(ordered[measure].to_numpy(np.float64))
            found.append(
                dict(zip(wanted.keys, key, strict=True))
                | {"measure": measure, "mean": interval.estimate, "low": interval.low, "high": interval.high}
                | {"median": interval.median, "n": interval.n}
            )
    means = pd.DataFrame(found, columns=[*wanted.keys, "measure", "mean", "low", "high", "median", "n"])
    return wanted.finish(means, table) if wanted.finish else means


def write_table(rows: pd.DataFrame | Iterable[Row], path: Path) -> None:
    """Write a table, and beside it what is derived from it: its means, and for ``removal`` its rank correlations."""
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    write_csv(table, path)
    for name, derived in derived_tables(path.stem, table).items():
        write_csv(derived, path.with_name(f"{name}.csv"))


def derived_tables(name: str, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that are written beside one table, by name."""
    derived = {f"{name}_means": means_of(name, table)} if name in MEANS else {}
    return derived | ({"removal_correlations": removal_correlations(table)} if name == "removal" else {})
