"""Test each claim of the question and its answer on a study's tables: supported, refuted or inconclusive."""

import argparse
from pathlib import Path

from filtertwins.claims import check_claims, read_claims, tables_needed
from filtertwins.errors import run_script
from filtertwins.files import read_csv, write_csv
from filtertwins.page.answer import as_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, required=True, help="the claims, as YAML")
    parser.add_argument(
        "--tables", type=Path, nargs="*", default=[], metavar="CSV", help="the study's tables; named like the files"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    claims = read_claims(arguments.claims)
    needed = tables_needed(claims)
    table = check_claims(claims, {path.stem: read_csv(path) for path in arguments.tables if path.stem in needed})
    write_csv(table, arguments.output)
    print(as_text(table), end="")


if __name__ == "__main__":
    run_script(main)
