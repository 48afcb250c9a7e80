"""Collect the scores of a study's runs into runs.csv."""

from filtertwins.tables import main, run_rows

if __name__ == "__main__":
    main(run_rows, __doc__)
