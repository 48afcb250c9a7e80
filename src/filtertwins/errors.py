"""Failures that their message explains in full, and how a script ends with one."""

from __future__ import annotations

import sys
from collections.abc import Callable


class StudyError(Exception):
    """A failure whose message says all: what was found, where, and what is allowed. Shown without a traceback."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main function; a ``StudyError`` ends it with its message and exit code 1."""
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
