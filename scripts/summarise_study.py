"""Write a study's summary: the three numbers that matter, and where the figures are."""

import argparse
from pathlib import Path

from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_text
from filtertwins.page.summary import summarise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--redundancy", type=Path, required=True)
    parser.add_argument("--figures", type=Path, required=True, help="folder of the figures")
    parser.add_argument("--threshold", type=float, required=True, help="of near duplicates")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    text = summarise(read_csv(arguments.runs), read_csv(arguments.redundancy), arguments.threshold)
    write_text(arguments.output, f"{text}\nFigures: {arguments.figures}/   Tables: {arguments.output.parent}/\n")


if __name__ == "__main__":
    run_script(main)
