"""What becomes of the claims, for people: the README's answer, and a line each for the terminal."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pandas as pd

from filtertwins.claims.words import VERDICTS, in_words, judged
from filtertwins.errors import StudyError

BEGIN, END = "<!-- answer: begin (generated) -->", "<!-- answer: end -->"

_DATASETS = {"mnist": "MNIST"}
_WIDTH = 112  # The longest line on the terminal.


def answer_section(claims: pd.DataFrame) -> str:
    """The short answers in Markdown, for the README: what was asked and answered there, and how many got which verdict.

    Args:
        claims: ``claims.csv``. Of the headlines that were judged, those of the question, its answer and the follow-up
            are listed, with the first sentence of what was found.
    """
    headlines = judged(claims[claims["headline"].notna() & claims["said_by"].isin(("question", "answer", "followup"))])
    lines = [
        f"This is the answer on {dataset_in_words(claims)}, with the verdict on each claim. {status_in_words(claims)}",
        "",
    ]
    lines += [
        f"- **{typeset(row['headline'])}** {typeset(_first_sentence(row['finding']))} *{_verdict(row)}*"
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
        "Claims of the question, of its accepted answer, of the follow-up question, of others, and of this study,"
        f" judged on {dataset_in_words(claims)}: {_counts(claims)}. `make answer` writes this page from"
        " `results/mnist/claims.csv`.",
        "",
        f"{status_in_words(claims)} What decides stands in [config/claims.yaml](../config/claims.yaml), which also says"
        " what was changed after trial runs. *By construction* are claims that follow from algebra or arithmetic: they"
        " are checked, and not counted. The numbers in parentheses are the interval of the part that decides, over"
        " seeds (for latency over rounds). Its confidence is 95 %, but 90 % where seeds are counted, or where it is"
        " tested that something is the same, no worse, or within a range. Where a claim is about every single network,"
        " they are the whole range. Beside them stand the median over seeds, of losses, and the mean of all parts, if"
        " there are several.",
        "",
        "| Said by | Claim | Compared with (unit) | Verdict | Found | |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_table_row(row) for _, row in claims.iterrows()]
    return "\n".join(lines) + "\n"


def status_in_words(claims: pd.DataFrame) -> str:
    """Whether the run confirms or explores, in a sentence.

    Args:
        claims: ``claims.csv``.
    """
    if (claims.loc[claims["exploratory"].isna(), "status"] == "confirmatory").all():
        later = (
            " Claims marked exploratory were added or changed after the confirmatory run, the first one on these seeds."
        )
        marked = later if claims["exploratory"].notna().any() else ""
        return f"The verdicts are confirmatory: no trial run has seen these seeds.{marked}"
    return "The verdicts are exploratory: only the default study of MNIST, claims and seeds, was fixed beforehand."


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]


def typeset(text: str) -> str:
    """Sizes of kernels as in print; tables are in ASCII."""
    return re.sub(r"(\d)x(\d)", "\\1\N{MULTIPLICATION SIGN}\\2", text)


def dataset_in_words(table: pd.DataFrame) -> str:
    """The dataset that a table is about, as people write its name."""
    name = str(table["dataset"].iloc[0])
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
        return "Claims: none are judged, since the config of this study names no file of claims\n"
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
    return "\n".join([f"Claims: {_counts(shown)}", status_in_words(claims), *lines]) + "\n"


def _counts(claims: pd.DataFrame) -> str:
    """The tally, to which what holds by construction does not belong."""
    evidence = claims["by_construction"].isna()
    found = claims.loc[evidence, "verdict"].value_counts()
    counts = ", ".join(f"{found.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    return f"{counts}; and {(~evidence).sum()} by construction, which are no evidence"


SPEAKERS = {"question": "the question", "answer": "the answer", "followup": "the follow-up question"}
SPEAKERS |= {"others": "others who asked", "ours": "this study"}


def _verdict(row: pd.Series[Any]) -> str:
    speaker = SPEAKERS[row["said_by"]]
    words = f"Claim of {speaker}: {_verdict_in_words(row)}."
    return words if pd.isna(row["figure"]) else f"[{words}]({_figure(row)})"


def _verdict_in_words(row: pd.Series[Any]) -> str:
    marks = {"by construction": row["by_construction"], "exploratory": row["exploratory"]}
    return ", ".join([row["verdict"], *(mark for mark, reason in marks.items() if pd.notna(reason))])


def _figure(row: pd.Series[Any]) -> str:
    return f"figures/{row['dataset']}/{row['figure']}.png"


def _table_row(row: pd.Series[Any]) -> str:
    reasons = [row[name] for name in ("by_construction", "exploratory") if pd.notna(row[name])]
    found = " ".join(filter(None, [typeset(row["finding"]), *reasons, _numbers(row)]))
    unit = "" if pd.isna(row["unit"]) else f" ({row['unit']})"
    cells = [SPEAKERS[row["said_by"]], row["statement"], row["rung"] + unit, f"**{_verdict_in_words(row)}**", found]
    cells.append("" if pd.isna(row["figure"]) else f"[figure](../{_figure(row)})")
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _numbers(row: pd.Series[Any]) -> str:
    if pd.isna(row["effect"]):
        return ""
    effect, low, high = (in_words(row[name], row["unit"]) for name in ("effect", "low", "high"))
    over = "rounds" if row["unit"] == "ratio" and row["figure"] == "cost" else f"{row['n']} seeds"
    beside = f", median {in_words(row['median'], row['unit'])}" if row["unit"] == "nats" else ""
    if pd.notna(row["pooled"]) and row["pooled"] != row["effect"]:
        beside += f", mean of all parts {in_words(row['pooled'], row['unit'])}"
    return f"*{effect} ({low} to {high}){beside}, {over}*"
