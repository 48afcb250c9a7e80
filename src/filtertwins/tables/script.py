"""The command line of the scripts that make one table of a study's chunks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from filtertwins.errors import run_script
from filtertwins.files import write_csv
from filtertwins.names import Row
from filtertwins.networks.weights import Chunk, study_chunks


def main(rows_of: Callable[[Chunk], list[Row]], description: str | None) -> None:
    """The command line of a script that makes one table of a study's chunks, read one after another."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    def make() -> None:
        rows = [row for chunk in study_chunks(arguments.weights, arguments.study) for row in rows_of(chunk)]
        write_csv(pd.DataFrame(rows), arguments.output)

    run_script(make)
