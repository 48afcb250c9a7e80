"""What is checked before Snakemake makes anything."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext

import pytest

from filtertwins.errors import StudyError
from filtertwins.guards import refuse_repeated_options, require_writable


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        ("snakemake figures --configfile a.yaml b.yaml --config seeds=2 dataset=digits", None),
        ("snakemake --configfile a.yaml --configfile b.yaml", "--configfile"),
        ("snakemake --configfiles=a.yaml --cores 1 --configfile b.yaml", "--configfile"),
        ("snakemake -C seeds=2 --config dataset=digits", "--config"),
    ],
)
def test_an_option_whose_earlier_values_would_be_lost_stands_once(command, refused):
    with (
        pytest.raises(StudyError, match=f"^{refused} stands twice.* use {refused} first second")
        if refused
        else nullcontext()
    ):
        refuse_repeated_options(command.split())


def test_every_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    require_writable([tmp_path, tmp_path / "a" / "absent"])
    monkeypatch.setattr(os, "access", lambda path, _mode: path.name == "b")
    with pytest.raises(StudyError, match=r"not writable: \S+/a, \S+/c; allow"):
        require_writable([tmp_path / "a" / "absent", tmp_path / "b", tmp_path / "c"])


@pytest.mark.parametrize(("free", "refused"), [(0, True), (2**20 - 1, True), (2**20, False)])
def test_folders_without_space_are_named(tmp_path, monkeypatch, free, refused):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    usage = {"a": (2**30, 2**30 - free, free), "b": (2**30, 0, 2**30), "c": (0, 0, 0)}  # The last doesn't tell.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(*usage[path.name]))
    with pytest.raises(StudyError, match=r"no space left: \S+/a; make") if refused else nullcontext():
        require_writable([tmp_path / "a" / "absent", tmp_path / "b", tmp_path / "c"])
