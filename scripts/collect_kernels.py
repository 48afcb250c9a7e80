"""Collect the kernels that the gallery shows into kernels.csv."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.networks.weights import study_chunks
from filtertwins.tables.runs import kernel_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--seed", type=int, required=True, help="whose kernels are shown")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    chunks = study_chunks(arguments.weights, arguments.study)
    rows = [row for chunk in chunks for row in kernel_rows(chunk, arguments.seed)]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
