"""What makes a job stale, and what does not."""

from __future__ import annotations

import os
import random
import re
import shutil

import pytest

from filtertwins.files import read_csv
from studies import NOTHING

AFTER_CLAIMS = {"check_claims", "write_page", "all"}
ANEW = {"kernel": [3, 1], "activation": "tanh", "optimizer": "adam", "learning_rate": 1e-3, "batch": 64, "steps": 6}
ANEW |= {"filters": [2, 3]}


def test_changed_code_makes_the_jobs_that_run_it_stale_and_no_others(study):
    """Every change is to other jobs' code than those before it, so one study serves for all."""
    changes = {
        "src/filtertwins/claims/judging.py": AFTER_CLAIMS,
        "src/filtertwins/figures/kernel_gallery.py": {"plot_figures_1"},
        "src/filtertwins/experiments/collapse.py": {"fit_optimum", "plot_figures_1"},
        "src/filtertwins/experiments/removal.py": {"measure_filters", "plot_figures_2"},
        "scripts/prune_filters.py": {"prune", "compare_tables"},
    }
    expected = set()
    for file, rules in changes.items():
        study.append(file, "\nCHANGED = True\n")
        expected |= rules
        assert kinds(study.stale()) == expected, file
    study.append("src/filtertwins/training/loop.py", "\nCHANGED = True\n")
    stale = study.stale()
    assert kinds(stale) >= {"train", "collect_networks"}
    assert "fetch_dataset" not in stale
    study.append("src/filtertwins/data/datasets.py", "\nCHANGED = True\n")
    assert study.stale()["fetch_dataset"] == 1


def kinds(stale):
    """The rules that would run; those that train or prune under one name."""
    return {
        name if name not in stale or not name.startswith(("train_", "prune_")) else name.split("_")[0] for name in stale
    }


def test_comments_and_code_whose_effect_reaches_jobs_otherwise_make_nothing_stale(study):
    study.append("src/filtertwins/training/loop.py", "\n\n# A comment.\n")
    study.append("scripts/train_networks.py", "\n# A comment.\n")
    for module in ("data/downloads", "settings", "needs", "plan"):
        study.append(f"src/filtertwins/{module}.py", "\nCHANGED = True\n")
    assert study.stale() == NOTHING


@pytest.mark.parametrize(
    ("changes", "stale", "fresh"),
    [
        pytest.param(
            {"architectures": {"question": {"steps": 7}}},
            {"train", "collect_networks", "measure_redundancy", "prune", "measure_filters"},
            {"fit_optimum", "measure_cost"},
            id="a changed condition",
        ),
        pytest.param(
            {"measures": {"null_draws": 101}, "pruning": {"images": 101}},
            {"measure_redundancy", "measure_experiments", "prune", "delete_weights"},
            {"train", "collect_networks", "measure_filters"},
            id="changed measures",
        ),
        pytest.param(
            {
                "experiments": {"removal": None, "collapse": None},
                "pruning": {"networks": {"question": {"kept": [1, 2]}}},
            },
            {"measure_filters", "prune"},
            {"fit_optimum", "delete_weights", "measure_redundancy"},
            id="fewer experiments, and more that is pruned",
        ),
        pytest.param(
            {"architectures": {"question": None}, "pruning": None},
            {"collect_networks"},
            {"prune", "delete_weights", "measure_cost"},
            id="no small kernels, and no pruning",
        ),
    ],
)
def test_a_changed_study_makes_again_what_the_change_reaches_and_nothing_else(study, changes, stale, fresh):
    study.configure("changes.yaml", changes)
    found = kinds(study.stale())
    assert stale <= found
    assert not fresh & found
    assert "fetch_dataset" not in found


def test_a_changed_claim_is_judged_again_and_nothing_else(study):
    study.edit("config/claims.yaml", "fewest_seeds: 5", "fewest_seeds: 6")
    assert set(study.stale()) == AFTER_CLAIMS


def test_widening_trains_only_what_is_new_and_leaves_the_earlier_runs_as_they_were(study):
    """Filters in the middle of a family, an architecture before the others, and seeds."""
    weights = study.contents("results/digits/weights")
    runs = read_csv(study.folder / "results/digits/runs.csv")
    wider = {"question": {"filters": [1, 2, 3, 4]}, "anew": ANEW}
    study.configure("wider.yaml", {"seeds": 3, "architectures": wider})
    shutil.rmtree(study.folder / "logs")
    study.snakemake("results/digits/runs.csv", "--cores", "2")
    after = study.contents("results/digits/weights")
    assert {name: after[name] for name in weights} == weights
    assert {name.removeprefix("results/digits/weights/") for name in set(after) - set(weights)} >= {
        "question/filters-004_seeds-000-001.npz",
        "question/filters-004_seeds-002-002.npz",
        "anew/filters-003_seeds-000-001.npz",
    }
    logs = (study.folder / "logs" / "digits" / "train_networks").glob("*.log")
    trained = {found for log in logs for found in re.findall(r"^(.*) seeds 0-1 step", log.read_text(), re.MULTILINE)}
    assert trained == {"question filters=4", "anew filters=2", "anew filters=3"}
    table = read_csv(study.folder / "results/digits/runs.csv")
    both = table.merge(runs, how="inner")
    assert len(both) == len(runs) < len(table)


def test_times_of_files_make_nothing_stale_whatever_a_users_own_profile_says(study, tmp_path):
    (tmp_path / "config.yaml").write_text("rerun-triggers: [mtime, code]\n", encoding="utf-8")
    rng = random.Random(5)  # noqa: S311 - This is no secret.
    for name in ("Snakefile", "data", "results", "figures", "scripts", "src", "workflow", "config"):
        for path in [study.folder / name, *(study.folder / name).rglob("*")]:
            time_s = rng.uniform(0, 1_700_000_000)
            os.utime(path, (time_s, time_s))
    assert study.stale() == NOTHING
    for profile in ("default", "slurm"):
        options = ("--profile", str(tmp_path), "--workflow-profile", f"profiles/{profile}")
        assert study.stale(*options) == NOTHING
    study.append("results/digits/runs_means.csv", "\n")
    study.append("src/filtertwins/figures/removal.py", "\nCHANGED = True\n")
    redrawn = {"plot_figures_1", "plot_figures_2", "check_claims", "write_page"}
    assert redrawn <= set(study.stale("--profile", str(tmp_path)))


def test_a_study_that_was_moved_with_snakemakes_notes_has_nothing_to_do_elsewhere(study, tmp_path):
    """The fixture `study` is a copy in another place. Its notes are what tells that."""
    assert study.stale() == NOTHING
    study.configure("changes.yaml", {"architectures": {"relu_5x5": {"steps": 7}}})
    assert "train" in kinds(study.stale())
