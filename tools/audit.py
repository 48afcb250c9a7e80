"""Look the locked packages up in a database of known vulnerabilities, with pip-audit. A vulnerability is a failure.

Only where the database cannot be reached, as without internet, the audit is left out: the script says so and succeeds.
"""

import subprocess
import sys
from pathlib import Path

import requests

LOCK = Path(__file__).parents[1] / "requirements.lock"
DATABASE = "https://api.osv.dev/v1/query"
AUDIT = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--disable-pip", "--strict"]
AUDIT += ["--vulnerability-service", "osv", "--timeout", "15", "--progress-spinner", "off"]

if __name__ == "__main__":
    try:
        requests.head(DATABASE, timeout=15)
    except (requests.ConnectionError, requests.Timeout) as error:
        print(f"the dependency audit is left out: {DATABASE} is out of reach: {error}")
    else:
        sys.exit(subprocess.run([*AUDIT, *sys.argv[1:]]).returncode)
