"""Claims against tables: a verdict for each, whatever is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from filtertwins.claims.declared import Claim, Claims
from filtertwins.claims.evidence import TESTS
from filtertwins.claims.judging import NotMeasured, Outcome
from filtertwins.claims.words import NOT_MEASURED, TOO_FEW_SEEDS, margin_in_words
from filtertwins.settings import Margins

_DECLARED = {"said_by", "statement", "headline", "rung", "by_construction", "exploratory", "figure"}
_COLUMNS = ["dataset", "status", "claim", "said_by", "statement", "headline", "verdict"]
_COLUMNS += ["by_construction", "exploratory", "rung", "effect", "low", "high", "median", "pooled", "unit", "n"]
_COLUMNS += ["figure", "finding"]


def tables_needed(claims: Claims) -> list[str]:
    """The names of the tables that some claim is tested on, in alphabetical order."""
    return sorted({table for claim in claims.claims.values() for table in TESTS[claim.test].tables})


def check_claims(
    claims: Claims,
    tables: Mapping[str, pd.DataFrame],
    margins: Margins,
    labels: Mapping[str, str] | None = None,
    *,
    fixed: bool = False,
) -> pd.DataFrame:
    """Each claim's verdict: ``claims.csv``.

    Args:
        claims: what to test, and by which rules.
        tables: by name; those of experiments that are switched off are simply not there.
        margins: the smallest effects of interest.
        labels: words for each architecture, the same as in figures; one without a label is called by its name.
        fixed: whether data, networks and claims are those that were fixed before the confirmatory run.

    Returns:
        One row a claim, in their order. Where the tables do not tell (a table or a condition is missing, or there are
        too few seeds), the verdict is inconclusive and the finding says why. The ``status`` of a verdict is
        *confirmatory* if study and claim were fixed beforehand and trial runs have seen none of the seeds, and
        *exploratory* otherwise.
    """
    tables = {name: _with_labels(tables[name], labels or {}) for name in tables_needed(claims) if name in tables}
    datasets = {str(name) for table in tables.values() for name in table["dataset"].unique()}
    if len(datasets) > 1:
        raise ValueError(f"The tables are of {', '.join(sorted(datasets))}; all must be of one dataset.")
    dataset = next(iter(datasets), None)
    seeds = {int(seed) for table in tables.values() if "seed" in table for seed in table["seed"].unique()}
    unseen = claims.confirmatory_seeds
    confirms = fixed and unseen and seeds and seeds <= set(range(unseen.first, unseen.last + 1))
    status = "confirmatory" if confirms else "exploratory"
    rows = [
        {"dataset": dataset, "status": "exploratory" if claim.exploratory else status, "claim": name}
        | claim.model_dump(include=_DECLARED)
        | _found(claim, claims.fewest_seeds, tables, dataset, margins)
        for name, claim in claims.claims.items()
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _with_labels(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    return table.assign(label=[labels.get(name, name) for name in table["architecture"]])


def _first_layers(table: pd.DataFrame) -> pd.DataFrame:
    """The rows about the first layer of each architecture, which a claim is about unless it names a layer."""
    if "layer" not in table:
        return table
    return table[table["layer"] == table.groupby("architecture")["layer"].transform("first")]


def _found(
    claim: Claim, fewest_seeds: int, tables: Mapping[str, pd.DataFrame], dataset: str | None, margins: Margins
) -> dict[str, Any]:
    """What the tables say about one claim, by the columns of ``claims.csv``."""
    try:
        outcome = _outcome(claim, tables, dataset, margins)
    except NotMeasured as reason:
        return {"verdict": "inconclusive", "n": 0, "finding": f"{NOT_MEASURED}{reason}."}
    numbers = {name: getattr(outcome.part, name) for name in ("effect", "low", "high", "median")}
    numbers |= {"pooled": outcome.pooled, "unit": outcome.unit, "n": outcome.n, "verdict": "inconclusive"}
    if outcome.n < fewest_seeds:
        finding = f"{TOO_FEW_SEEDS}for a verdict: {outcome.n}, where {fewest_seeds} are needed."
        return numbers | {"finding": finding}
    if not outcome.decidable:
        finding = f"{TOO_FEW_SEEDS}by design: whatever {outcome.n} of them show, it would not reach the level."
        return numbers | {"finding": finding}
    margin = margin_in_words(outcome.unit, margins)
    finding = getattr(claim.answers, outcome.verdict).format(**outcome.numbers, margin=margin)
    return numbers | {"verdict": outcome.verdict, "finding": finding}


def _outcome(claim: Claim, tables: Mapping[str, pd.DataFrame], dataset: str | None, margins: Margins) -> Outcome:
    test = TESTS[claim.test]
    if missing := [f"{name}.csv" for name in test.tables if name not in {*tables, *test.optional}]:
        raise NotMeasured(f"this study has no {', '.join(missing)}")
    if claim.dataset not in (None, dataset):
        raise NotMeasured(f"it is about {claim.dataset}, and this study is on {dataset}")
    parameters = dict(test.parameters.model_validate(claim.parameters)) | ({"margins": margins} if test.margins else {})
    try:
        own = [tables.get(name) for name in test.tables]
        if not {"layer", "layers"} & set(test.parameters.model_fields):
            own = [table if table is None else _first_layers(table) for table in own]
        return test.function(*own, **parameters)
    except NotMeasured as reason:
        raise NotMeasured(f"{reason} in {', '.join(f'{name}.csv' for name in test.tables if name in tables)}") from None
