"""Failures that their message explains in full, and how a script ends: by one, or by an interrupt."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what batch systems send


class StudyError(Exception):
    """A failure whose message says all: what was found, where, and what is allowed. Shown without a traceback."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main function; a failure that explains itself ends it with its message and exit code 1.

    Such are a ``StudyError``, and an ``OSError`` that names a file: the disk is full, or a folder read-only. An
    interrupt ends the script the same way, so that files being written are tidied up; a second one ends it at once.
    """
    gc.freeze()  # what was imported stays; looking for garbage in it took 0.4 s at the end, with TensorFlow
    try:
        with _interrupts_handled_by(_stop):
            main()
    except StudyError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}")


@contextmanager
def interrupts_end_at_once() -> Iterator[None]:
    """Within, an interrupt ends the process as if killed: for long compiled calls, where Python handles no signal."""
    with _interrupts_handled_by(signal.SIG_DFL):
        yield


def _stop(number: int, _frame: object) -> None:
    for interrupt in _INTERRUPTS:
        signal.signal(interrupt, signal.SIG_DFL)
    sys.exit(f"stopped by {signal.Signals(number).name}")


@contextmanager
def _interrupts_handled_by(handler: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    before = {interrupt: signal.signal(interrupt, handler) for interrupt in _INTERRUPTS}
    try:
        yield
    finally:
        for interrupt, earlier in before.items():
            signal.signal(interrupt, earlier)
