"""Test whether accuracy is equivalent between every two numbers of filters of each architecture."""

import argparse
from pathlib import Path

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv
from filtertwins.tables.equivalence import compare_filter_counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="runs.csv")
    parser.add_argument("--margin", type=float, required=True, help="differences of accuracy below it don't matter")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    write_csv(compare_filter_counts(read_csv(arguments.runs), arguments.margin), arguments.output)


if __name__ == "__main__":
    run_script(main)
