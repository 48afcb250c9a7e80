"""Each claim of the question and its answer as a test on the study's tables, with a verdict.

``config/claims.yaml`` names the claims, their tests and every number that decides; ``declared`` reads and checks it.
``evidence`` has the tests, one function each; ``judging`` has the few rules by which they all decide; ``check`` brings
the two together, and ``words`` shows verdicts and numbers. A verdict depends on the tables and that file alone.
"""
