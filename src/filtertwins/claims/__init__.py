"""Each claim of the question and its answer as a test on the study's tables, with a verdict.

``config/claims.yaml`` names the claims, their tests and every number that decides; ``declared`` reads and checks it.
``evidence`` has the tests, one function each; ``judging`` has the few rules by which they all decide; ``check`` brings
the two together. A verdict depends on the tables and that file, and on nothing else.
"""

from filtertwins.claims.check import check_claims, judged, tables_needed
from filtertwins.claims.declared import Claims, ClaimsError, load_claims, read_claims
from filtertwins.claims.judging import VERDICTS, in_words

__all__ = [
    "VERDICTS",
    "Claims",
    "ClaimsError",
    "check_claims",
    "in_words",
    "judged",
    "load_claims",
    "read_claims",
    "tables_needed",
]
