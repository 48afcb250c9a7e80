"""Claims against tables: a verdict for each, whatever is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from filtertwins.claims.declared import Claim, Claims
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.judging import NotMeasured, Outcome, in_words

COLUMNS = (
    "dataset",
    "claim",
    "said_by",
    "statement",
    "headline",
    "verdict",
    "effect",
    "low",
    "high",
    "unit",
    "p_value",
    "n",
    "figure",
    "finding",
)


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
        raise ValueError(f"tables: of {', '.join(sorted(datasets))}; allowed: of one dataset")
    dataset = next(iter(datasets), None)
    rows = [
        {
            "dataset": dataset,
            "claim": name,
            "said_by": claim.said_by,
            "statement": claim.statement,
            "headline": claim.headline,
            "figure": claim.figure,
            **_result(claim, claims, tables, dataset),
        }
        for name, claim in claims.claims.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _result(claim: Claim, claims: Claims, tables: Mapping[str, pd.DataFrame], dataset: str | None) -> dict[str, Any]:
    test = TESTS[claim.test]
    nothing = {"verdict": "inconclusive", "effect": np.nan, "low": np.nan, "high": np.nan, "p_value": np.nan, "n": 0}
    if missing := [f"{name}.csv" for name in test.tables if name not in tables]:
        return nothing | {"finding": f"Not measured: this study has no {', '.join(missing)}."}
    if claim.dataset not in (None, dataset):
        return nothing | {"finding": f"Not measured: it is about {claim.dataset}, and this study is on {dataset}."}
    parameters = dict(test.parameters.model_validate(claim.parameters))
    if test.takes_level:
        parameters["level"] = claims.level
    try:
        outcome = test.function(*(tables[name] for name in test.tables), **parameters)
    except NotMeasured as reason:
        return nothing | {"finding": f"Not measured: {reason} in {', '.join(f'{name}.csv' for name in test.tables)}."}
    return {
        "verdict": "inconclusive" if outcome.n < claims.fewest_seeds else outcome.verdict,
        "effect": outcome.effect,
        "low": outcome.low,
        "high": outcome.high,
        "unit": outcome.unit,
        "p_value": outcome.p_value,
        "n": outcome.n,
        "finding": _finding(claim, outcome, claims.fewest_seeds),
    }


def _finding(claim: Claim, outcome: Outcome, fewest_seeds: int) -> str:
    if outcome.n < fewest_seeds:
        return f"Too few seeds for a verdict: {outcome.n}, where {fewest_seeds} are needed."
    numbers = {name: in_words(getattr(outcome, name), outcome.unit) for name in ("effect", "low", "high")}
    sentence = claim.answers.of(outcome.verdict)
    return sentence.format(**numbers, n=outcome.n, **outcome.numbers)
