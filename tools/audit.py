"""Look the packages that are locked for this Python up in a database of known vulnerabilities, with pip-audit.

    python tools/audit.py [--ignore-vuln ID ...]

A vulnerability is a failure, and so is whatever goes wrong on the way. Only where the database does not answer at all,
as without internet, this says so, leaves the audit out, and succeeds. What it does not know is passed on to pip-audit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path

import requests

ROOT = Path(__file__).parents[1]
DATABASE = "https://api.osv.dev/v1/query"


def why_out_of_reach(address: str, patience_s: float) -> str | None:
    """Why nobody answers at an address; None if anybody does, or if something else is wrong, as pip-audit will tell."""
    reasons: list[str | None] = []

    def ask() -> None:
        try:
            requests.head(address, timeout=patience_s)
            reasons.append(None)
        except requests.RequestException as error:
            out_of_reach = isinstance(error, requests.ConnectionError | requests.Timeout)
            untrusted = isinstance(error, requests.exceptions.SSLError)
            reasons.append(str(error) if out_of_reach and not untrusted else None)

    asking = threading.Thread(target=ask, daemon=True)  # looking up a host's name has no timeout of its own
    asking.start()
    asking.join(patience_s)
    return reasons[0] if reasons else f"no answer within {patience_s:g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requirements", type=Path, default=ROOT / "requirements.lock", help="locked by hash")
    parser.add_argument("--database", default=DATABASE, help="address of an OSV database")
    parser.add_argument("--patience-s", type=float, default=15, help="how long to wait for its answer")
    arguments, others = parser.parse_known_args()
    if reason := why_out_of_reach(arguments.database, arguments.patience_s):
        print(f"the dependency audit is left out: {arguments.database} is out of reach: {reason}")
        return
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(arguments.requirements), "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--osv-url", arguments.database, "--strict", "--timeout", "15"]
    sys.exit(subprocess.run([*command, "--progress-spinner", "off", *others]).returncode)


if __name__ == "__main__":
    main()
