"""The dependency audit of `make lint`: what pip-audit says counts, and a database out of reach leaves it out."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PIP_AUDIT = "import sys; print('asked about', *sys.argv); sys.exit(3)"


@pytest.mark.parametrize(
    ("request_fails", "code", "told"),
    [
        ("pass", 3, "--ignore-vuln PYSEC-2026-1"),
        ("raise ConnectionError('no route')", 0, "the dependency audit is left out: "),
        ("raise Timeout('no answer')", 0, "the dependency audit is left out: "),
        ("raise ValueError('a bug')", 1, "ValueError"),
    ],
)
def test_the_lock_is_audited_unless_nobody_answers(root, tmp_path, request_fails, code, told):
    (tmp_path / "pip_audit.py").write_text(PIP_AUDIT)
    (tmp_path / "requests.py").write_text(
        f"ConnectionError, Timeout = type('C', (OSError,), {{}}), type('T', (OSError,), {{}})\n"
        f"def head(address, timeout):\n    {request_fails}\n"
    )
    command = [sys.executable, root / "tools" / "audit.py", "--ignore-vuln", "PYSEC-2026-1"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == code
    assert told in done.stdout
    assert (f"--requirement {root / 'requirements.lock'} " in done.stdout) == (code == 3)


def test_lint_runs_it(root):
    commands = (root / "Makefile").read_text(encoding="utf-8").split("\nlint: ")[1].split("\n\n")[0]
    assert "\tpython tools/audit.py\n" in commands + "\n"
