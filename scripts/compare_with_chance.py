"""Test every condition's redundancy against chance, over seeds."""

import argparse
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv
from filtertwins.tables.excess import excess_by_threshold_table, excess_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redundancy", nargs="+", type=Path, required=True, help="tables of redundancy.csv's columns")
    parser.add_argument("--near-duplicates", nargs="+", type=Path, required=True, help="of near_duplicates.csv's")
    parser.add_argument("--excess", type=Path, required=True, help="output")
    parser.add_argument("--excess-by-threshold", type=Path, required=True, help="output")
    arguments = parser.parse_args()

    write_csv(excess_table(_together(arguments.redundancy)), arguments.excess)
    write_csv(excess_by_threshold_table(_together(arguments.near_duplicates)), arguments.excess_by_threshold)


def _together(paths: list[Path]) -> pd.DataFrame:
    return pd.concat([read_csv(path) for path in paths], ignore_index=True)


if __name__ == "__main__":
    run_script(main)
