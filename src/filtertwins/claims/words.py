"""Verdicts and their numbers in words, for those who show them: what is light to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from filtertwins.settings import Margins

Verdict = Literal["supported", "refuted", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NOT_MEASURED, TOO_FEW_SEEDS = "Not measured: ", "Too few seeds "
"""How the finding of a claim starts that could not be judged."""

_FORMATS = {
    "accuracy": ".1%",
    "points of accuracy": "z.2%",
    "nats": ".4f",
    "cosine": ".3f",
    "change of cosine": "+.3f",
    "logits": ".2g",
    "distance": ".2g",
    "correlation": ".2f",
    "seeds": ".1%",
    "pairs": "z.2%",
    "share": ".1%",
    "points of filters": "+z.1%",
    "ratio": ".2f",
    "log ratio": "+.2f",
    "share of length": ".2g",
    "directions": ".1f",
}
"""How an effect is shown, by its unit. Accuracies and shares, such as those of seeds and of pairs, are in [0, 1]."""

_MARGINS = {"points of accuracy": "accuracy", "nats": "loss", "ratio": "ratio", "pairs": "ratio"}
_MARGINS |= {"cosine": "cosine", "change of cosine": "cosine", "correlation": "correlation"}
_MARGINS |= {"share": "share", "points of filters": "share", "log ratio": "ratio"}
"""The smallest effect of interest of a unit, by its name among the margins."""


def in_words(value: float, unit: str) -> str:
    """A number as a sentence or a table shows it.

    >>> in_words(0.9243, "accuracy")
    '92.4 %'
    >>> in_words(-1e-5, "points of accuracy")
    '0.00 points'
    >>> in_words(4e-5, "pairs")
    '0.004 %'
    >>> in_words(4e-9, "pairs")
    'under 0.0001 %'
    """
    if unit == "pairs" and 0 < abs(value) < 1e-4:
        # Otherwise few pairs would look like none.
        return f"{100 * value:.1g} %" if abs(value) >= 1e-6 else "under 0.0001 %"
    shown = format(value, _FORMATS[unit]).replace("%", " points" if unit.startswith("points") else " %")
    return shown if np.isfinite(value) else "unknown"


def listed(words: Sequence[str]) -> str:
    """Words as in running text.

    >>> listed(["1", "2", "4"])
    '1, 2 and 4'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "none"


def margin_in_words(unit: str, margins: Margins) -> str:
    """The smallest effect of interest of a unit; a unit that has none gives "unknown"."""
    name = _MARGINS.get(unit)
    return in_words(getattr(margins, name, np.nan) if name else np.nan, "ratio" if name == "ratio" else unit)


def judged(checked: pd.DataFrame) -> pd.DataFrame:
    """The claims that could be judged: those that were measured, with seeds enough.

    Args:
        checked: ``claims.csv``.
    """
    return checked[~checked["finding"].str.startswith((NOT_MEASURED, TOO_FEW_SEEDS))]
