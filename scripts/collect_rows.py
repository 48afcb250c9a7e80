"""Put the parts of a table together, in the order given."""

import argparse
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", type=Path, required=True, help="tables of the same columns")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    write_csv(pd.concat([read_csv(part) for part in arguments.parts]), arguments.output)


if __name__ == "__main__":
    run_script(main)
