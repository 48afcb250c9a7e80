"""Measure every run's redundancy against its null, and cluster its kernels."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.networks.weights import study_chunks
from filtertwins.settings import Measures
from filtertwins.tables.redundancy import Nulls, redundancy_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--measures", type=json.loads, required=True, help="the config's section, as JSON")
    parser.add_argument("--redundancy", type=Path, required=True, help="output")
    parser.add_argument("--near-duplicates", type=Path, required=True, help="output")
    parser.add_argument("--clusters", type=Path, required=True, help="output")
    arguments = parser.parse_args()

    nulls = Nulls.of_measures(Measures.model_validate(arguments.measures))
    measured = [redundancy_rows(chunk, nulls) for chunk in study_chunks(arguments.weights, arguments.study)]
    for table in ("redundancy", "near_duplicates", "clusters"):
        rows = [row for chunk_rows in measured for row in getattr(chunk_rows, table)]
        write_csv(pd.DataFrame(rows).convert_dtypes(convert_floating=False), getattr(arguments, table))


if __name__ == "__main__":
    run_script(main)
