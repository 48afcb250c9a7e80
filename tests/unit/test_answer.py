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
        *[("same", "question", "Filters are the same", None, "refuted", 0.25, "seeds", "None are.", "chance")],
        *[("small", "ours", "Weights do", "Do they?", "inconclusive", np.nan, None, "Not measured: no.", "small")],
    ]
    table = pd.DataFrame(rows, columns=columns).assign(dataset="mnist", n=[10, 10, 0], status="confirmatory")
    table = table.assign(
        rung="chance", by_construction=["It must.", None, None], exploratory=None, median=0.0, pooled=table["effect"]
    )
    return table.assign(low=table["effect"] - 0.125, high=table["effect"] + 0.125)


def test_the_readme_gets_the_headlines_that_were_judged(claims):
    claims.loc[0, "finding"] = "Not 5x5. More was found."  # Tables are in ASCII.
    lines = answer_section(claims).splitlines()
    confirmatory = "The verdicts are confirmatory: no trial run has seen these seeds."
    assert lines[0] == f"This is the answer on MNIST, with the verdict on each claim. {confirmatory}"
    assert [line for line in lines if line.startswith("- ")] == [
        "- **Does anything?** Not 5\N{MULTIPLICATION SIGN}5. *[Claim of the answer: supported, by construction.]"
        "(figures/mnist/twins.png)*"
    ]
    tally = "0 supported, 1 refuted, 1 inconclusive; and 1 by construction, which are no evidence"
    assert lines[-1] == f"All claims: {tally}."
    exploratory = answer_section(claims.assign(status="exploratory")).splitlines()[0]
    assert "exploratory: only the default study of MNIST, claims and seeds" in exploratory


def test_the_page_has_every_claim_with_its_numbers(claims):
    rows = [line for line in claims_page(claims).splitlines() if line.startswith("|")]
    assert [line.count("|") for line in rows] == [7] * (2 + 3)  # A bar in a statement makes no column.
    assert rows[3] == (
        "| the question | Filters are the same | chance (seeds) | **refuted** "
        "| None are. *25.0 % (12.5 % to 37.5 %), 10 seeds* | [figure](../figures/mnist/chance.png) |"
    )
    assert "| **supported, by construction** | No. It must. *0 (-0.12 to 0.12), 10 seeds* |" in rows[2]
    several = claims_page(claims.assign(unit="nats", pooled=0.5))
    assert "*0.2500 (0.1250 to 0.3750), median 0.0000, mean of all parts 0.5000, 10 seeds*" in several
    later = claims.assign(
        exploratory=[None, "It came later.", None], status=["confirmatory", "exploratory", "confirmatory"]
    )
    assert "| **refuted, exploratory** | None are. It came later. *25.0 %" in claims_page(later)
    assert "confirmatory: no trial run has seen these seeds. Claims marked exploratory were added" in claims_page(later)
    assert rows[4].endswith("| **inconclusive** | Not measured: no. | [figure](../figures/mnist/small.png) |")


def test_a_claim_that_no_figure_shows_has_no_link(claims):
    without = claims.assign(figure=None)
    assert "No. *Claim of the answer: supported, by construction.*" in answer_section(without)
    rows = [line for line in claims_page(without).splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert all("figures/" not in row and row.count("|") == 7 for row in rows)


def test_the_terminal_gets_one_short_line_a_claim(claims):
    claims.loc[1, "statement"] = "many words " * 30
    first, status, *lines = as_text(claims).splitlines()
    assert first.startswith("Claims: 0 supported, 1 refuted, 0 inconclusive; and 1 by construction")
    assert status.startswith("The verdicts are confirmatory")
    assert lines[0] == "   supported     Nothing | does"
    assert re.fullmatch(r"   refuted       many words many.* \.\.\.", lines[1])
    assert lines[2:] == ["   1 of 3 claims are not about this study, or need more seeds; claims.csv says why"]
    assert as_text(claims[:0]) == "Claims: none are judged, since the config of this study names no file of claims\n"
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
    assert filled == "Nothing | does? No. Filters are the same? None are.\n\nEach dot is a {dot size} of $x^{2 n}$.\n"
    assert fill_caption("{small}", findings_of(claims)) == "\n"


def test_a_caption_explains_what_is_drawn_from_a_table_only_where_the_study_has_it():
    template = "Marks are means.\n\n[optimum] The line is\nthe optimum.\n"
    assert fill_caption(template, {}) == "Marks are means.\n"
    assert fill_caption(template, {}, {"optimum"}) == "Marks are means.\n\nThe line is the optimum.\n"
