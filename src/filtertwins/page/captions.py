"""Captions of figures: text files that mention what the claims found."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from filtertwins.claims import judged

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def findings_of(claims: pd.DataFrame) -> dict[str, str]:
    """What each claim found that could be judged, for :func:`fill_caption`.

    Args:
        claims: ``claims.csv``.
    """
    rows = judged(claims)
    return dict(zip(rows["claim"], rows["finding"], strict=True))


def fill_caption(template: str, findings: Mapping[str, str]) -> str:
    """Fill each ``{name_of_a_claim}`` in a caption with what that claim found.

    Args:
        template: paragraphs of text.
        findings: by claim. A claim that is not there was not judged in this study, and the caption says nothing of it.

    Returns:
        The caption, one line a paragraph, with a line feed at its end. A paragraph of which nothing is left is gone.
    """
    filled = _PLACEHOLDER.sub(lambda found: findings.get(found[1], ""), template)
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", filled))
    return "\n\n".join(filter(None, paragraphs)) + "\n"
