"""Competitors as processes: some that wait for work, and some that are started for it, side by side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from work import Trained, Work

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
STEP = re.compile(r"step (\d+)/\d+")


class Worker:
    """A process that trains what it is asked to, one after another (``work.serve``)."""

    def __init__(self, script: str, *arguments: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ENVIRONMENT,
        )
        self._answer()

    def train(self, work: Work) -> Trained:
        self._process.stdin.write(work.as_json() + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        accuracies = {int(seed): accuracy for seed, accuracy in answer.pop("accuracies").items()}
        return Trained(**answer, accuracies=accuracies)

    def _answer(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args[1]} ended with {self._process.wait()}")
        return line

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True)
class Run:
    """What a process that was started for one piece of work took."""

    wall_s: float
    step_s: float  # between the first step that it reported and the last one


def side_by_side(commands: Sequence[Sequence[str]]) -> list[Run]:
    """Start processes at the same moment and wait for all. Each reports its steps as lines ``step 100/2000``."""
    runs: list[Run | None] = [None] * len(commands)

    def follow(index: int) -> None:
        start_s, reported = time.perf_counter(), []
        process = subprocess.Popen(
            commands[index], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | ENVIRONMENT
        )
        printed = []
        for line in process.stdout:
            printed.append(line)
            if found := STEP.search(line):
                reported.append((int(found[1]), time.perf_counter()))
        if process.wait():
            raise RuntimeError(f"{' '.join(commands[index])} failed:\n{''.join(printed)}")
        (first, first_s), (last, last_s) = reported[0], reported[-1]
        runs[index] = Run(time.perf_counter() - start_s, (last_s - first_s) / (last - first))

    threads = [threading.Thread(target=follow, args=[index]) for index in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if None in runs:
        raise SystemExit("error: a process failed (above)")
    return runs
