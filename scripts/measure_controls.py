"""Measure the controls: what networks learn, and how redundant their filters are, beside the null."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.networks.weights import study_chunks
from filtertwins.settings import Measures
from filtertwins.tables.controls import control_rows
from filtertwins.tables.redundancy import Nulls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--measures", type=json.loads, required=True, help="the config's section, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    nulls = Nulls.of_measures(Measures.model_validate(arguments.measures))
    chunks = study_chunks(arguments.weights, arguments.study)
    names = arguments.study["names"]
    rows = [row for chunk in chunks for row in control_rows(chunk, nulls, names.get(chunk.condition["architecture"]))]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
