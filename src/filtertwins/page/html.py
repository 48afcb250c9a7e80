"""The study's answer as one HTML file, which needs no network and no other file."""

from __future__ import annotations

import base64
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import vl_convert
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from filtertwins.claims.words import VERDICTS, judged
from filtertwins.figures.style import REPORTED, Look
from filtertwins.page.answer import SPEAKERS, dataset_in_words, status_in_words, typeset
from filtertwins.page.colours import WORDS, colours_view
from filtertwins.page.summary import in_sentences
from filtertwins.page.views import (
    View,
    accuracy_view,
    kernels_view,
    pruning_view,
    redundancy_view,
    twins_view,
)

_CALLED = "window.vegaEmbed = vegaEmbed;"  # What of the bundled libraries the page calls.
_ON_A_MAP = (
    "Every kernel of three weights is a direction, and a dot on this map of all directions, which keeps areas."
    " Filters whose circles overlap are near duplicates. Grey dots are the kernels before training."
)
_LARGEST_SVG = 300_000  # bytes; a larger drawing, such as that of all kernels, goes in as a PNG


@dataclass(frozen=True)
class Figure:
    """A figure with its caption.

    Attributes:
        name: as its file is called.
        image: a data address.
        caption: its paragraphs; the first says what was found.
    """

    name: str
    image: str
    caption: Sequence[str]


@dataclass(frozen=True)
class Section:
    """One part of the page: a question, what claims found about it, a chart, and how to read that.

    Attributes:
        title: the question.
        claims: what was found about it, the headline claims of some figures.
        view: the chart.
        reading: how to read it.
    """

    title: str
    claims: Sequence[Mapping[Hashable, Any]]
    view: View | None
    reading: str


def answer_page(
    tables: Mapping[str, pd.DataFrame],
    claims: pd.DataFrame,
    figures: Sequence[Figure],
    facts: Mapping[str, str],
    look: Look,
) -> str:
    """The page of one study.

    Args:
        tables: by name; see ``filtertwins.page.TABLES``.
        claims: ``claims.csv``.
        figures: in the order of the argument.
        facts: where the numbers come from, such as versions, by what they are.
        look: names and colours of architectures.
    """
    environment = Environment(
        loader=PackageLoader("filtertwins.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = typeset
    known = judged(claims)
    sections = [section for section in _sections(tables, known, look) if section.view]
    return environment.get_template("answer.html.j2").render(
        dataset=dataset_in_words(tables["runs"]),
        answer=in_sentences(tables["runs"], tables["redundancy"], look.labels),
        sections=sections,
        claims=[row.to_dict() for _, row in known.iterrows()],
        unjudged=len(claims) - len(known),
        status=status_in_words(claims) if len(known) else "",
        verdicts=VERDICTS,
        said_by={who: words for who, words in SPEAKERS.items() if who in set(known["said_by"])},
        figures=figures,
        figure_names=[figure.name for figure in figures],
        facts=facts,
        script=Markup(_safe_script(vl_convert.javascript_bundle(_CALLED))),  # noqa: S704 - the library's, not a user's
        specs=Markup(_safe_json({section.view.name: section.view.spec for section in sections if section.view})),  # noqa: S704
    )


def image_address(svg: bytes, png: bytes) -> str:
    """A figure as a data address: the drawing, or the image where the drawing is large."""
    kind, content = ("svg+xml", svg) if len(svg) <= _LARGEST_SVG else ("png", png)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _sections(tables: Mapping[str, pd.DataFrame], known: pd.DataFrame, look: Look) -> list[Section]:
    dataset = str(tables["runs"]["dataset"].iloc[0])
    runs = pd.concat([tables[name] for name in ("runs_means", "exact_reading_means") if name in tables])
    reported = REPORTED.get(dataset) if "question" in set(runs["architecture"]) else None
    kernels = tables.get("kernels")
    colours = None if kernels is None else colours_view(kernels, look)
    directions = None if kernels is None else kernels_view(kernels, tables["redundancy"], look)
    twins = twins_view(tables["twins_means"], look) if "twins_means" in tables else None
    pruning = pruning_view(tables["pruning_means"], look) if "pruning_means" in tables else None
    return [
        Section(
            "Do filters end up the same?",
            _headlines(known, "similarity_vs_chance", "kernel_gallery"),
            colours or directions,
            WORDS if colours else _ON_A_MAP,
        ),
        Section(
            "More than chance makes them?",
            _headlines(known, "redundancy_vs_accuracy", "excess_over_chance", "strangers", "more_of_100_than_chance"),
            redundancy_view(tables["redundancy_means"], look),
            "Strangers are filters of networks that differ in the seed alone and never met. The grey band is what the"
            " network's own initialiser gives without training: the middle 95 % of draws. Lines are means over seeds.",
        ),
        Section(
            "Does anything prevent it?",
            _headlines(known, "twins", "one_fewer", "condensation", "preventers"),
            twins,
            "Two filters start almost equal. Lines show by what factor their distance grows (geometric means).",
        ),
        Section(
            "Why do all numbers of filters give 92 to 93 %?" if reported else "What do more filters buy?",
            _headlines(known, "accuracy_vs_filters", "lossless_merge"),
            accuracy_view(runs, look, reported),
            "Lines are means over seeds, with 95 % intervals."
            + (" The band is what the question reports." if reported else ""),
        ),
        Section(
            "Can the redundant ones go?",
            _headlines(known, "pruning", "removal", "redundant_add_nothing", "small_or_pruned", "cost"),
            pruning,
            "Each line is a way to choose which filters are removed: means over seeds, with 95 % intervals.",
        ),
    ]


def _headlines(known: pd.DataFrame, *names: str) -> list[dict[Hashable, Any]]:
    """The headline claims of some figures, and some that no figure shows, by their own names."""
    rows = known[(known["figure"].isin(names) | known["claim"].isin(names)) & known["headline"].notna()]
    return [row.to_dict() for _, row in rows.iterrows()]


def _safe_script(code: str) -> str:
    """JavaScript that an HTML parser does not end early."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _safe_json(value: Any) -> str:
    """JSON that can stand in a script of HTML."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
