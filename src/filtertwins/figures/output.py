"""Saving figures as PDF, SVG and PNG, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from filtertwins.figures.style import style
from filtertwins.files import atomic_write

# Dates and matplotlib's version stay out, so that drawing again gives the same bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"Creator": "filter-twins", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "filter-twins", "Date": None},
    "png": {"Software": None},
}
FORMATS = tuple(_METADATA)


def save(figure: Figure, output: Path) -> list[Path]:
    """Write ``<output>.pdf``, ``.svg`` and ``.png``, each whole or not at all.

    Args:
        figure: the figure, saved at exactly its size.
        output: the path without a suffix; its folder is created.

    Returns:
        The paths.
    """
    paths = []
    with style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # One layout serves all formats; to find it takes longer than to draw.
        for suffix, metadata in _METADATA.items():
            paths.append(output.with_name(f"{output.name}.{suffix}"))
            with atomic_write(paths[-1], "wb") as file:
                figure.savefig(file, format=suffix, metadata=metadata)
    return paths
