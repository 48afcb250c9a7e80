"""Claims against tables: a verdict for each, whatever is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.claims.declared import Claim, Claims
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.judging import NotMeasured, Outcome, Part, in_words

_NOTHING = Part("", np.nan, np.nan, np.nan, 0, None, np.nan)
_NOT_MEASURED, _TOO_FEW_SEEDS = "Not measured: ", "Too few seeds for a verdict: "


def tables_needed(claims: Claims) -> list[str]:
    """The names of the tables that some claim is tested on, in alphabetical order."""
    return sorted({table for claim in claims.claims.values() for table in TESTS[claim.test].tables})


def check_claims(claims: Claims, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each claim's verdict: ``claims.csv``.

    Args:
        claims: what to test, and by which rules.
        tables: by name; those of experiments that are switched off are simply not there.

    Returns:
        One row a claim, in their order. Where the tables do not tell (a table or a condition is missing, or there are
        too few seeds), the verdict is inconclusive and the finding says why.
    """
    tables = {name: tables[name] for name in tables_needed(claims) if name in tables}
    datasets = {str(name) for table in tables.values() for name in table["dataset"].unique()}
    if len(datasets) > 1:
        raise ValueError(f"The tables are of {', '.join(sorted(datasets))}; all must be of one dataset.")
    dataset = next(iter(datasets), None)
    return pd.DataFrame([_row(name, claim, claims, tables, dataset) for name, claim in claims.claims.items()])


def judged(checked: pd.DataFrame) -> pd.DataFrame:
    """The claims that could be judged: those that were measured, with seeds enough.

    Args:
        checked: ``claims.csv``.
    """
    return checked[~checked["finding"].str.startswith((_NOT_MEASURED, _TOO_FEW_SEEDS))]


def _row(
    name: str, claim: Claim, claims: Claims, tables: Mapping[str, pd.DataFrame], dataset: str | None
) -> dict[str, Any]:
    verdict, part, unit, n = "inconclusive", _NOTHING, None, 0
    try:
        outcome = _outcome(claim, claims.level, tables, dataset)
        part, unit, n = outcome.part, outcome.unit, outcome.n
        finding = f"{_TOO_FEW_SEEDS}{n}, where {claims.fewest_seeds} are needed."
        if n >= claims.fewest_seeds:
            margin = in_words(claim.parameters.get("margin", np.nan), outcome.unit)
            sentence = getattr(claim.answers, outcome.verdict)
            verdict, finding = outcome.verdict, sentence.format(**outcome.numbers, margin=margin)
    except NotMeasured as reason:
        finding = f"{_NOT_MEASURED}{reason}."
    return {
        "dataset": dataset,
        "claim": name,
        "said_by": claim.said_by,
        "statement": claim.statement,
        "headline": claim.headline,
        "verdict": verdict,
        "effect": part.effect,
        "low": part.low,
        "high": part.high,
        "unit": unit,
        "p_value": part.p_value,
        "n": n,
        "figure": claim.figure,
        "finding": finding,
    }


def _outcome(claim: Claim, level: float, tables: Mapping[str, pd.DataFrame], dataset: str | None) -> Outcome:
    test = TESTS[claim.test]
    if missing := [f"{name}.csv" for name in test.tables if name not in tables]:
        raise NotMeasured(f"this study has no {', '.join(missing)}")
    if claim.dataset not in (None, dataset):
        raise NotMeasured(f"it is about {claim.dataset}, and this study is on {dataset}")
    parameters = dict(test.parameters.model_validate(claim.parameters)) | ({"level": level} if test.takes_level else {})
    try:
        return test.function(*(tables[name] for name in test.tables), **parameters)
    except NotMeasured as reason:
        raise NotMeasured(f"{reason} in {', '.join(f'{name}.csv' for name in test.tables)}") from None
