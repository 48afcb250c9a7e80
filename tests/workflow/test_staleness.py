"""What makes a job stale, and what does not."""

from __future__ import annotations

import os
import random

import pytest

from studies import NOTHING

CHUNKS = 4  # of the study's own architectures
FROM_SCRATCH = 1  # chunk of small networks to compare pruned ones of `question` with
ALL_CHUNKS = CHUNKS + FROM_SCRATCH + 7  # and of the experiments
AFTER_CLAIMS = {"check_claims", "write_captions", "all"}
ANEW = {"kernel": [3, 1], "activation": "tanh", "optimizer": "adam", "learning_rate": 1e-3, "batch": 64, "steps": 6}
ANEW |= {"filters": [2, 3]}


def test_changed_code_makes_the_jobs_that_run_it_stale_and_no_others(study):
    """Every change is to other jobs' code than those before it, so one study serves for all."""
    changes = {
        "src/filtertwins/page/captions.py": {"write_captions", "all"},
        "src/filtertwins/claims/judging.py": AFTER_CLAIMS,
        "src/filtertwins/figures/kernel_gallery.py": {"plot_kernel_gallery"},
        "src/filtertwins/experiments/twins.py": {"measure_twins", "plot_twins"},
        "src/filtertwins/experiments/collapse.py": {"fit_optimum", "collect_optimum", "plot_accuracy_vs_filters"},
        "scripts/prune_filters.py": {"prune_filters", "collect_pruning", "compare_with_small"}
        | {"plot_pruning", "plot_small_or_pruned"},
    }
    expected = set()
    for file, rules in changes.items():
        study.append(file, "\nCHANGED = True\n")
        expected |= rules
        assert set(study.stale()) == expected, file
    study.append("src/filtertwins/training/loop.py", "\nCHANGED = True\n")
    stale = study.stale()
    assert stale["train_chunk"] == ALL_CHUNKS
    assert "fetch_dataset" not in stale
    study.append("src/filtertwins/data/datasets.py", "\nCHANGED = True\n")
    assert study.stale()["fetch_dataset"] == 1


def test_comments_and_code_whose_effect_reaches_jobs_otherwise_make_nothing_stale(study):
    study.append("src/filtertwins/training/loop.py", "\n\n# A comment.\n")
    study.append("scripts/train_chunk.py", "\n# A comment.\n")
    for module in ("data/downloads", "settings", "plan"):
        study.append(f"src/filtertwins/{module}.py", "\nCHANGED = True\n")
    assert study.stale() == NOTHING


@pytest.mark.parametrize(
    ("changes", "chunks", "stale", "fresh"),
    [
        pytest.param(
            {"architectures": {"question": {"steps": 7}}},
            3 + FROM_SCRATCH,
            {"collect_runs", "measure_redundancy", "prune_filters", "merge_filters", "plot_removal"},
            {"measure_twins", "fit_optimum", "measure_cost", "delete_weights"},
            id="a changed condition",
        ),
        pytest.param(
            {"experiments": {"twins": {"architectures": {"linear_sgd": {"steps": 7}}}}},
            1,
            {"measure_twins", "plot_twins", *AFTER_CLAIMS},
            {"collect_runs", "measure_redundancy", "plot_removal"},
            id="a changed experiment",
        ),
        pytest.param(
            {"measures": {"null_draws": 101}, "pruning": {"images": 101}},
            0,
            {"measure_redundancy", "measure_importance", "prune_filters"},
            {"collect_runs", "collect_kernels", "collect_from_scratch"},
            id="changed measures",
        ),
        pytest.param(
            {"seeds": 4, "architectures": {"question": {"filters": [1, 2, 3, 5]}}},
            6 + FROM_SCRATCH + 4,  # of the experiments, twins and condensation have seeds of their own
            {"collect_runs", "measure_redundancy"},
            {"measure_twins", "collect_kernels", "fetch_dataset"},
            id="more seeds and filters",
        ),
        pytest.param(
            {"architectures": {"anew": ANEW}, "pruning": {"networks": {"question": {"kept": [1, 2]}}}},
            2,
            {"collect_kernels", "prune_filters", "collect_runs"},
            {"measure_importance", "delete_weights", "measure_twins"},
            id="a new architecture, and more that is pruned",
        ),
        pytest.param(
            {"architectures": {"question": {"filters": [2, 3]}}, "experiments": {"twins": None, "collapse": None}},
            0,
            {"collect_runs", "measure_redundancy"},
            {"measure_twins", "plot_twins", "fit_optimum", "measure_importance"},
            id="less of everything",
        ),
        pytest.param(
            {"architectures": {"question": None}, "pruning": None},
            0,
            {"collect_runs"},
            {"merge_filters", "prune_filters", "delete_weights", "measure_cost"},
            id="no small kernels, and no pruning",
        ),
    ],
)
def test_a_changed_study_makes_again_what_the_change_reaches_and_nothing_else(study, changes, chunks, stale, fresh):
    study.configure("changes.yaml", changes)
    found = study.stale()
    assert found.get("train_chunk", 0) == chunks
    assert stale <= found.keys()
    assert not fresh & found.keys()
    assert "fetch_dataset" not in found


def test_a_changed_claim_is_judged_again_and_nothing_else(study):
    study.edit("config/claims.yaml", "fewest_seeds: 5", "fewest_seeds: 6")
    assert set(study.stale()) == AFTER_CLAIMS


def test_widening_leaves_the_earlier_runs_as_they_were(study):
    weights, runs = study.contents("results/digits/weights"), study.contents("results")["results/digits/runs.csv"]
    study.configure("wider.yaml", {"architectures": {"relu_5x5": {"filters": [2, 3]}}})
    study.snakemake("results/digits/runs.csv", "--cores", "2")
    after = study.contents("results/digits/weights")
    assert {name: after[name] for name in weights} == weights
    assert set(after) - set(weights) == {"results/digits/weights/relu_5x5/filters-003_seeds-000-001.npz"}
    table = (study.folder / "results/digits/runs.csv").read_bytes()
    assert table.startswith(runs)  # the new condition is the study's last
    assert table.count(b"\n") == runs.count(b"\n") + 2


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
    study.append("results/digits/twins_means.csv", "\n")
    study.append("src/filtertwins/figures/removal.py", "\nCHANGED = True\n")
    assert {"plot_twins", "plot_removal", "check_claims"} <= set(study.stale("--profile", str(tmp_path)))


def test_a_study_that_was_moved_with_snakemakes_notes_has_nothing_to_do_elsewhere(study, tmp_path):
    """The fixture `study` is a copy in another place. Its notes are what tells that."""
    assert study.stale() == NOTHING
    study.configure("changes.yaml", {"architectures": {"relu_5x5": {"steps": 7}}})
    assert study.stale()["train_chunk"] == 1
