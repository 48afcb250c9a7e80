"""Put together the tables of all pruned networks, and those of all importances."""

import argparse
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pruned", nargs="+", type=Path, required=True)
    parser.add_argument("--importances", nargs="+", type=Path, required=True)
    parser.add_argument("--pruning", type=Path, required=True, help="output")
    parser.add_argument("--importance", type=Path, required=True, help="output")
    arguments = parser.parse_args()

    for parts, whole in ((arguments.pruned, arguments.pruning), (arguments.importances, arguments.importance)):
        write_csv(pd.concat([read_csv(part) for part in parts]), whole)


if __name__ == "__main__":
    run_script(main)
