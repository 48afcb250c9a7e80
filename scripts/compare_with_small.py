"""Test whether pruned networks are as accurate as small ones trained from scratch."""

import argparse
from pathlib import Path

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv
from filtertwins.tables.pruning import compare_with_small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pruning", type=Path, required=True, help="pruning.csv")
    parser.add_argument("--from-scratch", type=Path, required=True, help="from_scratch.csv")
    parser.add_argument("--margin", type=float, required=True, help="differences of accuracy below it don't matter")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    pruning, from_scratch = read_csv(arguments.pruning), read_csv(arguments.from_scratch)
    write_csv(compare_with_small(pruning, from_scratch, arguments.margin), arguments.output)


if __name__ == "__main__":
    run_script(main)
