"""What Snakemake's own process, not a job's, guards against.

Interrupts that reach no job, folders that it cannot write, and files from the future.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from filtertwins.errors import StudyError

GRACE_S = 2.0  # Ctrl-C in a terminal has reached the jobs already: they get this long to tidy up
LEAST_FREE_BYTES = 2**20  # Snakemake's own notes and logs have room in less


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
    # By hand, since psutil.wait_procs would take the exit status of a job away from Snakemake, which then saw success.
    while processes:
        time.sleep(GRACE_S)
        processes = [process for process in processes if _interrupted(process)]


def _interrupted(process: psutil.Process) -> bool:
    """Interrupt a process; False if it has ended."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.send_signal(signal.SIGINT)
    except psutil.Error:
        return False
    return True


def require_writable(folders: Iterable[Path]) -> None:
    """Check that files can be made in some folders, which need not exist yet: allowed there, and some space left.

    Raises:
        StudyError: names every folder where that is not so.
    """
    existing = {next(path for path in (folder, *folder.resolve().parents) if path.exists()) for folder in folders}
    if refused := sorted(str(folder) for folder in existing if not os.access(folder, os.W_OK | os.X_OK)):
        raise StudyError(
            f"not writable: {', '.join(refused)}; allow writing there, or run in another folder (--directory)"
        )
    if full := sorted(str(folder) for folder in existing if _is_full(folder)):
        raise StudyError(f"no space left: {', '.join(full)}; make room, or run in another folder (--directory)")


def _is_full(folder: Path) -> bool:
    disk = shutil.disk_usage(folder)
    return disk.total > 0 and disk.free < LEAST_FREE_BYTES  # 0 in all: a file system that doesn't tell


def date_back(folders: Iterable[Path]) -> None:
    """Date files from the future, which a clock that goes wrong leaves, to now, in their order.

    Snakemake refuses to make anything of an input from the future, and would take an output from there for newer than
    whatever is made before that time comes.
    """
    now_ns = time.time_ns()
    dates = {}
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):  # of a job that runs beside this, a temporary file that is gone by now
                if path.is_file():
                    dates[path] = path.stat().st_mtime_ns
    future = sorted({date for date in dates.values() if date > now_ns})
    dates_now = {date: now_ns + place for place, date in enumerate(future)}
    for path, date in dates.items():
        if date in dates_now:
            with suppress(OSError):  # not ours to change; Snakemake will say what is wrong
                os.utime(path, ns=(dates_now[date], dates_now[date]))
