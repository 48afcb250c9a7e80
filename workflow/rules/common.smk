# What every rule file uses: the validated settings, the paths, how a job calls its script.
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from filtertwins.provenance import code_digest
from filtertwins.settings import SettingsError, load_settings
from filtertwins.weights import chunk_name

try:
    settings = load_settings(config)
except SettingsError as error:
    raise WorkflowError(str(error)) from None

DATASET = settings.dataset
DATA = Path("data")
RESULTS = Path("results") / DATASET
FIGURES = Path("figures") / DATASET
LOGS = Path("logs") / DATASET
BENCHMARKS = Path("benchmarks") / DATASET


wildcard_constraints:
    architecture=r"[A-Za-z][A-Za-z0-9_]*",
    filters=r"\d+",
    first=r"\d+",
    last=r"\d+",


# Scripts find the library without an installation, with the Python that runs Snakemake.
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(ROOT / 'src'))}; ")


def script(name):
    """The command that runs a script of this repository."""
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'scripts' / name))}.py"


def code(name):
    """Digest of a script and the library modules it uses: a parameter, so that editing them makes the job stale."""
    return code_digest(ROOT / "scripts" / f"{name}.py", ROOT / "src")


def as_json(values):
    return json.dumps(values, sort_keys=True)
