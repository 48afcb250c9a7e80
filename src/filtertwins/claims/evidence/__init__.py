"""The tests, one function each, from the tables that its positional parameters name to an outcome.

A table whose default is None is one that the test can do without. Keyword-only parameters are what a claim in
``claims.yaml`` must or may give, but for ``margins``, the smallest effects of interest: those are the study's. A test
raises ``NotMeasured`` where the tables lack what it needs.
"""

from filtertwins.claims.evidence import (
    experiments,
    likeness,
    obd,
    preventers,
    pruning,
    twins,
)  # These fill the registry.
from filtertwins.claims.evidence.registry import TESTS, Test

__all__ = ["TESTS", "Test", "experiments", "likeness", "obd", "preventers", "pruning", "twins"]
