"""What the workflow promises before anything runs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from filtertwins.plan import Plan
from filtertwins.settings import load_settings

NO_NETWORK = """\
import pathlib, socket
here = pathlib.Path(__file__).parent

def refuse(*arguments, **options):
    (here / "used").touch()
    raise OSError("no network in this test")

class Socket(socket.socket):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse()
        return super().connect(address)

socket.socket = Socket
socket.create_connection = socket.getaddrinfo = refuse
(here / "loaded").touch()
"""


def test_a_dry_run_of_the_default_study_trains_every_chunk_once_in_few_processes_without_network(new_tree, tmp_path):
    config = yaml.safe_load((new_tree.folder / "config" / "config.yaml").read_text(encoding="utf-8"))
    plan = Plan(load_settings(config))
    parts = [plan.study(), plan.pruning.from_scratch(), *map(plan.experiment, plan.experiments)]
    chunks = {file for part in parts for file in plan.chunk_files(Path("weights"), part)}
    bundles = plan.bundles()
    assert plan.settings.dataset == "mnist"
    assert len(chunks) > 60
    in_bundles = [file for bundle in bundles for file in bundle.files(Path("weights"))]
    assert len(in_bundles) == len(chunks)
    assert set(in_bundles) == chunks

    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    output = new_tree.snakemake("--dry-run", PYTHONPATH=str(tmp_path))
    assert (tmp_path / "loaded").exists()
    assert not (tmp_path / "used").exists()
    jobs = " ".join(output.split())
    assert "fetch_dataset 1" in jobs
    assert "Reason:" in output  # A dry run says why jobs run; a run does not, which would bury its answer.
    assert "exact_reading" not in output
    assert [name for bundle in bundles if f"train_{(name := bundle.name)} 1" not in jobs] == []
    training = set(re.findall(r"^(?:train|prune)_\S+ +1$", output, re.MULTILINE))
    assert len(bundles) < len(training) + 2 <= 25  # measure_cost and delete_weights start TensorFlow too


def test_2000_epochs_are_all_that_their_overlay_adds_to_the_default_study(new_tree):
    config, overlay = (
        yaml.safe_load((new_tree.folder / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("config", "epochs")
    )
    plain = Plan(load_settings(config))
    config["experiments"] |= overlay["experiments"]
    whole = Plan(load_settings(config))
    folder = Path("results/mnist/weights")
    before, after = ({file for own in plan.bundles() for file in own.files(folder)} for plan in (plain, whole))
    added = whole.chunk_files(folder, whole.experiment("exact_reading"))
    assert after == before | set(added)
    chunks = ("100-104", "105-109")  # two processes, for two cores
    assert [path.name for path in added] == [
        f"filters-{k:03d}_seeds-{own}.npz" for k in (1, 2, 4, 8, 16) for own in chunks
    ]
    model = whole.common_condition("exact_reading/question_epochs")["model"]
    exact = {"learning_rate": 1e-4, "batch": 512, "epochs": 2000, "steps": None, "kernel": [3, 1]}
    assert model | exact == model
    output = " ".join(new_tree.snakemake("--dry-run", "--configfile", "config/epochs.yaml").split())
    assert all(f"train_exact_reading_question_epochs_001_seeds-{own} 1" in output for own in chunks)
    assert "results/mnist/exact_reading_means.csv" in output


def test_the_workflow_is_lint_clean(new_tree):
    assert "Congratulations" in new_tree.snakemake("--lint")
