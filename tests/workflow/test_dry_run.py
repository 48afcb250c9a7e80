"""What the workflow promises before anything runs."""

from __future__ import annotations

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


def test_a_dry_run_of_the_default_study_lists_its_chunks_without_network(new_tree, tmp_path):
    config = yaml.safe_load((new_tree.folder / "config" / "config.yaml").read_text(encoding="utf-8"))
    plan = Plan(load_settings(config))
    trained = [plan.experiment(name) for name in plan.experiments if name != "controls"]
    parts = [plan.study(), plan.from_scratch(), plan.controls(), *trained]
    chunks = len({file for part in parts for file in plan.chunk_files(Path("weights"), part)})
    assert plan.settings.dataset == "mnist"
    assert chunks > 60

    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    output = new_tree.snakemake("--dry-run", PYTHONPATH=str(tmp_path))
    assert (tmp_path / "loaded").exists()
    assert not (tmp_path / "used").exists()
    assert f"train_chunk {chunks}" in " ".join(output.split())
    assert "fetch_dataset 1" in " ".join(output.split())


def test_the_workflow_is_lint_clean(new_tree):
    assert "Congratulations" in new_tree.snakemake("--lint")
