"""A tiny study, run once in a copy of the tree; each test works on a copy of the finished one.

The workers of pytest-xdist share it under a lock: the first to need it runs it, the others wait. (Its groups of tests
would do as well, but xdist 3.8 does not see them under pytest 9.2.)
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TREE = ("Snakefile", "config", "profiles", "workflow", "scripts", "src", "environment.yml")
FOLDER = "it's 100% a study, für Zwillinge"  # braces in a path are beyond Snakemake 9 itself
SHORT = {"batch": 64, "steps": 6}
OF_TWO = SHORT | {"filters": [2]}
TINY = {
    "only": True,
    "claims": "config/claims.yaml",
    "dataset": "digits",
    "first_seed": 0,
    "seeds": 2,
    "seeds_per_chunk": 2,
    "architectures": {
        "question": {"learning_rate": 1e-3, **SHORT, "filters": [1, 2, 3]},
        "relu_5x5": {"learning_rate": 1e-3, **OF_TWO},
    },
    "measures": {"null_draws": 100},
    "gallery": {"filters": [2]},
    "experiments": {
        **{name: {} for name in ("collapse", "lossless_merge", "removal")},
        "twins": {
            "seeds": 2,
            "starts": [{"second_filter": "twin"}, {"second_filter": "twin", "epsilon": 1e-3}],
            "architectures": {"linear_sgd": OF_TWO, "relu_dropout": OF_TWO},
        },
        "planted": {"seeds": 2, "starts": [{"second_filter": "twin"}], "architectures": {"linear_keras": OF_TWO}},
        "replanted": {
            "starts": [{"after": 3}, {"after": 3, "second_filter": "twin"}],
            "architectures": {"relu_5x5": OF_TWO},
        },
        "condensation": {
            "starts": [{"scale": 1}, {"scale": 0.01}],
            "architectures": {"linear": SHORT | {"filters": [3]}},
        },
        "kernel_shapes": {"architectures": {"linear_5x5": OF_TWO}},
        # Longer than a report interval, so that a test can stop it half-way.
        "one_fewer": {"architectures": {"relu_momentum": OF_TWO | {"steps": 150}}},
        "controls": {"architectures": {"frozen": OF_TWO, "shuffled": OF_TWO}},
        "preventers": {"architectures": {"nothing_5x5": OF_TWO, "orthogonality_1": OF_TWO}},
        "exact_reading": {
            "architectures": {
                "question_epochs": {"kernel": [3, 1], "activation": "linear", "learning_rate": 1e-3, "batch": 512}
                | {"epochs": 1, "filters": [1, 2]}
            },
        },
        "depth": {"seeds": 2, "architectures": {"two_layers": OF_TWO, "half_siblings": OF_TWO}},
        "shared_seeds": {"seeds": 2, "architectures": {"shared_batches": OF_TWO, "shared_draw": OF_TWO}},
    },
    "margins": {"loss": 9.0},  # so that networks count as converged after a few steps
    "pruning": {
        "fine_tuning_steps": 3,
        "images": 100,
        "networks": {
            "question": {"filters": 3, "kept": [2], "from_scratch": [2], "doublings": 1},
            "relu_5x5": {"filters": 2, "kept": [1], "from_scratch": [], "doublings": 0},
        },
        "weight_deletion": {"filters": 2, "shares": [0.5], "retraining_steps": 2},
    },
}
NOTHING: dict[str, int] = {}
# Run a rule's script as Snakemake does, on parts of a job in JSON: lists stand for files or values without names.
RUN_JOB = """
import json, runpy, sys, types
from snakemake.iocontainers import Namedlist
script, parts = sys.argv[1], {"wildcards": []} | json.loads(sys.argv[2])
lists = {name: Namedlist(fromdict=own) if isinstance(own, dict) else Namedlist(own) for name, own in parts.items()}
job = types.SimpleNamespace(config={}, scriptdir=script.rpartition("/")[0], **lists)
runpy.run_path(script, {"snakemake": job}, "__main__")
"""
PRUNED = "results/digits/pruning/question/filters-003_seeds-000-001.csv"


@dataclass
class Study:
    """A copy of the tree, with Snakemake to run in it."""

    folder: Path
    overlays: tuple[str, ...] = ()
    under: tuple[str, ...] = ()  # a command that Snakemake is run by

    def configure(self, name, changes):
        """Give one more config file to all runs from now on."""
        (self.folder / "config" / name).write_text(yaml.safe_dump(changes), encoding="utf-8")
        self.overlays = (*self.overlays, f"config/{name}")

    def command(self, *arguments):
        """What a user types to run Snakemake."""
        configured = ("--configfile", *self.overlays) if self.overlays else ()
        return [*self.under, sys.executable, "-m", "snakemake", *arguments, *configured]

    def snakemake(self, *arguments, exit_code=0, **environment):
        """Run Snakemake as a user does; its output, both streams."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=900,
        )
        assert done.returncode == exit_code, done.stdout
        return done.stdout

    @property
    def dataset(self):
        """The dataset's file."""
        (path,) = (self.folder / "data" / "digits").glob("dataset-*.npz")
        return path

    def stale(self, *arguments, **environment):
        """How often each rule would run."""
        output = self.snakemake("--dry-run", *arguments, **environment)
        if "Nothing to be done" in output:
            return NOTHING
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", output, re.DOTALL)
        assert table, output
        counts = {rule: int(count) for rule, count in map(str.split, table[1].splitlines())}
        assert counts.pop("total") == sum(counts.values())
        return counts

    def edit(self, file, old, new):
        """Replace a text that occurs once in a file."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def append(self, file, text):
        with (self.folder / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def contents(self, *folders):
        """The bytes of every file below some folders, by relative path."""
        paths = [path for folder in folders for path in (self.folder / folder).rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}


def run_job(script, **job):
    """Run a rule's script alone, on a job of these inputs, outputs and so on; the ended process, and the job's log."""
    log = Path(job.setdefault("log", [str(Path(next(iter(job["output"]))).with_suffix(".log"))])[0])
    command = [sys.executable, "-c", RUN_JOB, str(ROOT / "scripts" / f"{script}.py"), json.dumps(job, default=str)]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    return done, log.read_text(encoding="utf-8")


def clean_environment():
    """This process's environment without what would change how Snakemake or the jobs run."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SNAKEMAKE", "FILTERTWINS", "PYTHON", "TF_", "KERAS"))
    }


def copy_of_tree(source, folder):
    """The files that a clone has and a study needs."""
    folder.mkdir(parents=True)
    for name in TREE:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / name, folder / name)


@pytest.fixture
def new_tree(root, tmp_path):
    """A fresh clone, where nothing has run yet."""
    copy_of_tree(root, tmp_path / FOLDER)
    return Study(tmp_path / FOLDER)


@pytest.fixture(scope="session")
def finished_study(root, tmp_path_factory):
    """The tiny study, run once; and what its run printed. Not to be changed."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers
    folder, printed = shared / "finished" / FOLDER, shared / "finished.txt"
    study = Study(folder)
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker whose run failed
            copy_of_tree(root, folder)
            study.configure("tiny.yaml", TINY)
            printed.write_text(study.snakemake("--cores", "2"), encoding="utf-8")
    return Study(folder, ("config/tiny.yaml",)), printed.read_text(encoding="utf-8")


@pytest.fixture
def study(finished_study, tmp_path):
    """A copy of the finished tiny study, in another place."""
    original, _ = finished_study
    folder = tmp_path / FOLDER
    shutil.copytree(original.folder, folder)
    yield Study(folder, original.overlays)
    shutil.rmtree(folder)  # pytest would keep the copies of all tests, of three sessions
