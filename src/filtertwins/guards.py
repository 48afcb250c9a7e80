"""What Snakemake's own process, not a job's, guards against: interrupts that reach no job, folders it cannot write."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from filtertwins.errors import StudyError

GRACE_S = 2.0  # Ctrl-C in a terminal has reached the jobs already: they get this long to tidy up


def pass_on_interrupts() -> None:
    """From now on a SIGINT of this process is passed on to its descendants, again and again until they are gone.

    Snakemake by itself waits for the longest of its jobs, unless the terminal interrupts them too (as Ctrl-C does,
    and ``kill -INT`` or ``timeout`` do not).
    """
    if threading.current_thread() is threading.main_thread():  # only there can it be done
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Those of now: what Snakemake starts from now on, such as scancel, serves the tidying up.
    running = psutil.Process().children(recursive=True)
    threading.Thread(target=_interrupt_until_gone, args=[running], daemon=True).start()
    signal.default_int_handler(number, frame)


def _interrupt_until_gone(processes: list[psutil.Process]) -> None:
    while processes := psutil.wait_procs(processes, timeout=GRACE_S)[1]:
        for process in processes:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT)


def require_writable(folders: Iterable[Path]) -> None:
    """Check that files can be made in some folders, which need not exist yet.

    Raises:
        StudyError: names every folder where that is not so.
    """
    existing = {next(path for path in (folder, *folder.resolve().parents) if path.exists()) for folder in folders}
    if refused := sorted(str(folder) for folder in existing if not os.access(folder, os.W_OK | os.X_OK)):
        raise StudyError(
            f"not writable: {', '.join(refused)}; allow writing there, or run in another folder (--directory)"
        )
