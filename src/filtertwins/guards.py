"""What is checked before Snakemake makes anything: how it was called, that it may write, and has room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from filtertwins.errors import StudyError

LEAST_FREE_BYTES = 2**20  # Snakemake's own notes and logs need less.


def refuse_repeated_options(command: Sequence[str]) -> None:
    """Check that options that take several values stand once, since Snakemake sees the last one only.

    Raises:
        StudyError: names an option that stands twice, and how its values are given together.
    """
    words = [word.partition("=")[0] for word in command]
    for spellings in (("--configfile", "--configfiles"), ("--config", "-C")):
        if sum(map(words.count, spellings)) > 1:
            name = spellings[0]
            raise StudyError(f"{name} stands twice, and the last one would hide the first; use {name} first second")


def require_writable(folders: Iterable[Path]) -> None:
    """Check that files can be made in some folders, which need not exist yet.

    Raises:
        StudyError: names every folder where writing is not allowed, or where no space is left.
    """
    existing = {next(path for path in (folder, *folder.resolve().parents) if path.exists()) for folder in folders}
    if refused := sorted(str(folder) for folder in existing if not os.access(folder, os.W_OK | os.X_OK)):
        raise StudyError(
            f"not writable: {', '.join(refused)}; allow writing there, or run in another folder (--directory)"
        )
    disks = {folder: shutil.disk_usage(folder) for folder in existing}
    # Some file systems don't tell their size, and say 0.
    if full := sorted(str(folder) for folder, disk in disks.items() if disk.total and disk.free < LEAST_FREE_BYTES):
        raise StudyError(f"no space left: {', '.join(full)}; make room, or run in another folder (--directory)")
