"""Measure how far the first two filters of every network are apart, over the steps of training."""

from filtertwins.experiments.twins import twin_rows
from filtertwins.tables.script import main

if __name__ == "__main__":
    main(twin_rows, __doc__)
