"""A disk that is full, or may not be written: the old file intact, nothing half-written, and words, not a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

WEIGHTS = "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz"
COMMAND = ("--cores", "2")


@pytest.fixture
def as_anyone(study):
    """The study run without the superuser's right to write everywhere, if it is one who runs the tests."""
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("the superuser may write everywhere, and there is no setpriv to give that up")
        study.under = (setpriv, "--bounding-set", "-dac_override")
    return study


WRITERS = """
import sys
from pathlib import Path
import numpy as np
import pandas as pd
from filtertwins import files
from filtertwins.errors import run_script
path = Path(sys.argv[1])
run_script(lambda: {})
"""
WRITE = {
    "table": "files.write_csv(pd.DataFrame({'seed': range(5000)}), path)",
    "weights": "files.write_npz(path, {'kernels': np.ones(5000)})",
    "text": "files.write_text(path, 'text' * 5000)",
}
ON_A_SMALL_DISK = """
mount -t tmpfs -o size=8192,nr_inodes=9 none . && cd "$PWD" || exit 2
printf old > file
"$@" file
code=$?
for name in $(ls -A); do echo "$name: $(cat "$name")"; done
exit $code
"""


@pytest.mark.parametrize("kind", WRITE)
def test_the_old_file_stays_where_the_new_one_does_not_fit(root, tmp_path, with_own_mounts, kind):
    script = [sys.executable, "-c", WRITERS.format(WRITE[kind])]
    done = subprocess.run(
        [*with_own_mounts, "bash", "-c", ON_A_SMALL_DISK, "bash", *script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    expected = (1, "error: file: No space left on device\n", "file: old\n")
    assert (done.returncode, done.stderr, done.stdout) == expected


def test_a_full_disk_is_told_before_anything_is_made(study, with_own_mounts):
    study.under = (*with_own_mounts, "sh", "-c", 'mount -t tmpfs -o size=64k none .snakemake && exec "$@"', "sh")
    (study.folder / "results/digits/kernels.csv").unlink()
    before = study.contents("data", "results", "figures")
    output = study.snakemake(*COMMAND, exit_code=1)
    assert output.splitlines()[-1].startswith("error: no space left: .snakemake; make room")
    assert "Traceback" not in output
    assert study.contents("data", "results", "figures") == before


@pytest.mark.parametrize(
    ("deleted", "failing", "largest_file"),
    [
        # Larger than the log, and than what TensorFlow writes to the system's folder for temporary files.
        pytest.param([WEIGHTS, "results/digits/one_fewer.csv"], WEIGHTS, 65536, id="weights"),
        pytest.param(["figures/digits/twins.pdf"], "figures/digits/redundancy_vs_accuracy.svg", 30000, id="figure"),
    ],
)
def test_a_full_disk_fails_the_job_by_its_file_and_leaves_nothing_partial(
    study, on_a_full_disk, deleted, failing, largest_file
):
    undisturbed = study.contents("data", "results", "figures")
    for path in deleted:
        (study.folder / path).unlink()
    output = on_a_full_disk(study, *COMMAND, largest_file=largest_file)
    assert f"error: {failing}: File too large" in output
    assert "Traceback" not in output
    left = study.contents("data", "results", "figures")
    assert left.items() <= undisturbed.items()  # no temporary file, and no other content under any name
    assert failing not in left
    assert not list(study.folder.rglob("__pycache__"))  # half a compiled module would end all that follows
    assert study.stale()  # so the same command will make it


def test_folders_that_may_not_be_written_are_named_and_stay_as_they_are(as_anyone):
    study = as_anyone
    before = study.contents("data", "results", "figures")
    folders = ["figures/digits", "logs/digits", "results/digits"]
    for folder in folders:
        (study.folder / folder).chmod(0o555)
    try:
        output = study.snakemake(*COMMAND, "--forcerun", "collect_networks", "plot_figures_1", exit_code=1)
        (study.folder / ".snakemake").chmod(0o555)
        of_snakemake = study.snakemake(*COMMAND, exit_code=1)
    finally:
        for folder in (*folders, ".snakemake"):
            (study.folder / folder).chmod(0o755)
    last = output.splitlines()[-1]
    assert last.startswith("error: not writable: ")
    assert all(folder in last for folder in folders)
    assert of_snakemake.splitlines()[-1].startswith("error: not writable: .snakemake; ")
    assert "Traceback" not in output + of_snakemake
    assert study.contents("data", "results", "figures") == before
    assert not list((study.folder / ".snakemake" / "locks").glob("*"))


def test_results_that_may_not_be_written_can_still_be_drawn(as_anyone):
    study = as_anyone
    (study.folder / "figures/digits/twins.pdf").unlink()
    results = [path for path in (study.folder / "results").rglob("*") if path.is_dir()]
    for path in results:
        path.chmod(0o555)
    try:
        study.snakemake("figures", *COMMAND)
    finally:
        for path in results:
            path.chmod(0o755)
    assert (study.folder / "figures/digits/twins.pdf").is_file()
