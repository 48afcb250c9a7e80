"""Saving figures as PDF, SVG and PNG with a caption, the same bytes each time; and their command line."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from filtertwins.errors import StudyError, run_script
from filtertwins.figures.style import PNG_DPI, style
from filtertwins.figures.tables import TableError
from filtertwins.files import atomic_write, read_csv, write_text

Draw = Callable[..., tuple[Figure, str]]

# No date and no version of matplotlib: drawing again gives the same bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"Creator": "filter-twins", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "filter-twins", "Date": None},
    "png": {"Software": None},
}
FORMATS = (*_METADATA, "rst")


def save(figure: Figure, caption: str, output: Path) -> list[Path]:
    """Write ``<output>.pdf``, ``.svg``, ``.png`` and the caption ``.rst``, each whole or not at all.

    Args:
        figure: the figure, saved at exactly its size.
        caption: one paragraph of reStructuredText.
        output: the path without a suffix; its folder is created.

    Returns:
        The four paths.
    """
    paths = [output.with_name(f"{output.name}.{suffix}") for suffix in FORMATS]
    with style():
        for path, (suffix, metadata) in zip(paths, _METADATA.items(), strict=False):
            with atomic_write(path, "wb") as file:
                figure.savefig(file, format=suffix, dpi=PNG_DPI, metadata=metadata)
    write_text(paths[-1], caption.strip() + "\n")
    return paths


def tables_of(draw: Draw) -> list[str]:
    """The names of the tables a figure reads: its positional parameters."""
    return [name for name, p in inspect.signature(draw).parameters.items() if p.kind is not p.KEYWORD_ONLY]


def optional_tables(draw: Draw) -> list[str]:
    """Those of its tables that a figure can do without: the default is None, and that is what it gets."""
    parameters = inspect.signature(draw).parameters
    return [name for name in tables_of(draw) if parameters[name].default is not inspect.Parameter.empty]


def main(draw: Draw, arguments: Sequence[str] | None = None) -> None:
    """The command line of a figure's script: read the tables, draw, save.

    Args:
        draw: the figure. Its keyword-only numbers become options, ``threshold`` becomes ``--threshold``.
        arguments: the command line; by default the process's own.

    Raises:
        SystemExit: a table is missing, damaged or cannot be drawn; the message names file and column.
    """
    names, optional = tables_of(draw), optional_tables(draw)
    needed = ", ".join(f"{name}.csv" + (" (optional)" if name in optional else "") for name in names)
    parser = argparse.ArgumentParser(description=f"{(inspect.getdoc(draw) or '').splitlines()[0]} Reads {needed}.")
    parser.add_argument(
        "--tables",
        nargs="+",
        type=Path,
        required=True,
        metavar="CSV",
        help=f"the tables, in any order: {needed}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="path without suffix; writes PATH.pdf, PATH.svg, PATH.png and the caption PATH.rst",
    )
    options = _options(draw)
    for name, (default, text) in options.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            default=default,
            metavar="X",
            help=text + (" (default: %(default)s)" if default is not None else ""),
        )
    parsed = parser.parse_args(arguments)
    paths = _by_name(parsed.tables, names, optional, parser)
    run_script(lambda: _draw_files(draw, paths, {name: getattr(parsed, name) for name in options}, parsed.output))


def _draw_files(draw: Draw, paths: Mapping[str, Path], options: Mapping[str, float | None], output: Path) -> None:
    try:
        figure, caption = draw(**{name: read_csv(path) for name, path in paths.items()}, **options)
        save(figure, caption, output)
    except TableError as error:
        raise StudyError(f"{paths.get(error.table, error.table)}: {error.problem}") from None


def _options(draw: Draw) -> Mapping[str, tuple[float | None, str]]:
    """Default and description of each keyword-only parameter; the description comes from the docstring."""
    lines = [line.strip() for line in (inspect.getdoc(draw) or "").splitlines()]
    found = {}
    for name, parameter in inspect.signature(draw).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            text = next((line for line in lines if line.startswith(f"{name}: ")), f"{name}: ")
            found[name] = (parameter.default, text.removeprefix(f"{name}: ").replace("%", "%%"))
    return found


def _by_name(
    paths: Sequence[Path], names: Sequence[str], optional: Sequence[str], parser: argparse.ArgumentParser
) -> dict[str, Path]:
    """The given files by table name, in the order of `names`; a usage error when they do not match."""
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem not in names:
            parser.error(f"--tables: {path} is not read by this figure; allowed: {', '.join(names)} (.csv)")
        if path.stem in found:
            parser.error(f"--tables: {path.stem}.csv is given twice: {found[path.stem]} and {path}")
        found[path.stem] = path
    missing = [f"{name}.csv" for name in names if name not in found and name not in optional]
    if missing:
        parser.error(f"--tables: missing {', '.join(missing)}")
    return {name: found[name] for name in names if name in found}
