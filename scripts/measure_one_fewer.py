"""Collect the scores of networks with two equal filters, beside those of one filter less."""

from filtertwins.experiments.one_fewer import one_fewer_rows
from filtertwins.tables.script import main

if __name__ == "__main__":
    main(one_fewer_rows, __doc__)
