"""Clock skew, touched files, a fresh clone over old results: no needless retraining, no stale figure."""

from __future__ import annotations

import os
import random
import time

import pytest

NOTHING = {}
MINUTE_S = 60
DAY_S = 86_400
COMMAND = ("--cores", "2")
TRAINING = {"train_chunk", "fetch_dataset"}


def files_below(*folders):
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def scramble_times(paths):
    rng = random.Random(5)  # noqa: S311 - no secret
    for path in paths:
        time_s = rng.uniform(0, 2_000_000_000)
        os.utime(path, (time_s, time_s))


# --- touched files


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_touched_files_make_nothing_stale(study, profile):
    touched = [
        study.folder / "Snakefile",
        *files_below(*(study.folder / name for name in ("data", "results", "scripts", "src", "workflow", "config"))),
    ]
    assert {path.suffix for path in touched} >= {"", ".npz", ".csv", ".py", ".smk", ".yaml"}
    for path in touched:
        os.utime(path)
    assert study.stale("--workflow-profile", f"profiles/{profile}") == NOTHING


@pytest.mark.parametrize("kind", ["dataset-*.npz", "filters-*.npz", "importance_*.csv", "kept-*.csv", "*.csv"])
def test_a_file_touched_alone_makes_nothing_stale(study, kind):
    newest_s = max(path.stat().st_mtime for path in files_below(study.folder)) + MINUTE_S
    paths = [path for path in files_below(study.folder) if path.match(kind)]
    assert paths
    for path in paths:
        os.utime(path, (newest_s, newest_s))
    assert study.stale() == NOTHING


def test_a_large_file_touched_alone_makes_nothing_stale(study):
    study.configure("wide.yaml", {"architectures": {"relu_5x5": {"filters": [2, 60]}}})
    table = "results/digits/runs.csv"
    study.snakemake(table, *COMMAND)
    path = study.folder / "results/digits/weights/relu_5x5/filters-060_seeds-000-001.npz"
    assert path.stat().st_size > 2**20  # above Snakemake's own limit for checksums
    newest_s = (study.folder / table).stat().st_mtime + MINUTE_S
    os.utime(path, (newest_s, newest_s))
    for profile in ("default", "slurm"):
        assert study.stale(table, "--workflow-profile", f"profiles/{profile}") == NOTHING


def test_random_file_times_make_nothing_stale(study):
    scramble_times(files_below(study.folder / "data", study.folder / "results", study.folder / "figures"))
    assert study.stale() == NOTHING


def test_a_fresh_clone_over_old_results_has_nothing_to_do(fresh_clone):
    assert not (fresh_clone.folder / ".snakemake").exists()
    assert fresh_clone.stale() == NOTHING


def test_a_fresh_clone_over_old_results_with_random_file_times_retrains_nothing(fresh_clone):
    scramble_times(files_below(fresh_clone.folder / "data", fresh_clone.folder / "results"))
    stale = fresh_clone.stale()
    assert not {"train_chunk", "fetch_dataset"} & set(stale)


# --- clock skew


@pytest.mark.parametrize("folders", [["data", "results", "figures"], ["results/digits/weights"]])
def test_files_from_the_future_make_nothing_stale_and_can_be_worked_with(study, folders):
    undisturbed = study.contents("data", "results", "figures")
    paths = files_below(*(study.folder / folder for folder in folders))
    for number, path in enumerate(paths):
        future_s = time.time() + DAY_S + number
        os.utime(path, (future_s, future_s))
    assert study.stale() == NOTHING
    (study.folder / "results/digits/kernels.csv").unlink()
    study.snakemake(*COMMAND, "--until", "plot_kernel_gallery")
    assert study.stale() == NOTHING
    assert study.contents("data", "results", "figures") == undisturbed


def test_a_figure_from_the_future_is_stale_when_its_table_changes_now(study):
    future_s = time.time() + DAY_S
    for path in files_below(study.folder / "figures"):
        os.utime(path, (future_s, future_s))
    assert study.stale() == NOTHING
    study.append("results/digits/twins.csv", "\n")
    assert study.stale() == {"plot_twins": 1, "check_claims": 1, "all": 1}


# --- a fresh clone of other code, or with other settings


def test_a_fresh_clone_with_other_settings_trains_what_they_change_and_nothing_else(fresh_clone):
    fresh_clone.configure("changes.yaml", {"architectures": {"relu_5x5": {"steps": 7}}})
    stale = fresh_clone.stale()
    assert stale["train_chunk"] == 1
    assert {"collect_runs", "measure_redundancy", "plot_redundancy_vs_accuracy"} <= set(stale)
    assert not {"fetch_dataset", "plot_twins", "measure_twins"} & set(stale)


def test_a_fresh_clone_of_other_code_makes_again_what_runs_it_and_nothing_else(fresh_clone):
    fresh_clone.append("src/filtertwins/figures/twins.py", "\nCHANGED = True\n")
    assert fresh_clone.stale() == {"plot_twins": 1, "all": 1}


@pytest.mark.parametrize("records", [None, b"", b"{half", b"[1]", b'{"results/digits/runs.csv": {}}'])
def test_a_fresh_clone_over_results_without_good_records_takes_them_as_they_are(fresh_clone, records):
    path = fresh_clone.folder / "results/digits/records.json"
    if records is None:
        path.unlink()
    else:
        path.write_bytes(records)
    assert fresh_clone.stale() == NOTHING


def test_records_are_gone_while_files_are_made_anew(study, running):
    records = study.folder / "results/digits/records.json"
    before = records.read_bytes()
    table = "results/digits/kernels.csv"
    (study.folder / table).unlink()
    run = running(study, *COMMAND, at=table)
    assert not records.exists()
    run.go_on()
    assert records.read_bytes() == before
