"""Stopping a study at a chosen moment: no test here sleeps and hopes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from studies import clean_environment

PATIENCE_S = 300

# Python runs a module of this name at its start. From the library's folder it reaches every script, but not Snakemake.
IN_EVERY_SCRIPT = '''
"""Where a test says so, a script waits: as it prints a line, or just before a file takes its name."""
import builtins, hashlib, os, pathlib, time

WHERE, PAUSED, BUSY = (os.environ.get(f"TEST_{name}", "") for name in ("PAUSE_AT", "PAUSED", "BUSY"))

def pause_at(reached):
    if WHERE and WHERE in reached:
        pathlib.Path(PAUSED).touch()
        if BUSY:  # in compiled code, where Python handles no signal
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        while os.path.exists(PAUSED):
            time.sleep(0.01)

def print_and_pause(*arguments, print=print, **options):
    print(*arguments, **options)
    pause_at(" ".join(map(str, arguments)))

def pause_and_replace(path, target, replace=pathlib.Path.replace):
    pause_at(os.fspath(target))
    return replace(path, target)

builtins.print, pathlib.Path.replace = print_and_pause, pause_and_replace

if LIMIT := os.environ.get("TEST_LARGEST_FILE"):  # a full disk, for this script alone
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(LIMIT), int(LIMIT)))
'''


def reach_every_script(study):
    """Let the scripts of this copy of the tree do what the environment variables TEST_... say."""
    (study.folder / "src" / "sitecustomize.py").write_text(IN_EVERY_SCRIPT, encoding="utf-8")


@dataclass
class Running:
    """Snakemake in a process group of its own, with a job that waits where it was told to."""

    process: subprocess.Popen
    _printed: Path
    _paused: Path

    @property
    def output(self) -> str:
        """What it has printed so far, both streams."""
        return self._printed.read_text(encoding="utf-8")

    def wait_for_the_pause(self):
        """Wait until the job is where it was to wait."""
        start_s = time.monotonic()
        while not self._paused.exists():
            assert self.process.poll() is None, self.output
            assert time.monotonic() - start_s < PATIENCE_S, self.output
            time.sleep(0.01)

    def go_on(self):
        """Let the job go on; returns all output once Snakemake has ended well."""
        self._paused.unlink()
        assert self.process.wait(PATIENCE_S) == 0, self.output
        return self.output

    def signal(self, number):
        """Send a signal to the whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)

    def members(self):
        """What is left of the process group: the names of its processes."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                name, _, rest = status.read_text(errors="replace").partition("(")[2].rpartition(")")
                state, _, group = rest.split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found.append(name)
        return found


@pytest.fixture
def on_a_full_disk():
    """A function: run Snakemake where no script can write more than so many bytes into a file; its output."""

    def run(study, *arguments, largest_file):
        reach_every_script(study)
        return study.snakemake(*arguments, exit_code=1, TEST_LARGEST_FILE=str(largest_file))

    return run


@pytest.fixture(scope="session")
def with_own_mounts():
    """What a command is run by so that it may mount file systems, which nobody else sees and which go with it."""
    # An ordinary user needs a user namespace for that.
    under = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
    mounts = ("sh", "-c", "mount -t tmpfs none /mnt")
    if shutil.which("unshare") is None or subprocess.run([*under, *mounts], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    return under


@pytest.fixture
def running(tmp_path):
    """A function: start Snakemake in a study, and wait until a job of its is at a line or a file."""
    with suppress_at_end() as started:

        def start(study, *arguments, at, busy=False):
            number = len(started)
            reach_every_script(study)
            printed, paused = tmp_path / f"printed-{number}.txt", tmp_path / f"paused-{number}"
            with printed.open("w") as stream:
                process = subprocess.Popen(
                    study.command(*arguments),
                    cwd=study.folder,
                    env=clean_environment()
                    | {"TEST_PAUSE_AT": at, "TEST_PAUSED": str(paused), "TEST_BUSY": "1" if busy else ""},
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            started.append(process)
            run = Running(process, printed, paused)
            run.wait_for_the_pause()
            return run

        yield start


@contextmanager
def suppress_at_end():
    """Processes whose groups are killed at the end, whatever the test did."""
    started: list[subprocess.Popen] = []
    try:
        yield started
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
