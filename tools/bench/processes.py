"""Competitors as processes: some wait for work, others are started for it side by side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from work import Trained, Work

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ENVIRONMENT = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
STEP = re.compile(r"step (\d+)/\d+")


class Worker:
    """A process that trains what it is asked to (``work.serve``), from its first use to its end.

    Args:
        arguments: a script of this folder and its arguments.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process

    def train(self, work: Work) -> Trained:
        """Have work done, and wait for the result."""
        process = self._process = self._process or self._started()
        print(work.as_json(), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise SystemExit(f"error: {' '.join(self._arguments)} failed:\n{self._log.read()}")
        answer = json.loads(line)
        return Trained(answer["wall_s"], answer["step_s"], by_seed(answer["accuracies"]))

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / self._arguments[0]), *self._arguments[1:]]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        return subprocess.Popen(command, text=True, env=os.environ | ENVIRONMENT, **streams)

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.stdin.close()
            self._process.wait()


@dataclass(frozen=True)
class Run:
    """A process that was started for one piece of work."""

    wall_s: float
    step_s: float  # the time of a step, from the first one that it reported to the last
    printed: list[str]


def side_by_side(commands: Sequence[Sequence[str]]) -> list[Run]:
    """Start processes together, each on one core if there are several, and wait for all.

    Each reports its steps in lines with ``step 100/2000``, the first when all is compiled.
    """
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(_run, commands))


def _run(command: Sequence[str]) -> Run:
    start_s = time.perf_counter()
    printed, reported = [], []
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = os.environ | ENVIRONMENT | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}  # as in the workflow
    with subprocess.Popen(command, text=True, env=environment, **streams) as process:
        for line in process.stdout:
            printed.append(line)
            if found := STEP.search(line):
                reported.append((int(found[1]), time.perf_counter()))
    if process.returncode:
        raise SystemExit(f"error: {' '.join(command)} failed:\n{''.join(printed)}")
    (first, first_s), (last, last_s) = reported[0], reported[-1]
    return Run(time.perf_counter() - start_s, (last_s - first_s) / (last - first), printed)


def together(runs: Sequence[Run], accuracies: dict[int, float]) -> Trained:
    """Runs side by side as one, which ends with the last of them; their rates add up."""
    rate = sum(1 / run.step_s for run in runs)
    return Trained(max(run.wall_s for run in runs), len(runs) / rate, accuracies)


def by_seed(accuracies: dict[str, float]) -> dict[int, float]:
    """Accuracies with seeds as numbers, which JSON cannot hold."""
    return {int(seed): accuracy for seed, accuracy in accuracies.items()}
