"""The answer for people: Markdown for the README, lines for the terminal, and the script that puts it there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from filtertwins.claims import check_claims, read_claims
from filtertwins.errors import StudyError
from filtertwins.files import read_csv, write_csv
from filtertwins.page.answer import BEGIN, END, answer_section, as_text, replace_section

WRITE, CHECK = "tools/write_answer.py", "scripts/check_claims.py"


@pytest.fixture
def claims():
    """Three claims, one of each verdict; the last was not measured."""
    rows = [
        (
            "prevents",
            "answer",
            "Nothing | prevents it",
            "Does anything prevent it?",
            "supported",
            0.0,
            "distance",
            "No.",
        ),
        ("same", "question", "Filters end up the same", None, "refuted", 0.25, "networks", "None do."),
        ("small", "ours", "Small weights do", "Do small weights?", "inconclusive", np.nan, None, "Not measured: no."),
    ]
    columns = ["claim", "said_by", "statement", "headline", "verdict", "effect", "unit", "finding"]
    table = pd.DataFrame(rows, columns=columns).assign(dataset="mnist", n=[10, 10, 0], p_value=0.01)
    return table.assign(low=table["effect"] - 0.125, high=table["effect"] + 0.125, figure=["twins", "chance", "small"])


def test_short_answers_are_those_of_headlines_with_their_verdict_and_figure(claims):
    lines = answer_section(claims).splitlines()
    assert lines[0] == "**The short answer, on MNIST:**"
    assert [line for line in lines if line.startswith("- ")] == [
        "- **Does anything prevent it?** No. *[The answer's claim: supported.](figures/mnist/twins.png)*",
        "- **Do small weights?** Not measured: no. *[This study's claim: inconclusive.](figures/mnist/small.png)*",
    ]


def test_every_claim_is_in_the_table_with_its_numbers(claims):
    section = answer_section(claims)
    assert "this study: 1 supported, 1 refuted, 1 inconclusive." in section
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert all(line.count("|") == 6 for line in rows)  # a bar in a statement makes no column
    assert rows[3] == (
        "| question | Filters end up the same | **refuted** | None do. *25.0 % (12.5 % to 37.5 %), 10 seeds* "
        "| [figure](figures/mnist/chance.png) |"
    )
    assert rows[4].endswith("| **inconclusive** | Not measured: no. | [figure](figures/mnist/small.png) |")
    assert "nan" not in section
    assert "95 % interval over seeds (for latency over rounds)" in section
    assert "changed in view of results" in section


def test_the_terminal_gets_one_short_line_a_claim(claims):
    claims.loc[1, "statement"] = "many words " * 30
    first, *lines = as_text(claims).splitlines()
    assert first == "Claims: 1 supported, 1 refuted, 1 inconclusive"
    assert lines[0] == "   supported     Nothing | prevents it"
    assert lines[1].startswith("   refuted       many words many")
    assert lines[1].endswith(" ...")
    assert len(lines) == 3
    assert max(map(len, lines)) <= 112


def test_only_what_is_between_the_markers_is_replaced():
    readme = f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n"
    replaced = replace_section(readme, "new\n")
    assert replaced == f"# Title\n\n{BEGIN}\nnew\n{END}\n\nmore\n"
    assert replace_section(replaced, "new\n") == replaced


@pytest.mark.parametrize(
    "readme",
    ["", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {END} {END}", f"{BEGIN} {BEGIN} {END}", f"{END} {BEGIN} {END}"],
)
def test_a_readme_without_its_two_markers_is_left_alone(readme):
    with pytest.raises(StudyError, match="answer: begin"):
        replace_section(readme, "new")


@pytest.fixture
def run(root):
    """Run a script; its exit code and all that it prints."""

    def run_it(script, *arguments):
        command = [sys.executable, str(root / script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(root / "src")})
        return done.returncode, done.stdout + done.stderr

    return run_it


def test_the_readme_is_written_and_checked(run, claims, tmp_path):
    write_csv(claims, tmp_path / "claims.csv")
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\n{END}\n", encoding="utf-8")
    arguments = ["--claims", tmp_path / "claims.csv", "--readme", readme]
    code, printed = run(WRITE, *arguments, "--check")
    assert code == 1
    assert f"{readme}: its answer is not that of {tmp_path / 'claims.csv'}; mend it with:\n" in printed
    assert "  PYTHONPATH=src python tools/write_answer.py --claims" in printed
    assert BEGIN + "\n" + END in readme.read_text(encoding="utf-8")  # --check writes nothing
    assert run(WRITE, *arguments) == (0, "")
    assert "**Does anything prevent it?**" in readme.read_text(encoding="utf-8")
    written = readme.stat()
    assert run(WRITE, *arguments, "--check") == (0, "")
    assert (readme.stat().st_ino, readme.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_a_readme_without_markers_ends_the_script_without_a_traceback(run, claims, tmp_path):
    write_csv(claims, tmp_path / "claims.csv")
    (tmp_path / "README.md").write_text("# Title\n", encoding="utf-8")
    code, printed = run(WRITE, "--claims", tmp_path / "claims.csv", "--readme", tmp_path / "README.md")
    assert code == 1
    assert printed.startswith("error: the README needs the lines")


def test_claims_are_checked_from_files_and_become_an_answer(run, root, tmp_path):
    runs = pd.DataFrame({"dataset": "mnist", "architecture": "question", "filters": 1, "seed": range(10)})
    write_csv(runs.assign(test_accuracy=0.9), tmp_path / "runs.csv")
    yaml = root / "config" / "claims.yaml"
    output = tmp_path / "claims.csv"
    code, printed = run(CHECK, "--claims", yaml, "--tables", tmp_path / "runs.csv", "--output", output)
    assert code == 0, printed
    table = read_csv(output)
    expected = check_claims(read_claims(yaml), {"runs": read_csv(tmp_path / "runs.csv")})
    assert table["finding"].tolist() == expected["finding"].tolist()
    assert printed == as_text(table)
    assert len(answer_section(table).splitlines()) > len(table)


def test_claims_with_mistakes_end_the_script_with_all_of_them(run, tmp_path):
    (tmp_path / "claims.yaml").write_text("level: 2\n", encoding="utf-8")
    code, printed = run(CHECK, "--claims", tmp_path / "claims.yaml", "--output", tmp_path / "claims.csv")
    assert code == 1
    assert "claims.yaml has 3 mistakes:" in printed
    assert "Traceback" not in printed


def test_the_readme_says_what_the_committed_verdicts_say(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    section = answer_section(read_csv(root / "results" / "mnist" / "claims.csv"))
    assert replace_section(readme, section) == readme, "run `make answer`"
