"""What the tests of claims share: the claims themselves, values for synthetic tables, and the verdict on one claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from filtertwins.claims.check import check_claims
from filtertwins.claims.declared import load_claims
from filtertwins.labels import labels
from filtertwins.settings import load_settings

SEEDS = 10
# Ten values of mean 0 and standard deviation near 1, in no order.
NOISE = np.array([0.3, -1.2, 0.9, -0.4, 1.6, -0.7, -1.5, 0.5, 1.2, -0.7])
CONFIG = Path(__file__).parents[2] / "config"
PLAIN = yaml.safe_load((CONFIG / "claims.yaml").read_text(encoding="utf-8"))
CLAIMS = load_claims(PLAIN)
STUDY = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))
LABELS = labels(load_settings(STUDY))
MARGINS = load_settings(STUDY).margins


def around(mean, spread=1e-4):
    """One value a seed, of a given mean."""
    return mean + spread * NOISE


def by_seed(values, **columns):
    return pd.DataFrame({"dataset": "mnist", **columns, "seed": range(len(values))} | {"value": values})


def table(*parts, value=None):
    rows = pd.concat(parts, ignore_index=True)
    return rows if value is None else rows.rename(columns={"value": value})


def few(rows, verdict):
    """Rows of too few seeds, where an inconclusive verdict is wanted."""
    return rows[rows["seed"] < 4].reset_index(drop=True) if verdict == "inconclusive" else rows


def verdict_of(claim_or_name, tables):
    """The only row of the table of one claim."""
    claim = CLAIMS.claims[claim_or_name] if isinstance(claim_or_name, str) else claim_or_name
    (_, row), *_ = check_claims(CLAIMS.model_copy(update={"claims": {"it": claim}}), tables, MARGINS, LABELS).iterrows()
    return row


def with_parameters(name, **changes):
    claim = CLAIMS.claims[name]
    return claim.model_copy(update={"parameters": claim.parameters | changes})
