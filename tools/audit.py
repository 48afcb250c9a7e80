"""Look the packages that are locked for this Python up in a database of known vulnerabilities, with pip-audit.

    python tools/audit.py [--ignore-vuln ID ...]

A vulnerability is a failure, and so is anything that goes wrong on the way. Only where the database does not answer at
all, as without internet, the audit is left out: the script says so and succeeds. Options that it does not know are
passed on to pip-audit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path

import requests

LOCK = Path(__file__).parents[1] / "requirements.lock"
DATABASE = "https://api.osv.dev/v1/query"


def why_out_of_reach(address: str, patience_s: float) -> str:
    """Why nobody answers at an address, or nothing if the question can be put; pip-audit reports all other errors."""
    reasons = [f"no answer within {patience_s:g} s"]

    def ask() -> None:
        try:
            requests.head(address, timeout=patience_s)
            reasons.append("")
        except requests.RequestException as error:
            nobody = isinstance(error, requests.ConnectionError | requests.Timeout)
            nobody = nobody and not isinstance(error, requests.exceptions.SSLError)  # After this one somebody answered.
            reasons.append(str(error) if nobody else "")

    asking = threading.Thread(target=ask, daemon=True)  # Looking up the name of a host has no timeout of its own.
    asking.start()
    asking.join(patience_s)
    return reasons[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requirements", type=Path, default=LOCK, help="packages, each with its hash")
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
