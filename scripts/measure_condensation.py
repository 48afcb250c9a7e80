"""Measure how alike the filters are that started from smaller weights, over the steps of training."""

from filtertwins.experiments.condensation import condensation_rows
from filtertwins.tables.script import main

if __name__ == "__main__":
    main(condensation_rows, __doc__)
