"""Train the same work by this project and by others, in turns, and say what a training step takes each of them.

    make bench                                              all conditions on MNIST, at most ten minutes on 4 cores
    make bench OPTIONS='--minutes 30'                       more rounds
    make bench OPTIONS='--conditions question:16 --steps 2000 --rounds 1'

What is compared is the time of a *model-step*: one network, one batch, forward, backward and optimiser, with all cores
at work. Whoever trains several networks together or side by side divides the time by their number. It is given twice:

    step_ms     steps alone, after the first ones. Start-up, compilation and testing do not count for anyone.
    whole_ms    with all that is paid once, spread over the 2000 steps of a whole training. For Keras fit, JAX and
                PyTorch, whose process trains one model after another, that is the compilation. For this project and for
                the naive pipeline it is a whole process from its start to its end: imports, reading the data,
                compilation, testing, writing. So this ratio favours the others.

Fewer than 2000 steps are trained, as many as leave time for several rounds, and the time of further steps is added at
the rate of the timed ones. All start from the same initial weights and see the same batches, so the networks of a seed
must end with the same accuracy on the test images, up to what rounding does; the tables hold the difference to Keras.

In a round everybody has a turn at each condition, so that a slow spell hits all. JAX and PyTorch, the naive pipeline
and the conditions that only the whole grid's estimate needs have their turn in the first round alone. Further rounds
follow as long as there is time.

Tables go to ``results/bench/``, the figure ``bench_training`` to ``figures/bench/``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

import naive  # noqa: E402
import pandas as pd  # noqa: E402
import project  # noqa: E402
import yaml  # noqa: E402
from figure import draw  # noqa: E402
from limit import limits, working_bytes  # noqa: E402
from processes import ENVIRONMENT, HERE, Worker  # noqa: E402
from tables import COMPETITORS, CONDITION, as_text, compare, estimate_grid, grid_text  # noqa: E402
from work import Trained, Work  # noqa: E402

from filtertwins.data.datasets import DATASET_SHAPES  # noqa: E402
from filtertwins.errors import run_script  # noqa: E402
from filtertwins.figures.output import save  # noqa: E402
from filtertwins.figures.style import Look  # noqa: E402
from filtertwins.files import read_npz, write_csv  # noqa: E402
from filtertwins.plan import Plan  # noqa: E402
from filtertwins.provenance import code_digest  # noqa: E402
from filtertwins.settings import load_settings  # noqa: E402

Condition = tuple[str, int]
"""Architecture and number of filters."""


@dataclass(frozen=True)
class Turns:
    """How many steps of a condition are trained: the project reports every 100, and is timed from the first report."""

    steps: int
    few: int = 0  # the steps of slow competitors; 0 where only the whole grid's estimate needs it


MNIST = {
    ("question", 1): Turns(400, few=60),
    ("question", 16): Turns(300, few=30),
    ("question", 128): Turns(200, few=10),
    ("relu_3x1", 16): Turns(300, few=40),
    ("relu_5x5", 32): Turns(200, few=20),
    ("relu_3x1", 1): Turns(200),
    ("relu_3x1", 100): Turns(200),
    ("relu_5x5", 1): Turns(200),
    ("relu_5x5", 100): Turns(200),
}
WORTH = 2000  # the steps over which the costs of a process are spread
WARM, FEW_WARM = 20, 3
OTHERS = {"torch": "torch_loop.py", "jax": "jax_vmap.py"}


class Bench:
    """Takes the turns, and keeps them as rows of tables.

    Args:
        plan: the study's.
        dataset: the dataset's file.
        seeds: how many seeds are trained together by those who can.
        cores: the number of cores.
        workers: the processes that wait for work, by name.
    """

    def __init__(self, plan: Plan, dataset: Path, seeds: int, cores: int, workers: dict[str, Worker]) -> None:
        self._plan, self._dataset, self._seeds, self._cores = plan, dataset, seeds, cores
        self._workers = workers
        self._feeds: dict[Condition, str] = {}  # the faster feed of Keras fit
        self.turns: list[dict[str, Any]] = []
        self.accuracies: list[dict[str, Any]] = []

    def every_round(self, condition: Condition, steps: int, number: int) -> None:
        """The turns of Keras fit, which trains the seed of the round's number, and of this project."""
        work = self._work(condition, steps, WARM)
        feeds = [self._feeds[condition]] if condition in self._feeds else ["arrays", "tf_data"]
        trained = {feed: self._workers[feed].train(work.of_seeds([number])) for feed in feeds}
        fastest = self._feeds[condition] = min(feeds, key=lambda feed: trained[feed].step_s)
        for feed in feeds:
            name = "keras" if feed == fastest else "keras_slower_feed"
            self._record(condition, steps, number, name, trained[feed], feed)
        self._record(condition, steps, number, "project", project.train(work, self._cores))

    def first_round(self, condition: Condition, turns: Turns) -> None:
        """The turns of the others."""
        work = self._work(condition, turns.steps, WARM)
        self._record(condition, turns.steps, 0, "naive", naive.train(work, self._cores))
        if all(
            row["competitor"] != "naive_alone" for row in self.turns
        ):  # Its cost beside Keras fit is the same everywhere.
            self._record(condition, turns.steps, 0, "naive_alone", naive.train_alone(work))
        others = [name for name in OTHERS if turns.few and name in self._workers]
        if others:
            work = self._work(condition, turns.few, FEW_WARM)
            self._note(condition, turns.few, "keras", self._workers["tf_data"].train(work.of_seeds([0])))
        for name in others:
            own = work if name == "jax" else work.of_seeds([0])
            self._record(condition, turns.few, 0, name, self._workers[name].train(own))

    def _work(self, condition: Condition, steps: int, warm: int) -> Work:
        whole = self._plan.condition(*condition, 0, self._seeds - 1)
        return Work(str(self._dataset), whole | {"model": whole["model"] | {"steps": steps}}, warm)

    def _record(
        self, condition: Condition, steps: int, number: int, competitor: str, trained: Trained, feed: str = ""
    ) -> None:
        networks = len(trained.accuracies)
        whole_s = trained.wall_s + (WORTH - steps) * trained.step_s
        step_ms, whole_ms = 1000 * trained.step_s / networks, 1000 * whole_s / networks / WORTH
        self.turns.append(
            dict(zip(CONDITION, condition, strict=True))
            | {"round": number, "competitor": competitor, "feed": feed, "networks": networks, "steps": steps}
            | {"wall_s": trained.wall_s, "step_ms": step_ms, "whole_ms": whole_ms}
        )
        self._note(condition, steps, competitor, trained)
        line = f"{condition[0]} {condition[1]}, {COMPETITORS.get(competitor, competitor)} {feed}".strip()
        print(f"round {number}: {line}: {step_ms:.3f} ms a model-step, {whole_ms:.3f} in all", flush=True)

    def _note(self, condition: Condition, steps: int, competitor: str, trained: Trained) -> None:
        self.accuracies += [
            dict(zip(CONDITION, condition, strict=True))
            | {"competitor": competitor, "steps": steps, "seed": seed, "accuracy": accuracy}
            for seed, accuracy in trained.accuracies.items()
        ]


def make_dataset(plan: Plan, folder: Path) -> Path:
    """The dataset's file in a study's folder, made by the workflow's own rule where it is not there yet."""
    path = plan.dataset_file(Path("data"))
    if not (folder / path).exists():
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
        command += ["--quiet", "all", "--directory", str(folder), "--config", f"dataset={plan.settings.dataset}"]
        if subprocess.run([*command, "--", str(path)]).returncode:
            sys.exit(1)  # Snakemake has said why.
    return (folder / path).absolute()


def measure_machine(cores: int, working_sets: Iterable[int]) -> dict[str, float]:
    """What ``limit.py`` finds: operations a second, and bytes a second copied in each working set."""
    command = [sys.executable, str(HERE / "limit.py"), str(cores), *map(str, working_sets)]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: limit.py failed:\n{done.stderr}")
    return json.loads(done.stdout)


def cpu_name() -> str:
    """The processor's name, as Linux has it."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _condition(text: str) -> Condition:
    architecture, _, filters = text.partition(":")
    return architecture, int(filters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist", help="a name under datasets in config/config.yaml")
    parser.add_argument("--conditions", nargs="+", type=_condition, metavar="ARCHITECTURE:FILTERS", default=MNIST)
    parser.add_argument("--steps", type=int, help="of each condition; by default as many as leave time for all")
    parser.add_argument("--seeds", type=int, default=10, help="trained together (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="at most so many (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="no round that may end later (default: %(default)s)")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="by default all")
    parser.add_argument("--folder", type=Path, default=Path(), help="where data/, results/bench and figures/bench are")
    arguments = parser.parse_args()

    start_s = time.monotonic()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])  # Processes inherit it.
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    settings = load_settings(config | {"dataset": arguments.dataset})
    plan = Plan(settings, code_digest(ROOT / "scripts" / "fetch_dataset.py", ROOT / "src"))
    conditions = {condition: MNIST.get(condition, Turns(200, few=20)) for condition in arguments.conditions}
    if arguments.steps:
        conditions = {condition: Turns(arguments.steps, few=min(20, arguments.steps)) for condition in conditions}
    dataset = make_dataset(plan, arguments.folder)
    image_shape = read_npz(dataset, DATASET_SHAPES)["test_images"].shape[1:]
    compared = {name: settings.studied[name[0]] for name, turns in conditions.items() if turns.few}
    working_sets = {working_bytes(architecture, name[1], image_shape) for name, architecture in compared.items()}

    workers = {feed: Worker("keras_fit.py", feed) for feed in ("arrays", "tf_data")}
    for name, script in OTHERS.items():
        if importlib.util.find_spec(name):
            workers[name] = Worker(script)
        else:
            print(f"{name} is left out, since it is not installed: pip install {name}")
    bench = Bench(plan, dataset, arguments.seeds, arguments.cores, workers)
    machine, round_s = [], 0.0
    with ExitStack() as stack:
        for worker in workers.values():
            stack.enter_context(closing(worker))
        for number in range(arguments.rounds):
            if number and time.monotonic() - start_s + round_s > 60 * arguments.minutes:
                break
            machine.append(measure_machine(arguments.cores, working_sets))
            round_s = 0.0
            for condition, turns in conditions.items():
                turn_s = time.monotonic()
                if turns.few or not number:
                    bench.every_round(condition, turns.steps, number)
                if turns.few:
                    round_s += time.monotonic() - turn_s
                if not number:
                    bench.first_round(condition, turns)

    turns, accuracies = pd.DataFrame(bench.turns), pd.DataFrame(bench.accuracies)
    best = pd.DataFrame(machine).max()  # A limit comes from the best rates that were ever seen.
    limit = limits(compared, image_shape, best)
    table = compare(turns[turns[CONDITION].apply(tuple, axis=1).isin(compared)], accuracies, limit)
    grid = estimate_grid(turns, settings.studied, settings.chunks(), arguments.cores)
    results = arguments.folder / "results" / "bench"
    written = {"turns": turns, "accuracies": accuracies, "limits": limit, "training": table, "grid": grid}
    for name, rows in written.items():
        write_csv(rows, results / f"{name}.csv")
    about = f"{cpu_name()}, {arguments.cores} cores, {best['operations'] / 1e9:.0f} GFLOP/s"
    save(draw(table, Look()), arguments.folder / "figures" / "bench" / "bench_training")
    print("", about, as_text(table), grid_text(grid), sep="\n\n")


if __name__ == "__main__":
    run_script(main)
