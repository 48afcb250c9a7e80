"""Write what becomes of the claims into the README, between its two markers, and a page of its own; or check both."""

import argparse
import shlex
from pathlib import Path

from filtertwins.errors import StudyError, run_script
from filtertwins.files import read_csv, write_text
from filtertwins.page.answer import answer_section, claims_page, replace_section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, required=True, help="claims.csv of a study")
    parser.add_argument("--readme", type=Path, required=True, help="where the short answers go")
    parser.add_argument("--page", type=Path, required=True, help="where every claim goes")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files say something else")
    arguments = parser.parse_args()

    claims = read_csv(arguments.claims)
    readme = arguments.readme.read_text(encoding="utf-8")
    texts = {arguments.readme: replace_section(readme, answer_section(claims)), arguments.page: claims_page(claims)}
    for path, text in texts.items():
        if not arguments.check:
            write_text(path, text)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            options = ["--claims", arguments.claims, "--readme", arguments.readme, "--page", arguments.page]
            raise StudyError(
                f"{path} does not say what {arguments.claims} says. Write it with:\n"
                f"  PYTHONPATH=src {shlex.join(map(str, ['python', 'tools/write_answer.py', *options]))}"
            )


if __name__ == "__main__":
    run_script(main)
