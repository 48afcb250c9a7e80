"""The records beside the results say what Snakemake's own notes say, and give them back."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from filtertwins.records import NOTES, forget_records, restore_records, save_records

FOLDERS = [Path("results/digits"), Path("figures/digits")]
RECORDS = Path("results/digits/records.json")
LONG = "results/digits/" + "/".join(["x" * 90] * 3)  # a name too long for one file, in base 64
NOTE = {
    "rule": "collect_runs",
    "input": ["results/digits/weights/a.npz"],
    "log": ["logs/digits/collect_runs.log"],
    "params": ["'0123'"],
    "code": "run_script",
    "record_format_version": 6,
    "software_stack_hash": "d4",
    "input_checksums": {"results/digits/weights/a.npz": "sha256:00"},
}
OF_A_RUN = {"starttime": 1.0, "endtime": 2.0, "job_hash": 3, "incomplete": False, "conda_env": "IyBH", "shellcmd": "x"}


def snakemakes_name(path):
    """As Snakemake 9 names its notes."""
    name = urlsafe_b64encode(path.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    return NOTES.joinpath(*[f"@{part}" for part in parts[:-1]], parts[-1])


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working folder with files and Snakemake's notes on them."""
    monkeypatch.chdir(tmp_path)
    for path in ("results/digits/runs.csv", "figures/digits/twins.pdf", "results/mnist/runs.csv", LONG):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("made")
        snakemakes_name(path).parent.mkdir(parents=True, exist_ok=True)
        snakemakes_name(path).write_text(json.dumps(NOTE | OF_A_RUN))
    return tmp_path


def forget_notes():
    for path in sorted(NOTES.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    NOTES.rmdir()


def test_what_makes_a_file_stale_is_saved_of_the_given_folders_alone(clone):
    save_records(RECORDS, FOLDERS)
    assert json.loads(RECORDS.read_text()) == dict.fromkeys(
        ["figures/digits/twins.pdf", "results/digits/runs.csv", LONG], NOTE
    )


def test_equal_notes_give_equal_bytes(clone):
    save_records(RECORDS, FOLDERS)
    before = RECORDS.read_bytes()
    note = snakemakes_name("results/digits/runs.csv")
    note.write_text(json.dumps(dict(reversed((NOTE | OF_A_RUN | {"starttime": 7.5, "job_hash": 8}).items()))))
    save_records(RECORDS, FOLDERS)
    assert RECORDS.read_bytes() == before


def test_notes_on_files_that_are_gone_and_damaged_notes_are_left_out(clone):
    Path("results/digits/runs.csv").unlink()
    snakemakes_name("figures/digits/twins.pdf").write_text('{"rule": "plot_')
    (NOTES / "no base 64!").write_text("{}")
    save_records(RECORDS, FOLDERS)
    assert set(json.loads(RECORDS.read_text())) == {LONG}


def test_a_clone_without_notes_gets_them_back(clone):
    save_records(RECORDS, FOLDERS)
    forget_notes()
    restore_records(RECORDS, FOLDERS)
    restored = json.loads(snakemakes_name("results/digits/runs.csv").read_text())
    assert {name: restored[name] for name in NOTE} == NOTE
    assert restored["starttime"] == Path("results/digits/runs.csv").stat().st_mtime
    assert snakemakes_name(LONG).is_file()
    assert not snakemakes_name("results/mnist/runs.csv").exists()
    assert NOTES.with_name("incomplete").is_dir()
    before = RECORDS.read_bytes()
    save_records(RECORDS, FOLDERS)
    assert RECORDS.read_bytes() == before


def test_a_clone_with_notes_keeps_them(clone):
    save_records(RECORDS, FOLDERS)
    snakemakes_name("results/digits/runs.csv").write_text(json.dumps(NOTE | {"params": ["'4567'"]}))
    snakemakes_name("figures/digits/twins.pdf").unlink()
    restore_records(RECORDS, FOLDERS)
    assert json.loads(snakemakes_name("results/digits/runs.csv").read_text())["params"] == ["'4567'"]
    assert not snakemakes_name("figures/digits/twins.pdf").exists()


def test_notes_that_came_back_in_part_come_back_as_a_whole_the_next_time(clone, monkeypatch):
    save_records(RECORDS, FOLDERS)
    whole = RECORDS.read_bytes()
    forget_notes()
    written = []

    def fail_at_the_second(path, text, original=Path.write_text, **options):
        written.append(path)
        original(path, text[: None if len(written) == 1 else 9], **options)
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", fail_at_the_second)
        with pytest.raises(OSError, match="No space left"):
            restore_records(RECORDS, FOLDERS)
    restore_records(RECORDS, FOLDERS)
    save_records(RECORDS, FOLDERS)
    assert RECORDS.read_bytes() == whole
    snakemakes_name(LONG).unlink()
    restore_records(RECORDS, FOLDERS)  # and then no more
    assert not snakemakes_name(LONG).exists()


def test_a_record_that_leads_out_of_the_folders_or_to_no_file_is_not_restored(clone):
    outside = ["results/mnist/runs.csv", "results/digits/absent.csv", "/etc/passwd"]
    RECORDS.write_text(json.dumps(dict.fromkeys(outside, NOTE)))
    forget_notes()
    restore_records(RECORDS, FOLDERS)
    assert not [path for path in NOTES.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", ["", "{half", "[1]", "3", '{"results/digits/runs.csv": {}}', "\x00"])
def test_damaged_records_are_none(clone, content):
    RECORDS.write_text(content)
    forget_notes()
    restore_records(RECORDS, FOLDERS)
    assert not NOTES.exists()


def test_forgetting_is_done_once_or_twice(clone):
    save_records(RECORDS, FOLDERS)
    forget_records(RECORDS)
    forget_records(RECORDS)
    assert not RECORDS.exists()
