"""How a script starts, and how it ends: with a message, not a traceback; interrupted, with its files tidied up."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

HEAD = """
import hashlib, os, signal, sys
from pathlib import Path
from filtertwins.errors import StudyError, interrupts_end_at_once, run_script
from filtertwins.files import atomic_write

def interrupt_me(number):
    os.kill(os.getpid(), number)
"""


def python(root, tmp_path, script, *arguments):
    """A script, run in `tmp_path`."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root / "src"), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def run(root, tmp_path, body, *arguments):
    """A script of the given main function, run in `tmp_path`."""
    script = HEAD + "def main():\n" + "\n".join(f"    {line}" for line in body.splitlines()) + "\nrun_script(main)\n"
    return python(root, tmp_path, script, *arguments)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise StudyError('seeds = 0; must be more')", "error: seeds = 0; must be more\n"),
        ("open('absent/file')", "error: absent/file: No such file or directory\n"),
        ("raise OSError(28, 'No space left on device', 'runs.csv')", "error: runs.csv: No space left on device\n"),
    ],
)
def test_a_failure_that_explains_itself_ends_with_its_message(root, tmp_path, body, message):
    done = run(root, tmp_path, body)
    assert (done.returncode, done.stderr) == (1, message)


@pytest.mark.parametrize("body", ["raise OSError('of no file')", "raise ValueError('a bug')"])
def test_a_bug_keeps_its_traceback(root, tmp_path, body):
    assert "Traceback" in run(root, tmp_path, body).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_write_is_tidied_up(root, tmp_path, number):
    body = """
with atomic_write(Path("runs.csv"), "w") as file:
    file.write("half")
    interrupt_me(int(sys.argv[1]))
"""
    (tmp_path / "runs.csv").write_text("old")
    done = run(root, tmp_path, body, int(number))
    assert (done.returncode, done.stderr) == (1, f"stopped by {number.name}\n")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("runs.csv", "old")]


def test_a_second_interrupt_ends_at_once_what_hangs_while_it_tidies_up(root, tmp_path):
    body = """
try:
    interrupt_me(signal.SIGINT)
finally:
    interrupt_me(signal.SIGINT)
    print("still here", flush=True)
"""
    done = run(root, tmp_path, body)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_compiled_code_is_ended_at_once_where_a_script_says_so(root, tmp_path, number):
    body = """
with interrupts_end_at_once():
    signal.setitimer(signal.ITIMER_REAL, 60)  # the end of a test that fails
    os.posix_spawn("/bin/kill", ["kill", f"-{sys.argv[1]}", str(os.getpid())], os.environ)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
    assert run(root, tmp_path, body, int(number)).returncode == -number


def test_afterwards_interrupts_are_tidy_again(root, tmp_path):
    done = run(root, tmp_path, "with interrupts_end_at_once():\n    pass\ninterrupt_me(signal.SIGINT)")
    assert done.stderr == "stopped by SIGINT\n"


JOB = r"""
import os
from types import SimpleNamespace
from snakemake.iocontainers import Namedlist
from filtertwins.errors import Job, StudyError, run_job
snakemake = SimpleNamespace(
    input=Namedlist(fromdict={"one": "a.csv", "several": ["b.csv", "c.csv"]}), output=Namedlist(["d.csv"]),
    params={}, wildcards={}, config={}, scriptdir="/there/scripts", log=Namedlist(["logs/job.log"]),
)
def main(job: Job) -> None:
    print("printed", job.input.one, len(job.input.several), job.output[0].suffix, job.root)
    os.write(1, b"of compiled code\n")
    os.system("echo of a child >&2")
    raise StudyError("it cannot be")
"""


@pytest.mark.parametrize("show", [False, True])
def test_all_that_a_job_prints_goes_to_its_log_and_where_asked_for_to_the_terminal(root, tmp_path, show):
    done = python(root, tmp_path, f"{JOB}\nrun_job(main, show={show})\n")
    expected = "printed a.csv 2 .csv /there\nof compiled code\nof a child\nerror: it cannot be\n"
    assert done.returncode == 1
    assert (tmp_path / "logs" / "job.log").read_text() == expected
    assert done.stdout + done.stderr == (expected if show else "")


def test_a_script_that_snakemake_does_not_run_does_nothing(root, tmp_path):
    script = "from filtertwins.errors import run_job\n@run_job\ndef main(job): raise ValueError"
    assert python(root, tmp_path, script).returncode == 0
