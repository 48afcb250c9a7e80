"""The command ``filtertwins``: the study's question, asked of anybody's network; and anybody's data for the study."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Imported where it is used, since --help should not take a second.
    from filtertwins.inspect.report import Report

FOUND, FAILED, INTERRUPTED = 1, 2, 130
"""Exit codes: for what --fail-on names, for a file that could not be read or written, and for Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(prog="filtertwins", description="Are convolutional filters twins?")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser(
        "inspect",
        help="whether filters of a model file are more alike than their layer's shape makes them",
        description="Judge each convolution of model files: Keras, SavedModel, ONNX, safetensors, PyTorch, NumPy. "
        "No framework is needed, and nothing in a file is run. Files of one architecture are compared as strangers, "
        "if they come from different seeds, or as one network before and after training.",
        epilog="Exit code: 0, 1 for what --fail-on names, 2 where a file cannot be read or written.",
    )
    inspect.add_argument("models", nargs="+", metavar="MODEL", help="a model file, or a SavedModel's folder")
    inspect.add_argument("--before", metavar="FILE", help="the file that the models were trained from")
    inspect.add_argument("--json", metavar="FILE", help="write the report as JSON; - for standard output")
    inspect.add_argument("--out", metavar="DIR", type=Path, help="write tables, JSON, an HTML page and a figure")
    inspect.add_argument("--fail-on", choices=["twins"], help="exit with 1 if a layer has this verdict")
    inspect.add_argument("--seed", type=partial(_count, least=0), default=0, help="for all draws (default: 0)")
    inspect.add_argument(
        "--draws",
        type=partial(_count, least=39),
        default=199,
        help="sets of filters of a null, at least (default: 199)",
    )
    inspect.set_defaults(run=_inspect)
    dataset = commands.add_parser(
        "dataset",
        help="what the config says of a dataset's files",
        description="Print the section of the config that describes files: four IDX files (gzipped or not), an npz "
        "file, or what Keras fetched. Their kind is told by their content.",
        epilog="Exit code: 0, or 2 where files cannot be read or written, or make no dataset.",
    )
    dataset.add_argument("files", nargs="+", metavar="FILE", type=Path, help="the files of one dataset")
    dataset.add_argument("--name", help="what the dataset is called (default: mine)", default="mine")
    dataset.add_argument("--convert", metavar="OUT.npz", type=Path, help="write the files, also npy, as one npz file")
    dataset.add_argument("--channels-first", action="store_true", help="convert (image, channel, row, column)")
    dataset.add_argument(
        "--test-images",
        type=partial(_count, least=0),
        default=0,
        help="convert: test on so many, the last",
    )
    dataset.set_defaults(run=_dataset)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return INTERRUPTED


def _count(text: str, least: int) -> int:
    """A whole number that is large enough; with fewer than 39 draws no p-value of two is below 5 %."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number from {least}")
    return int(text)


def _inspect(options: argparse.Namespace) -> int:
    """Read, judge and report; a bad file costs one line and the exit code."""
    from filtertwins.errors import StudyError
    from filtertwins.files import write_text
    from filtertwins.inspect.model import LeftOut
    from filtertwins.inspect.readers import read_model
    from filtertwins.inspect.report import inspect_models

    models, bad = [], []
    before = options.before and str(Path(options.before))  # so that ./FILE and FILE are the same
    for path in dict.fromkeys([*([before] if before else []), *(str(Path(own)) for own in options.models)]):
        try:
            models.append(read_model(Path(path)))
        except (StudyError, OSError) as error:
            _say(f"error: {error}")
            bad.append((path, LeftOut("", f"It cannot be read: {error}")))
    report = inspect_models(models, before=before, seed=options.seed, draws=options.draws, progress=_say)
    report = replace(report, left_out=(*bad, *report.left_out))
    if len(models) > 1 and not (report.strangers or report.changes):
        _say("no two files have convolutions of the same kinds, shapes and activations, so that none are compared")
    elif before and models and not report.changes:
        _say(f"no other file has the convolutions of {before}, so that nothing is said of what changed")
    try:
        if options.json == "-":
            sys.stdout.write(report.to_json())
        elif models:
            sys.stdout.write(report.to_text())
        sys.stdout.flush()
        if options.json not in (None, "-"):
            write_text(Path(options.json), report.to_json())
        if options.out:
            _write(report, options.out, options.seed)
    except BrokenPipeError:  # as of `| head`; Python would complain once more where it closes the stream
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        return FAILED
    except OSError as error:
        _say(f"error: {error.filename or 'standard output'}: {error.strerror}; name a place that can be written")
        return FAILED
    found = any(layer.verdict == options.fail_on for layer in report.layers)
    return FAILED if bad else FOUND if found else 0


def _dataset(options: argparse.Namespace) -> int:
    """Print a dataset's section; a bad file costs one line and the exit code."""
    from filtertwins.data.describe import convert, describe
    from filtertwins.errors import StudyError
    from filtertwins.mistakes import NAME, PATTERNS

    if not options.convert and (options.channels_first or options.test_images):
        _say("error: --channels-first and --test-images change files; add --convert OUT.npz")
        return FAILED
    if not re.fullmatch(NAME, options.name):
        _say(f"error: --name {options.name}; {PATTERNS[NAME]}")
        return FAILED
    try:
        if options.convert:
            chosen = {"channels_first": options.channels_first, "test_images": options.test_images}
            section = convert(options.files, options.convert, options.name, **chosen)
        else:
            section = describe(options.files, options.name)
    except (StudyError, OSError) as error:
        _say(f"error: {error}")
        return FAILED
    sys.stdout.write(section)
    return 0


def _write(report: Report, folder: Path, seed: int) -> None:
    """Tables as CSV, the report as JSON and HTML, and a figure as PDF, SVG and PNG."""
    from filtertwins.files import write_text
    from filtertwins.inspect.page import page
    from filtertwins.inspect.report import to_csv

    for name, rows in report.tables().items():
        write_text(folder / f"{name}.csv", to_csv(rows))
    write_text(folder / "report.json", report.to_json())
    write_text(folder / "report.html", page(report, *_figure(report, folder, seed)))


def _figure(report: Report, folder: Path, seed: int) -> tuple[bytes | None, str]:
    """Write the figure where there is something to draw; its PNG's content, and its caption."""
    from filtertwins.inspect.page import beside_null, layer_to_show
    from filtertwins.inspect.report import shortened

    if not any(layer.test.filters for layer in report.layers):
        return None, ""
    try:
        from filtertwins.figures.inspected import draw
        from filtertwins.figures.output import save
    except ModuleNotFoundError as error:
        _say(f"no figure, since {error.name} is not installed; for one: pip install '.[figure]'")
        return None, ""
    layer = layer_to_show(report)
    null = "a draw of its null" if layer.shape.form == "full" else "random directions"
    caption = f"{layer.name}: its kernels by cluster, beside {null}. Framed ones are in one cluster."
    paths = save(draw(*beside_null(layer, seed), (shortened(layer.name), null)), folder / "kernels")
    return next(path for path in paths if path.suffix == ".png").read_bytes(), caption


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
