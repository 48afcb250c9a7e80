"""Run a rule's script as Snakemake does, but alone: for the benchmark and the tests.

    python tools/run_job.py train_networks '{"input": {"dataset": ...}, "output": [...], "params": {...}, "log": [...]}'

Lists stand for files or values without names. What is left out is empty.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.iocontainers import Namedlist

SCRIPTS = Path(__file__).parents[1] / "scripts"


def main() -> None:
    name, told = sys.argv[1], json.loads(sys.argv[2])
    parts: dict[str, Any] = {
        part: Namedlist(fromdict=told[part]) if isinstance(told.get(part), dict) else Namedlist(told.get(part, []))
        for part in ("input", "output", "params", "wildcards", "log")
    }
    job = SimpleNamespace(**parts, config=told.get("config", {}), scriptdir=str(SCRIPTS))
    runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": job}, "__main__")


if __name__ == "__main__":
    main()
