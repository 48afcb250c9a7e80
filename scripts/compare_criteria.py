"""Rank correlations between criteria: do they agree on which filters matter?"""

import argparse
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv
from filtertwins.tables.pruning import criteria_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--importance", type=Path, required=True, help="importance.csv")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    write_csv(pd.DataFrame(criteria_rows(read_csv(arguments.importance))), arguments.output)


if __name__ == "__main__":
    run_script(main)
