"""docs/tables.md has every column of every table, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from filtertwins.names import RUN
from filtertwins.settings import Measures
from filtertwins.tables.controls import control_rows
from filtertwins.tables.excess import excess_table
from filtertwins.tables.means import MEANS, means_of
from filtertwins.tables.nulls import Nulls
from filtertwins.tables.redundancy import redundancy_rows
from filtertwins.tables.removal import removal_correlations
from filtertwins.tables.runs import kernel_rows, run_rows
from filtertwins.tables.strangers import stranger_tables

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
SHARED = "In several tables"


def described():
    """The columns that the page describes, by section; a section's title can name several tables."""
    sections = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = section.splitlines()
        heads = [line[2:].split(": ")[0] for line in lines if line.startswith("- ")]
        columns = [column for head in heads for column in re.findall(r"`(\w+)`", head)]
        assert len(columns) == len(set(columns)), title
        sections |= {name: set(columns) for name in title.split(", ")}
    return sections


def test_every_column_is_described(make_chunk):
    kernels = np.random.default_rng(1).standard_normal((2, 3, 1, 4))
    chunk = make_chunk(kernels, initial=kernels, seeds=[0, 1])
    images = np.random.default_rng(2).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
    nulls = Nulls(Measures(null_draws=100, cluster_null_draws=20), images)
    rows = redundancy_rows(chunk, nulls)
    tables = {name: pd.DataFrame(own) for name, own in vars(rows).items()}
    made = {"runs": run_rows(chunk), "kernels": kernel_rows(chunk, 0), "controls": control_rows(chunk, nulls)}
    made |= stranger_tables([chunk], SimpleNamespace(train_images=images))._asdict()
    tables |= {name: pd.DataFrame(own) for name, own in made.items()}
    tables["excess"] = excess_table(tables["redundancy"])
    removal = pd.DataFrame(columns=[*RUN, "activation", "never_active", "nearest_cosine", "loss_increase"])
    tables["removal_correlations"] = removal_correlations(removal)
    tables |= {
        f"{name}_means": means_of(name, tables[name]) for name in ("runs", "redundancy", "functional", "controls")
    }
    page = described()
    for name, table in tables.items():
        assert set(table) - page[SHARED] - page[name] == set(), name
        assert page[name] - set(table) == set(), name


@pytest.mark.parametrize("name", MEANS)
def test_every_derived_table_is_described(name):
    page = described()
    assert {*MEANS[name].keys} <= page[SHARED] | page[f"{name}_means"] | page.get(name, set())
