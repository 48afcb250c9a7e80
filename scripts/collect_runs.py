"""Collect the scores of a study's runs into runs.csv."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.tables import run_rows
from filtertwins.weights import study_chunks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    rows = [row for chunk in study_chunks(arguments.weights, arguments.study) for row in run_rows(chunk)]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
