"""The dependency audit of `make lint`: a vulnerability fails it, and so does all else but a database out of reach."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PINS = {"jinja2": "3.1.6", "pyyaml": "6.0.3"}
KNOWN = {
    "id": "PYSEC-2026-1",
    "summary": "Reads what it should not",
    "affected": [
        {
            "package": {"name": "pyyaml", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "6.0.4"}]}],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does; a subclass says with what status, None for silence, and what is known of packages."""

    def do_HEAD(self):
        if self.status is None:
            self.silence.wait(30)
            return
        self.send_response(405)
        self.end_headers()

    def do_POST(self):
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.asked.append((name, query["version"]))
        answer = json.dumps({"vulns": self.known[name]} if name in self.known else {})
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def audit(root, tmp_path):
    """A function: audit two pinned packages by a database; the ended process, and what the database was asked."""
    lock = tmp_path / "requirements.lock"
    lock.write_text("".join(f"{name}=={version} --hash=sha256:{64 * '0'}\n" for name, version in PINS.items()))

    def run(*options, address=None, **answers):
        told = {"known": {}, "status": 200, "asked": [], "silence": threading.Event()} | answers
        handler = type("Told", (Database,), told)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            serving.start()
            database = address or f"http://127.0.0.1:{server.server_port}/v1/query"
            command = [sys.executable, root / "tools" / "audit.py", "--requirements", lock, "--database", database]
            done = subprocess.run(
                [*command, *options],
                env={"HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            handler.silence.set()
            server.shutdown()
            serving.join()
        return done, handler.asked

    return run


def test_every_package_is_asked_for_and_a_known_vulnerability_that_was_weighed_may_be_ignored(audit):
    done, asked = audit("--ignore-vuln", "PYSEC-2026-1", known={"pyyaml": [KNOWN]})
    assert done.returncode == 0, done.stdout
    assert "No known vulnerabilities found" in done.stdout
    assert sorted(asked) == sorted(PINS.items())


def test_a_known_vulnerability_fails_it_by_name(audit):
    done, _ = audit(known={"pyyaml": [KNOWN]})
    assert done.returncode == 1
    assert "Found 1 known vulnerability" in done.stdout
    assert all(word in done.stdout for word in ("pyyaml", "6.0.3", "PYSEC-2026-1", "6.0.4"))


@pytest.mark.parametrize("wrong", [{"status": 500}, {"address": "htp://127.0.0.1/v1/query"}])
def test_a_database_that_answers_but_not_the_question_fails_it(audit, wrong):
    done, _ = audit(**wrong)
    assert done.returncode == 1
    assert "left out" not in done.stdout


@pytest.mark.parametrize(
    ("nobody", "reason"),
    [
        ({"address": "http://127.0.0.1:9/v1/query"}, "Connection refused"),  # nobody listens at this port
        ({"status": None}, ""),
    ],
)
def test_where_nobody_answers_the_audit_is_left_out_in_words(audit, nobody, reason):
    done, asked = audit("--patience-s", "1", **nobody)
    assert done.returncode == 0
    assert done.stdout.startswith("the dependency audit is left out: http://127.0.0.1:")
    assert " is out of reach: " in done.stdout
    assert reason in done.stdout
    assert asked == []


def test_lint_runs_it_on_the_lock(root):
    commands = (root / "Makefile").read_text(encoding="utf-8").split("\nlint: ")[1].split("\n\n")[0]
    assert "\tpython tools/audit.py\n" in commands + "\n"
    assert runpy.run_path(str(root / "tools" / "audit.py"))["LOCK"] == root / "requirements.lock"
