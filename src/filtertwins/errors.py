"""Failures that their message explains in full; and how a script starts, writes its log, and ends."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what batch systems send


class StudyError(Exception):
    """A failure whose message says all: what was found, where, and what is allowed. Shown without a traceback."""


class Files(list[Path]):
    """A job's files, in order, and by name those that have one. A name may stand for several files."""

    def __init__(self, named: Any) -> None:
        super().__init__(Path(path) for value in named for path in ([value] if isinstance(value, str) else value))
        for name, value in named.items():
            setattr(self, name, Path(value) if isinstance(value, str) else [Path(path) for path in value])


class Job:
    """What Snakemake tells a script about its job."""

    def __init__(self, snakemake: Any) -> None:
        self.input: Any = Files(snakemake.input)
        self.output: Any = Files(snakemake.output)
        self.params: Any = snakemake.params
        self.wildcards: Any = snakemake.wildcards
        self.config: dict[str, Any] = snakemake.config
        self.root = Path(snakemake.scriptdir).parent


def library_function(named: Mapping[str, Any]) -> Callable[..., Any]:
    """A function of the library that a job names by ``module`` and ``function``."""
    function: Callable[..., Any] = getattr(importlib.import_module(named["module"]), named["function"])
    return function


Main = Callable[[Job], None]


def run_job(main: Main, *, show: bool = False) -> Main:
    """Run the main function of a rule's script; whatever the process prints goes to the rule's log.

    Args:
        main: the function that this decorates. Without Snakemake, which puts an object ``snakemake`` into the script,
            it is not run.
        show: whether the output goes to Snakemake's terminal too.
    """
    if snakemake := main.__globals__.get("snakemake"):
        _send_output_to(Path(snakemake.log[0]), show)
        run_script(lambda: main(Job(snakemake)))
    return main


def run_script(main: Callable[[], object]) -> None:
    """Run a script's main function; a failure that explains itself ends it with its message and exit code 1.

    Such failures are a ``StudyError``, and an ``OSError`` that names a file: a full disk, or a read-only folder. An
    interrupt ends the script the same way, so that files being written are tidied up; a second one ends it at once.
    """
    gc.freeze()  # What is imported stays. With TensorFlow, looking for garbage in it took 0.4 s at the end.
    try:
        with _interrupts_handled_by(_stop):
            main()
    except StudyError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}")


def _send_output_to(log: Path, show: bool) -> None:
    """Send what Python and compiled code print from now on to a file, and where asked for to the terminal too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if show:  # In a session of its own, tee outlives an interrupt and shows what the script says about it.
        tee = subprocess.Popen(["tee", log], stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603, S607
        target = tee.stdin.fileno() if tee.stdin else -1
    else:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())


def interrupts_end_at_once() -> AbstractContextManager[None]:
    """Within, an interrupt ends the process as if killed: for long compiled calls, where Python handles no signal."""
    return _interrupts_handled_by(signal.SIG_DFL)


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
