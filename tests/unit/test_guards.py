"""What Snakemake's own process guards against."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from filtertwins.errors import StudyError
from filtertwins.guards import date_back, require_writable

INTERRUPTED = """
import subprocess, sys, time
from filtertwins.guards import pass_on_interrupts
import filtertwins.guards
filtertwins.guards.GRACE_S = 0.2
pass_on_interrupts()
job = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
job.stdout.readline()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", job.wait(), flush=True)
"""
DEAF_AT_FIRST = """
import signal, time
def first(*_):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGINT, first)
print("started", flush=True)
for _ in range(600):
    time.sleep(0.1)
"""


def test_an_interrupt_of_the_parent_alone_is_passed_on_until_the_job_is_gone(root):
    parent = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, DEAF_AT_FIRST],
        env={"PYTHONPATH": str(root / "src")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGINT)
        assert parent.communicate(timeout=30)[0] == f"interrupted {-signal.SIGINT}\n"
    finally:
        if parent.poll() is None:
            os.killpg(parent.pid, signal.SIGKILL)


def test_folders_that_exist_or_not_can_be_written(tmp_path):
    require_writable([tmp_path, tmp_path / "a" / "b"])


def test_every_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: path.name == "b")
    with pytest.raises(StudyError, match=r"not writable: \S+/a, \S+/c; allow"):
        require_writable([tmp_path / "a" / "absent", tmp_path / "b", tmp_path / "c"])


@pytest.mark.parametrize(("free", "refused"), [(0, True), (2**20 - 1, True), (2**20, False)])
def test_folders_without_space_are_named(tmp_path, monkeypatch, free, refused):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    usage = {"a": (2**30, 2**30 - free, free), "b": (2**30, 0, 2**30), "c": (0, 0, 0)}  # the last doesn't tell
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(*usage[path.name]))
    with pytest.raises(StudyError, match=r"no space left: \S+/a; make") if refused else nullcontext():
        require_writable([tmp_path / "a" / "absent", tmp_path / "b", tmp_path / "c"])


def test_files_from_the_future_are_dated_to_now_in_their_order(tmp_path):
    now_s = time.time()
    dates_s = {"past": now_s - 100, "later": now_s + 300, "latest": now_s + 500, "also later": now_s + 300}
    for name, date_s in dates_s.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (date_s, date_s))
    date_back([tmp_path, tmp_path / "absent"])
    found = {name: (tmp_path / name).stat().st_mtime_ns for name in dates_s}
    assert found["past"] == pytest.approx(dates_s["past"] * 1e9, abs=1000)
    assert found["past"] < found["later"] == found["also later"] < found["latest"] <= time.time_ns()
