"""An interrupt of Snakemake reaches its jobs too. For Snakemake's own process, not for jobs."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from types import FrameType

import psutil

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
