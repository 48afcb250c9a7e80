"""The answer for people: Markdown for the README, lines for the terminal, captions, and the tool that writes it."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from filtertwins.errors import StudyError
from filtertwins.files import read_csv, write_csv
from filtertwins.page.answer import BEGIN, END, answer_section, as_text, claims_page, replace_section
from filtertwins.page.captions import fill_caption, findings_of


@pytest.fixture
def claims():
    """Three claims, one of each verdict; the last was not measured."""
    columns = ["claim", "said_by", "statement", "headline", "verdict", "effect", "unit", "finding", "figure"]
    rows = [
        *[("prevents", "answer", "Nothing | does", "Does anything?", "supported", 0.0, "distance", "No.", "twins")],
        *[("same", "question", "Filters are the same", None, "refuted", 0.25, "networks", "None are.", "chance")],
        *[("small", "ours", "Weights do", "Do they?", "inconclusive", np.nan, None, "Not measured: no.", "small")],
    ]
    table = pd.DataFrame(rows, columns=columns).assign(dataset="mnist", n=[10, 10, 0], p_value=0.01)
    return table.assign(low=table["effect"] - 0.125, high=table["effect"] + 0.125)


def test_the_readme_gets_the_headlines_that_were_judged(claims):
    claims.loc[0, "finding"] = "Not 5x5."  # Tables are in ASCII.
    lines = answer_section(claims).splitlines()
    assert lines[0] == "On MNIST, with the verdict on each claim:"
    assert [line for line in lines if line.startswith("- ")] == [
        "- **Does anything?** Not 5\N{MULTIPLICATION SIGN}5. *[The answer's claim: supported.]"
        "(figures/mnist/twins.png)*"
    ]
    assert lines[-1] == "All claims: 1 supported, 1 refuted, 1 inconclusive."


def test_the_page_has_every_claim_with_its_numbers(claims):
    rows = [line for line in claims_page(claims).splitlines() if line.startswith("|")]
    assert [line.count("|") for line in rows] == [6] * (2 + 3)  # A bar in a statement makes no column.
    assert rows[3] == (
        "| question | Filters are the same | **refuted** | None are. *25.0 % (12.5 % to 37.5 %), 10 seeds* "
        "| [figure](../figures/mnist/chance.png) |"
    )
    assert rows[4].endswith("| **inconclusive** | Not measured: no. | [figure](../figures/mnist/small.png) |")


def test_the_terminal_gets_one_short_line_a_claim(claims):
    claims.loc[1, "statement"] = "many words " * 30
    first, *lines = as_text(claims).splitlines()
    assert first == "Claims: 1 supported, 1 refuted, 0 inconclusive"
    assert lines[0] == "   supported     Nothing | does"
    assert re.fullmatch(r"   refuted       many words many.* \.\.\.", lines[1])
    assert lines[2:] == ["   1 of 3 claims are not about this study, or need more seeds; claims.csv says why"]
    assert as_text(claims[:0]) == "Claims: this study judges none (its config says claims: null)\n"
    assert max(map(len, lines)) <= 112


def test_only_what_is_between_the_markers_is_replaced():
    readme = f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n"
    assert replace_section(readme, "new\n") == readme.replace("old", "new")
    for broken in ("", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {END} {END}", f"{BEGIN} {BEGIN} {END}"):
        with pytest.raises(StudyError, match="answer: begin"):
            replace_section(broken, "new")


def test_the_readme_is_written_and_checked(root, claims, tmp_path):
    def run(*more):
        command = [sys.executable, root / "tools" / "write_answer.py", "--claims", tmp_path / "claims.csv"]
        command += ["--readme", readme, "--page", tmp_path / "claims.md", *more]
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root / "src")})
        return done.returncode, done.stdout + done.stderr

    write_csv(claims, tmp_path / "claims.csv")
    readme = tmp_path / "README.md"
    readme.write_text(empty := f"# Title\n{BEGIN}\n{END}\n", encoding="utf-8")
    code, printed = run("--check")
    assert code == 1
    assert "  PYTHONPATH=src python tools/write_answer.py --claims" in printed
    assert readme.read_text(encoding="utf-8") == empty  # --check writes nothing.
    assert not (tmp_path / "claims.md").exists()
    assert run() == run("--check") == (0, "")
    assert "**Does anything?**" in readme.read_text(encoding="utf-8")
    readme.write_text("# Title\n", encoding="utf-8")
    code, printed = run()
    assert (code, "Traceback" in printed) == (1, False)


def test_the_readme_says_what_the_committed_verdicts_say(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    claims = read_csv(root / "results" / "mnist" / "claims.csv")
    assert replace_section(readme, answer_section(claims)) == readme, "run `make answer`"
    assert (root / "docs" / "claims.md").read_text(encoding="utf-8") == claims_page(claims), "run `make answer`"
    assert readme.count("\n") <= 150


def test_captions_say_what_was_found_and_nothing_of_what_was_not_judged(claims):
    template = "{prevents} {small} {same}\n{unknown}\n\n{small}\n\nEach dot is\na {dot size} of $x^{2 n}$.\n"
    filled = fill_caption(template, findings_of(claims))
    assert filled == "No. None are.\n\nEach dot is a {dot size} of $x^{2 n}$.\n"
    assert fill_caption("{small}", findings_of(claims)) == "\n"
