"""What becomes of the claims, for people: the README's answer, and a line each for the terminal."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pandas as pd

from filtertwins.claims import VERDICTS, in_words, judged
from filtertwins.errors import StudyError

BEGIN, END = "<!-- answer: begin (generated) -->", "<!-- answer: end -->"

_DATASETS = {"mnist": "MNIST"}
_WIDTH = 112  # The longest line on the terminal.


def answer_section(claims: pd.DataFrame) -> str:
    """The short answers in Markdown, for the README: the judged headlines, and how many claims got which verdict.

    Args:
        claims: ``claims.csv``.
    """
    headlines = judged(claims[claims["headline"].notna()])
    lines = [f"On {_dataset(claims)}, with the verdict on each claim:", ""]
    lines += [
        f"- **{_typeset(row['headline'])}** {_typeset(row['finding'])} *{_verdict(row)}*"
        for _, row in headlines.iterrows()
    ]
    return "\n".join([*lines, "", f"All claims: {_counts(claims)}."]) + "\n"


def claims_page(claims: pd.DataFrame) -> str:
    """Every claim with its verdict and numbers, as a page of Markdown: ``docs/claims.md``.

    Args:
        claims: ``claims.csv``.
    """
    lines = [
        "# The claims",
        "",
        f"Claims of the question, of its accepted answer, and of this study, judged on {_dataset(claims)}:"
        f" {_counts(claims)}. `make answer` writes this page from `results/mnist/claims.csv`.",
        "",
        "The verdicts are exploratory: what decides was fixed after trial runs on the same seeds, in"
        " [config/claims.yaml](../config/claims.yaml), which also says what was changed in view of results. The numbers"
        " in parentheses are the interval of the part that decides, over seeds (for latency over rounds). Its"
        " confidence is 95 %, but 90 % where networks are counted, or where it is tested that accuracies or losses are"
        " equal or that one is no lower. Where a claim is about every single network, they are the whole range.",
        "",
        "| Said by | Claim | Verdict | Found | |",
        "|---|---|---|---|---|",
    ]
    lines += [_table_row(row) for _, row in claims.iterrows()]
    return "\n".join(lines) + "\n"


def _typeset(text: str) -> str:
    """Sizes of kernels as in print; tables are in ASCII."""
    return re.sub(r"(\d)x(\d)", "\\1\N{MULTIPLICATION SIGN}\\2", text)


def _dataset(claims: pd.DataFrame) -> str:
    name = str(claims["dataset"].iloc[0])
    return _DATASETS.get(name, name)


def replace_section(readme: str, section: str) -> str:
    """The README with another answer between its two markers.

    Raises:
        StudyError: the markers do not stand there once each and in order.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise StudyError(f"The README needs the lines {BEGIN} and {END}, each once and in this order.")
    return f"{before}{BEGIN}\n{section.strip()}\n{END}{after}"


def as_text(claims: pd.DataFrame) -> str:
    """How many claims were judged, with which verdicts, and a short line for each; how many were not, and why.

    Args:
        claims: ``claims.csv``.
    """
    if claims.empty:
        return "Claims: this study judges none (its config says claims: null)\n"
    shown = judged(claims)
    width = max(map(len, VERDICTS))
    room = _WIDTH - width - 5
    lines = [
        f"   {row['verdict']:<{width}}  {textwrap.shorten(row['statement'], room, placeholder=' ...')}"
        for _, row in shown.iterrows()
    ]
    if left := len(claims) - len(shown):
        lines += [
            f"   {left} of {len(claims)} claims are not about this study, or need more seeds; claims.csv says why"
        ]
    return "\n".join([f"Claims: {_counts(shown)}", *lines]) + "\n"


def _counts(claims: pd.DataFrame) -> str:
    found = claims["verdict"].value_counts()
    return ", ".join(f"{found.get(verdict, 0)} {verdict}" for verdict in VERDICTS)


def _verdict(row: pd.Series[Any]) -> str:
    whose = {"question": "The question's claim", "answer": "The answer's claim", "ours": "This study's claim"}
    return f"[{whose[row['said_by']]}: {row['verdict']}.]({_figure(row)})"


def _figure(row: pd.Series[Any]) -> str:
    return f"figures/{row['dataset']}/{row['figure']}.png"


def _table_row(row: pd.Series[Any]) -> str:
    found = f"{_typeset(row['finding'])} {_numbers(row)}".strip()
    said_by = row["said_by"].replace("ours", "this study")
    cells = [said_by, row["statement"], f"**{row['verdict']}**", found, f"[figure](../{_figure(row)})"]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _numbers(row: pd.Series[Any]) -> str:
    if pd.isna(row["effect"]):
        return ""
    effect, low, high = (in_words(row[name], row["unit"]) for name in ("effect", "low", "high"))
    over = "rounds" if row["unit"] == "ratio" and row["figure"] == "cost" else f"{row['n']} seeds"
    return f"*{effect} ({low} to {high}), {over}*"
