"""What made each result, kept beside the results, so that they can be copied into a fresh clone.

Snakemake notes in its own folder what made a file: parameters, the code's digest among them, and inputs. By that it
sees what has become stale. A fresh clone over copied results lacks the notes; Snakemake would then take every file that
is newer than its inputs for good, even one that other settings or older code made.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filtertwins.files import write_text

NOTES = Path(".snakemake") / "metadata"
_KEPT = ("rule", "input", "log", "params", "code", "record_format_version", "software_stack_hash", "input_checksums")
_NAME_MAX = 255  # where the file system does not tell

Note = Mapping[str, Any]


def save_records(file: Path, folders: Iterable[Path], notes: Path = NOTES) -> None:
    """Copy Snakemake's notes on the files in some folders into one file; equal notes give equal bytes.

    What differs from run to run and makes nothing stale is left out: times, above all.
    """
    records = {
        path: {name: note[name] for name in _KEPT if name in note}
        for path, note in _notes_on(folders, notes)
        if Path(path).exists()
    }
    with suppress(OSError):  # results that may not be written: what was drawn from them is none the worse
        write_text(file, json.dumps(records, sort_keys=True, indent=0) + "\n")


def forget_records(file: Path) -> None:
    """Remove the records before any file is made anew: after a kill they would tell of the old one."""
    with suppress(OSError):
        file.unlink(missing_ok=True)


def restore_records(file: Path, folders: Iterable[Path], notes: Path = NOTES) -> None:
    """Give Snakemake its notes on the files in some folders back, if it has none; a damaged file counts as none.

    Half of them would be worse than none: if a kill ends this, the next time does it all again.
    """
    unfinished = notes.with_name("restoring")
    if not file.exists() or (not unfinished.exists() and any(True for _ in _notes_on(folders, notes))):
        return
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
        restored = {path: {name: record[name] for name in _KEPT} for path, record in records.items()}
    except (ValueError, TypeError, AttributeError, KeyError):
        return
    for folder in (notes, notes.with_name("incomplete")):  # without the latter, Snakemake takes its notes for old ones
        folder.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    for path, record in restored.items():
        if _lies_in(path, folders) and Path(path).exists():
            made_s = Path(path).stat().st_mtime
            job = int(hashlib.sha256(str(record["log"]).encode()).hexdigest()[:12], 16)  # alike for a job's outputs
            note = record | {"starttime": made_s, "endtime": made_s, "job_hash": job, "incomplete": False}
            target = _note_file(path, notes)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(note), encoding="utf-8")
    unfinished.unlink(missing_ok=True)  # a dry run beside this does the same


def _lies_in(path: str, folders: Iterable[Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _notes_on(folders: Iterable[Path], notes: Path) -> Iterator[tuple[str, Note]]:
    """Path and note of every file in some folders; Snakemake names a note's file by the path in base 64."""
    folders = list(folders)
    for folder, _, names in os.walk(notes):
        parents = [part.removeprefix("@") for part in Path(folder).relative_to(notes).parts]
        for name in names:
            try:
                path = urlsafe_b64decode("".join([*parents, name])).decode()
                if _lies_in(path, folders):
                    yield path, json.loads(Path(folder, name).read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue  # no note of Snakemake's, or one that a kill cut off, or that is gone by now


def _note_file(path: str, notes: Path) -> Path:
    longest = (os.pathconf(notes, "PC_NAME_MAX") if hasattr(os, "pathconf") else _NAME_MAX) - 1
    name = urlsafe_b64encode(path.encode()).decode()
    *parents, last = (name[start : start + longest] for start in range(0, len(name), longest))
    return notes.joinpath(*(f"@{part}" for part in parents), last)
