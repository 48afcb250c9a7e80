"""Collect the scores of small networks that are trained from scratch, to compare pruned ones with."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.networks.weights import study_chunks
from filtertwins.pruning.networks import from_scratch_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, and what they are compared with")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    compared = arguments.study["compared"]
    rows = [
        row
        for chunk in study_chunks(arguments.weights, arguments.study)
        for row in from_scratch_rows(chunk, compared[f"pruning/{chunk.condition['architecture']}"])
    ]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
