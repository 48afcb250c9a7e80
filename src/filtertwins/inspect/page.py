"""One layer as a picture's data; and a report as one HTML page that works offline."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape

import numpy as np
from numpy.typing import NDArray

from filtertwins.inspect.report import WORDS, Report
from filtertwins.inspect.sameness import NEAR, filter_rows
from filtertwins.inspect.verdicts import Layer
from filtertwins.measures.clusters import Labels, cluster_filters
from filtertwins.measures.redundancy import Floats, directions, similarity_matrix
from filtertwins.measures.shape import Shape, shape_draws

FILTERS_SHOWN = 64

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>filtertwins inspect</title>
<style>
body {{ font: 15px/1.5 sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }}
th, td {{ border-bottom: 1px solid #ddd; padding: .2rem .6rem; text-align: left; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>Are filters twins?</h1>
<p>{summary}</p>
<p>{note}</p>
{sections}
</body></html>
"""


Kernels = tuple[Floats, NDArray[np.bool_]]
"""Kernels as images, (filter, row, column), and which of them share a cluster with another, (filter,)."""


def layer_to_show(report: Report) -> Layer:
    """A layer with twins if there is one, then one that is decidable, then the most redundant one, then the largest."""
    own = [layer for layer in report.layers if layer.test.filters]
    return max(own, key=lambda each: (each.verdict == "twins", each.test.form == "full", each.share, each.filters))


def beside_null(layer: Layer, seed: int) -> tuple[Kernels, Kernels]:
    """A layer's kernels, and a draw of as many from its null, or of random directions where it is undecidable.

    A draw has the shape's own axes. They are turned to the axes of the layer's second moment, which has the same ones
    if the density is elliptical; no cosine changes by that.
    """
    rows = filter_rows(layer.convolution)[layer.live]
    shape = layer.shape if layer.shape.form == "full" else Shape("full", np.ones(layer.test.dimension))
    drawn = next(shape_draws(shape, len(rows), 1, np.random.default_rng([seed, *rows.shape, 2])))[0]
    if layer.shape.form == "full":
        units = directions(rows)
        axes = np.linalg.eigh(units.T @ units)[1]  # Both have their eigenvalues in ascending order.
        drawn = drawn @ axes[:, -len(shape.eigenvalues) :].T
    labels = cluster_filters(drawn, similarity_matrix(drawn, layer.same.equivalence), NEAR)
    return _kernels(layer, rows, layer.clusters[layer.live]), _kernels(layer, drawn, labels)


def _kernels(layer: Layer, rows: Floats, labels: Labels) -> Kernels:
    """The rows as images, the largest clusters first; of several channels the one with the largest weights is shown."""
    _, channels, *taps = layer.convolution.kernels.shape
    sizes = np.bincount(labels)[labels]
    order = np.lexsort((labels, -sizes))[:FILTERS_SHOWN]
    images = rows[order].reshape(len(order), -1, channels)  # (filter, tap, channel)
    strongest = np.linalg.norm(images, axis=1).argmax(axis=1)
    shown = np.take_along_axis(images, strongest[:, np.newaxis, np.newaxis], axis=2)
    return shown.reshape(len(order), -1, taps[-1]), sizes[order] > 1


def page(report: Report, figure: bytes | None, caption: str) -> str:
    """The report as one HTML file.

    Args:
        report: what was found.
        figure: a PNG file's content.
        caption: what it shows.
    """
    found = [layer.verdict for layer in report.layers]
    counts = ", ".join(f"{words}: {found.count(verdict)}" for verdict, words in WORDS.items())
    files = f"{len(report.files)} file{'s' * (len(report.files) != 1)}"
    summary = f"Convolutions: {len(found)} in {files}; {counts}."
    sections = [
        f"<h2>{escape(title)}</h2>\n<table>\n{_line('th', rows[0])}\n"
        + "\n".join(_line("td", row.values()) for row in rows)
        + "\n</table>"
        for title, rows in report.shown().items()
    ]
    if figure is not None:
        image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{b64encode(figure).decode()}">'
        sections.insert(1, f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")
    return _PAGE.format(summary=summary, note=escape(report.note()), sections="\n".join(sections))


def _line(kind: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"
