"""Captions of figures: text files that mention what the claims found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import pandas as pd

from filtertwins.claims.words import judged
from filtertwins.page.answer import typeset

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NEEDED = re.compile(r"\[(\w+)\] ")


def findings_of(claims: pd.DataFrame) -> dict[str, str]:
    """Each claim that could be judged, as a question with what was found, for :func:`fill_caption`.

    Args:
        claims: ``claims.csv``.
    """
    rows = judged(claims)
    return dict(zip(rows["claim"], (rows["statement"] + "? " + rows["finding"]).map(typeset), strict=True))


def fill_caption(template: str, findings: Mapping[str, str], tables: Collection[str] = ()) -> str:
    """Fill each ``{name_of_a_claim}`` in a caption with what that claim found.

    A paragraph that begins with ``[name_of_a_table]`` is about what is drawn from that table.

    Args:
        template: paragraphs of text.
        findings: by claim. A claim that is not there was not judged in this study, and the caption says nothing of it.
        tables: those that the study has.

    Returns:
        The caption, one line a paragraph, with a line feed at its end. A paragraph of which nothing is left is gone.
    """
    filled = _PLACEHOLDER.sub(lambda found: findings.get(found[1], ""), template)
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", filled):
        needed = _NEEDED.match(paragraph)
        if needed is None or needed[1] in tables:
            paragraphs.append(" ".join(_NEEDED.sub("", paragraph).split()))
    return "\n\n".join(filter(None, paragraphs)) + "\n"
