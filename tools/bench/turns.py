"""Train the same networks by this project and by others, in turns, and say what a training step takes each of them.

    make bench                                              all conditions on MNIST, at most ten minutes on 4 cores
    make bench OPTIONS='--minutes 30'                       more rounds
    make bench OPTIONS='--rounds 1'                         one round: some eight minutes on 2 ordinary cores
    make bench OPTIONS='--dataset digits --conditions question:16 --rounds 2'
    taskset --cpu-list 0,1 make bench                       on two cores only

In a round everybody has a turn at each condition, so that a slow spell hits all. PyTorch, JAX and the naive pipeline
have their turn in the first round alone. Further rounds follow as long as there is time. docs/benchmark.md says what is
compared. Tables go to ``results/bench/``; the rows of that page are printed too, as it has them.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from limit import limits, measure_machine, working_bytes
from tables import COMPETITORS, as_markdown, as_text, compare
from work import Trained, Work, call, processes, side_by_side

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import StudyError
from filtertwins.files import write_csv
from filtertwins.plan import Plan
from filtertwins.provenance import code_digest
from filtertwins.settings import load_settings

ROOT = Path(__file__).parents[2]
STEPS = {  # of each condition on MNIST: how many are trained, and by slow competitors
    ("question", 1): (400, 60),
    ("question", 16): (300, 30),
    ("question", 128): (200, 10),
    ("relu_3x1", 16): (300, 40),
    ("relu_5x5", 32): (200, 20),
}
OTHER_STEPS = (200, 20)
WARM, FEW_WARM = 20, 3
SEEDS = range(10)  # of the networks that are trained together
WORTH = 2000  # What a process pays once is spread over so many steps.


class Turns:
    """Takes the turns, and keeps them as rows of ``turns.csv``.

    Args:
        plan: the study's.
        cores: the number of cores.
        workers: processes that stay, by the module that trains in them.
    """

    def __init__(self, plan: Plan, cores: int, workers: Mapping[str, ProcessPoolExecutor]) -> None:
        self._plan, self._cores, self._workers = plan, cores, workers
        self._feeds: dict[tuple[str, int], list[str]] = {}  # of Keras fit, by condition: those still in use
        self.rows: list[dict[str, Any]] = []

    def every_round(self, work: Work, number: int) -> None:
        """The turns of Keras fit, which trains the seed of the round's number, and of this project."""
        own = replace(work, seeds=[number])
        feeds = self._feeds.get((work.name, work.filters), ["arrays", "tf_data"])
        tried = {feed: self._call("keras_fit", "train", own, feed) for feed in feeds}
        faster = min(feeds, key=lambda feed: tried[feed].step_s)
        self._feeds[work.name, work.filters] = [faster]
        self._record(own, number, "keras_fit", tried[faster])
        chunks = []
        for first in range(0, self._cores * len(work.seeds), len(work.seeds)):  # one for each core, as Snakemake has it
            condition = self._plan.condition(work.name, work.filters, first, len(work.seeds))
            condition["model"] |= {"steps": work.architecture.steps, "epochs": None}
            chunks.append((work, condition))
        self._record(work, number, "project", side_by_side("project", chunks))

    def first_round(self, work: Work, few: Work) -> None:
        """The turns of the others; slow ones train few steps, and Keras as many to compare accuracies with."""
        # The naive pipeline has a one-thread process for every network: import Keras, read the data, fit, test.
        alone = [(replace(work, seeds=[seed]), "tf_data", 1) for seed in range(self._cores)]
        self._record(work, 0, "naive", side_by_side("keras_fit", alone))
        weights, order = (self._call("keras_fit", what, few) for what in ("initial_weights", "batch_order"))
        own = replace(few, seeds=[0])
        self._record(own, 0, "keras_fit_few_steps", self._call("keras_fit", "train", own, "tf_data"))
        if "torch_loop" in self._workers:
            self._record(own, 0, "torch_loop", self._call("torch_loop", "train", own, weights[0], order[0]))
        if "jax_vmap" in self._workers:
            self._record(few, 0, "jax_vmap", self._call("jax_vmap", "train", few, weights, order))

    def _call(self, module: str, function: str, *arguments: object) -> Any:
        return self._workers[module].submit(call, module, function, *arguments).result()

    def _record(self, work: Work, number: int, competitor: str, trained: Trained) -> None:
        networks, steps = len(trained.accuracies), work.architecture.steps
        step_ms = 1000 * trained.step_s / networks
        whole_ms = 1000 * (trained.wall_s + (WORTH - steps) * trained.step_s) / networks / WORTH
        self.rows.append(
            {"architecture": work.name, "filters": work.filters, "round": number, "competitor": competitor}
            | {"networks": networks, "steps": steps, "step_ms": step_ms, "whole_ms": whole_ms}
            | {"accuracy": trained.accuracies.get(number)}  # of the network that Keras trains in this round
        )
        who = f"{work.name} {work.filters}, {COMPETITORS.get(competitor, competitor)}"
        print(f"round {number}: {who}: {step_ms:.3f} ms a step, {whole_ms:.3f} in all", flush=True)


def make_dataset(plan: Plan) -> Path:
    """The dataset's file, made by the workflow's own rule where it is not there yet."""
    path = plan.dataset_file(Path("data"))
    if not path.exists():
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
        command += ["--quiet", "all", "--config", f"dataset={plan.settings.dataset}", "--", str(path)]
        if subprocess.run(command).returncode:
            sys.exit(1)  # Snakemake has said why.
    return path.absolute()


def cpu_name() -> str:
    """The processor's name, as Linux has it."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def condition(text: str) -> tuple[str, int]:
    """An architecture's name and a number of filters, from ``question:16``."""
    architecture, _, filters = text.partition(":")
    return architecture, int(filters)


def main() -> None:
    start_s = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist", help="a name under datasets in config/config.yaml")
    parser.add_argument("--conditions", nargs="+", type=condition, metavar="ARCHITECTURE:FILTERS", default=STEPS)
    parser.add_argument("--rounds", type=int, default=20, help="at most so many (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="no round that may end later (default: %(default)s)")
    arguments = parser.parse_args()
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    cores = len(os.sched_getaffinity(0))
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    settings = load_settings(config | {"dataset": arguments.dataset})
    plan = Plan(settings, code_digest(ROOT / "scripts" / "fetch_dataset.py", ROOT / "src"))
    dataset = make_dataset(plan)
    data = load_dataset(dataset)
    seen = data.image_shape, data.classes
    conditions = {(name, filters): settings.studied[name] for name, filters in arguments.conditions}
    sizes = {working_bytes(architecture, filters, *seen) for (_, filters), architecture in conditions.items()}
    if others := [name for (name, _), architecture in conditions.items() if architecture.optimizer != "adam"]:
        raise StudyError(f"{', '.join(others)}: another optimizer than adam, the one that all competitors know")

    machine, round_s = [], 0.0
    with ExitStack() as stack:
        workers = {}
        for module, package in {"keras_fit": "keras", "torch_loop": "torch", "jax_vmap": "jax"}.items():
            if importlib.util.find_spec(package):
                workers[module] = stack.enter_context(processes(1))
            else:
                print(f"{package} is left out, since it is not installed: pip install {package}")
        turns = Turns(plan, cores, workers)
        for number in range(arguments.rounds):
            if number and time.monotonic() - start_s + round_s > 60 * arguments.minutes:
                break
            machine.append(measure_machine(cores, workers["keras_fit"], sizes))
            round_s = 0.0
            for (name, filters), architecture in conditions.items():
                work, few = (
                    Work(dataset, name, architecture.model_copy(update={"steps": steps}), filters, SEEDS, warm)
                    for steps, warm in zip(STEPS.get((name, filters), OTHER_STEPS), (WARM, FEW_WARM), strict=True)
                )
                turn_s = time.monotonic()
                turns.every_round(work, number)
                round_s += time.monotonic() - turn_s
                if number == 0:
                    turns.first_round(work, few)

    best = pd.DataFrame(machine).max()  # A limit comes from the best rates that were ever seen.
    taken = pd.DataFrame(turns.rows)
    table = compare(taken, limits(conditions, *seen, best))
    write_csv(taken, Path("results/bench/turns.csv"))
    write_csv(table, Path("results/bench/training.csv"))
    of_machine = f"{cpu_name()}, {cores} cores, {best['operations'] / 1e9:.0f} GFLOP/s"
    print("", of_machine, as_text(table), "For docs/benchmark.md:", as_markdown(table), sep="\n\n")
