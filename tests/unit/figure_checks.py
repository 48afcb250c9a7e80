"""What every figure promises, checked on the tables of one study."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from PIL import Image

from filtertwins.figures.output import FORMATS, main, save, tables_of
from filtertwins.figures.tables import TableError

ROOT = Path(__file__).parents[2]


def drawn(name, tables, **options):
    """The figure and caption that module `name` makes of these tables; it gets those that it reads."""
    draw = importlib.import_module(f"filtertwins.figures.{name}").draw
    return draw(**{table: tables[table] for table in tables_of(draw) if table in tables}, **options)


def check_files(name, tables, width_in, folder):
    """Four files of the printed size, with text as text."""
    figure, caption = drawn(name, tables)
    paths = save(figure, caption, folder / name)
    assert [path.suffix[1:] for path in paths] == list(FORMATS)
    height_in = figure.get_size_inches()[1]
    with Image.open(paths[2]) as image:
        assert image.size == pytest.approx((width_in * 300, height_in * 300), abs=1)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    pdf = paths[0].read_bytes()
    box = [float(number) for number in re.search(rb"/MediaBox \[([^\]]*)\]", pdf)[1].split()]
    assert box == pytest.approx([0, 0, 72 * width_in, 72 * height_in])
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf  # an embedded TrueType font
    svg = paths[1].read_text()
    assert f'width="{72 * width_in:g}pt"' in svg
    assert "<text" in svg  # text stays text
    assert paths[3].read_text() == caption + "\n"


def check_nothing_is_clipped(name, tables, **options):
    """All that is drawn is on the page, in one of the two sizes of text."""
    figure, _ = drawn(name, tables, **options)
    figure.savefig(os.devnull, format="png", dpi=100)
    width_in, height_in = figure.get_size_inches()
    drawn_in = figure.get_tightbbox()
    assert drawn_in.x0 >= 0
    assert drawn_in.y0 >= 0
    assert drawn_in.x1 <= width_in
    assert drawn_in.y1 <= height_in
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert {text.get_fontsize() for text in texts} <= {7.0, 8.0}


def check_pure(name, tables):
    """Drawing changes no table and no setting."""
    before = {table: rows.copy(deep=True) for table, rows in tables.items()}
    settings = dict(mpl.rcParams)
    drawn(name, tables)
    assert dict(mpl.rcParams) == settings
    for table, rows in tables.items():
        pd.testing.assert_frame_equal(rows, before[table])


def check_bad_tables_are_named(name, tables):
    """A missing column, an empty table and a mix of datasets are errors that say so."""
    for table in tables_of(importlib.import_module(f"filtertwins.figures.{name}").draw):
        rows = tables[table]
        for change, message in (
            (rows.drop(columns="dataset"), "missing column 'dataset'; it has: "),
            (rows.iloc[:0], "no rows"),
            (pd.concat([rows, rows.assign(dataset="other")]), "column 'dataset' mixes "),
        ):
            with pytest.raises(TableError, match=f"table '{table}': {message}"):
                drawn(name, tables | {table: change})


def check_caption(caption, *words):
    """One paragraph of plain text, with the dataset and these words."""
    docutils_core = pytest.importorskip("docutils.core")
    assert "\n" not in caption
    assert not re.search(r"\b(nan|inf)\b", caption)
    for word in ("MNIST", *words):
        assert word in caption, word
    document = docutils_core.publish_doctree(caption, settings_overrides={"report_level": 1, "halt_level": 1})
    assert len(document.children) == 1  # one paragraph, read without a warning
    assert document.astext() == caption  # and without markup


def check_bytes_are_stable(module, names, folder):
    """Two processes that hash differently draw the same bytes from the tables of the test module's ``study()``."""
    code = (
        "import importlib, sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]; import figure_checks;"
        "from filtertwins.figures.output import save; tables = importlib.import_module(sys.argv[2]).study();"
        f"[save(*figure_checks.drawn(name, tables), Path(sys.argv[1]) / name) for name in {list(names)!r}]"
    )
    here = [str(Path(__file__).parent), str(ROOT / "src")]
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        arguments = [sys.executable, "-c", code, str(folder / seed), module, *here]
        subprocess.run(arguments, check=True, env=environment, cwd=folder)
    files = sorted(path.name for path in (folder / "1").iterdir())
    assert files == sorted(f"{name}.{suffix}" for name in names for suffix in FORMATS)
    for file in files:
        assert (folder / "1" / file).read_bytes() == (folder / "2" / file).read_bytes(), file


def check_help(name, capsys):
    """The figure's script draws that figure, and its help, which is returned, names the tables."""
    draw = importlib.import_module(f"filtertwins.figures.{name}").draw
    assert importlib.import_module(f"plot_{name}").draw is draw
    with pytest.raises(SystemExit) as stop:
        main(draw, ["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"{table}.csv" in text for table in tables_of(draw))
    return text
