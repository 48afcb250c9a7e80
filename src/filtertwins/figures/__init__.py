"""The study's figures: one module each, from tidy tables to a figure.

Every figure module has ``draw(<table>, ..., *, look) -> Figure``. Its parameters are named after the tables that it
reads: ``runs`` is ``runs.csv``, and a table whose default is None may be missing. Drawing reads and writes no file and
changes no global setting of matplotlib. :mod:`filtertwins.figures.output` saves a figure.
"""

import os

# A notebook's kernel sets MPLBACKEND to a backend of its own. Matplotlib refuses to be imported where that one is not
# installed, although saving figures takes no backend. So it is imported here without the variable, which then returns.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402, F401

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend
