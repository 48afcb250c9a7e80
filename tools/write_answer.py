"""Write what becomes of the claims into the README, between its two markers; or check that it stands there."""

import argparse
import shlex
from pathlib import Path

from filtertwins.errors import StudyError, run_script
from filtertwins.files import read_csv, write_text
from filtertwins.page.answer import answer_section, replace_section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, required=True, help="claims.csv of a study")
    parser.add_argument("--readme", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the README says something else")
    arguments = parser.parse_args()

    readme = arguments.readme.read_text(encoding="utf-8")
    answered = replace_section(readme, answer_section(read_csv(arguments.claims)))
    if arguments.check and answered != readme:
        command = ["python", "tools/write_answer.py", "--claims", arguments.claims, "--readme", arguments.readme]
        raise StudyError(
            f"{arguments.readme}: its answer is not that of {arguments.claims}; mend it with:\n"
            f"  PYTHONPATH=src {shlex.join(map(str, command))}"
        )
    if not arguments.check:
        write_text(arguments.readme, answered)


if __name__ == "__main__":
    run_script(main)
