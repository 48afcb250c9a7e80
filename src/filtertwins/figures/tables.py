"""What the figures share beside their look: checked tables, means with intervals, the wording of captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from filtertwins.errors import StudyError
from filtertwins.measures.statistics import bootstrap_interval

RESAMPLES = 10_000
_BOOTSTRAP_SEED = 20200
CONFIDENCE = 0.95

_DATASET_NAMES = {"mnist": "MNIST", "digits": "the scikit-learn digits (enlarged)"}


class TableError(StudyError):
    """A table cannot be drawn: its name is ``table``, the message names the column or the missing rows."""

    def __init__(self, table: str, problem: str) -> None:
        super().__init__(f"table {table!r}: {problem}")
        self.table = table
        self.problem = problem


def select(table: pd.DataFrame, name: str, columns: Sequence[str], *, stage: str | None = None) -> pd.DataFrame:
    """A copy of the columns that a figure needs.

    Args:
        table: the table; unchanged.
        name: its name, for errors.
        columns: the columns the figure reads.
        stage: keep only rows of this stage.

    Raises:
        TableError: a column is missing, there are no rows, or they are of several datasets.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        have = ", ".join(map(str, table.columns)) or "none"
        raise TableError(name, f"missing {noun} {', '.join(map(repr, missing))}; it has: {have}")
    rows = table.loc[:, list(columns)]
    if stage is not None:
        rows = rows[rows["stage"] == stage]
    if rows.empty:
        where = "" if stage is None else f" with stage = {stage!r}"
        raise TableError(name, f"no rows{where}, so there is nothing to draw")
    datasets = list(rows["dataset"].unique()) if "dataset" in rows else []
    if len(datasets) > 1:
        raise TableError(name, f"column 'dataset' mixes {', '.join(map(str, datasets))}; a figure shows one dataset")
    return rows.reset_index(drop=True)


def in_order(values: Iterable[str]) -> list[str]:
    """Each value once, in order of first appearance (the order of the configuration)."""
    return list(dict.fromkeys(str(value) for value in values))


def bootstrap_curves(values: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pointwise percentile-bootstrap band of the mean of curves (95 %, 10,000 resamples of whole seeds).

    Args:
        values: one curve per seed  # (seed, place)

    Returns:
        Lower and upper bounds  # (place,). With one seed both are NaN: there is no interval.
    """
    rows = np.asarray(values, dtype=np.float64)
    if len(rows) < 2:
        return np.full(rows.shape[1:], np.nan), np.full(rows.shape[1:], np.nan)
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=RESAMPLES)  # (resample, seed)
    means = np.tensordot(weights / len(rows), rows, axes=1)  # (resample, place)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def summarise(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean over seeds and its interval for each architecture and filter count; missing values are left out.

    Returns:
        Columns architecture, filters, mean, low, high, seeds; one row per condition that has a value.
    """
    records = []
    present = rows.dropna(subset=[value])
    for key, group in present.groupby(["architecture", "filters"], sort=False):
        architecture, filters = cast("tuple[str, int]", key)
        values = group.sort_values("seed")[value].to_numpy(dtype=np.float64)
        rng = np.random.default_rng(_BOOTSTRAP_SEED)  # anew: no condition's interval depends on another's
        interval = bootstrap_interval(values, rng, level=CONFIDENCE, resamples=RESAMPLES)
        records.append((architecture, int(filters), interval.estimate, interval.low, interval.high, interval.n))
    columns = ["architecture", "filters", "mean", "low", "high", "seeds"]
    table = pd.DataFrame(records, columns=columns).astype({"mean": float, "low": float, "high": float})
    return table.sort_values("filters", kind="stable").reset_index(drop=True)


def whiskers(summary: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Lengths of the error bars below and above each mean, NaN where there is none  # (2, condition)."""
    return np.stack([summary["mean"] - summary["low"], summary["high"] - summary["mean"]]).clip(min=0)


def dataset_name(rows: pd.DataFrame) -> str:
    """The dataset's name in running text."""
    name = str(rows["dataset"].iloc[0])
    return _DATASET_NAMES.get(name, name)


def seed_counts(rows: pd.DataFrame) -> pd.Series[int]:
    """How many seeds each condition has."""
    return rows.groupby(["architecture", "filters"])["seed"].nunique()


def seeds_text(rows: pd.DataFrame) -> str:
    """How many seeds a condition has.

    >>> seeds_text(pd.DataFrame({"architecture": ["a", "a"], "filters": [1, 1], "seed": [0, 1]}))
    '2 seeds'
    """
    counts = seed_counts(rows)
    low, high = int(counts.min()), int(counts.max())
    if low != high:
        return f"{low} to {high} seeds"
    return "one seed" if low == 1 else f"{low} seeds"


def interval_text(rows: pd.DataFrame) -> str:
    """A sentence on the intervals, or on why there are none."""
    counts = seed_counts(rows)
    if counts.max() == 1:
        return "With one seed there are no intervals."
    sentence = f"Bars: 95 % bootstrap intervals (BCa, {RESAMPLES:,} resamples) of the mean over {seeds_text(rows)}."
    return sentence + (" Conditions with one seed have none." if counts.min() == 1 else "")


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Words as in running text.

    >>> join_words(["1", "2", "4"])
    '1, 2 and 4'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def signed(value: float, digits: int) -> str:
    """A number with its sign and the typographic minus; zero has no sign.

    >>> signed(0.26, 1)
    '+0.3'
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def paragraph(*sentences: str) -> str:
    """Sentences as one line of text, whatever the line ends and indents of their source."""
    return " ".join(" ".join(sentence.split()) for sentence in sentences if sentence)
