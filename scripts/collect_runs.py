"""Collect the scores of a study's runs into runs.csv."""

from filtertwins.tables.runs import run_rows
from filtertwins.tables.script import main

if __name__ == "__main__":
    main(run_rows, __doc__)
