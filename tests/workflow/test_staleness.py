"""What makes a job stale, and what does not."""

from __future__ import annotations

import gzip
import hashlib
import struct

import pytest

OF_EXPERIMENTS = ("twins", "condensation", "one_fewer", "controls")  # which train their own networks
TABLES_OF_THE_STUDY = {
    "collect_runs": 1,
    "measure_redundancy": 1,
    "collect_kernels": 1,
    "merge_filters": 1,
    "measure_removal": 2,
    "collect_removal": 1,
    "compare_filter_counts": 1,
    "compare_with_chance": 1,
    "check_claims": 1,
}
AFTER_PRUNING = {
    "collect_pruning": 1,
    "collect_importance": 1,
    "compare_criteria": 1,
    "compare_with_small": 1,
    "plot_pruning": 1,
    "plot_criteria": 1,
    "plot_small_or_pruned": 1,
    "plot_cost": 1,
}
OF_WEIGHTS = {"delete_weights": 1, "plot_obd": 1}  # of relu_5x5
PRUNING_OF_ONE = {"measure_importance": 1, "prune_filters": 2} | AFTER_PRUNING
PRUNING = PRUNING_OF_ONE | OF_WEIGHTS | {"measure_importance": 2, "prune_filters": 4, "collect_from_scratch": 1}
FIGURES_OF_THE_STUDY = {
    "plot_accuracy_vs_filters": 1,
    "plot_excess_over_chance": 1,
    "plot_kernel_gallery": 1,
    "plot_lossless_merge": 1,
    "plot_redundancy_vs_accuracy": 1,
    "plot_removal": 1,
    "plot_similarity_vs_chance": 1,
}
PRUNING_WITHOUT_TRAINING = {rule: jobs for rule, jobs in PRUNING.items() if rule != "collect_from_scratch"} | {
    "check_claims": 1,
    "all": 1,
}
FIGURES_OF_PRUNING = {rule: 1 for rule in PRUNING if rule.startswith("plot_")}
FIGURES = FIGURES_OF_THE_STUDY | FIGURES_OF_PRUNING | {f"plot_{name}": 1 for name in OF_EXPERIMENTS}
AFTER_TRAINING_OF_THE_STUDY = TABLES_OF_THE_STUDY | FIGURES_OF_THE_STUDY | {"summarise_study": 1, "all": 1}
AFTER_TRAINING = (
    AFTER_TRAINING_OF_THE_STUDY
    | FIGURES
    | {f"measure_{name}": 1 for name in OF_EXPERIMENTS}
    | {"measure_kernel_shapes": 1}
    | PRUNING
)
REMOVAL_OF_ONE = {"measure_removal": 1}  # architecture
MERGING = ("merge_filters", "plot_lossless_merge")  # which only small kernels undergo
AFTER_TRAINING_OF_LARGE_KERNELS = {
    rule: jobs for rule, jobs in AFTER_TRAINING_OF_THE_STUDY.items() if rule not in MERGING
}
CHUNKS = 4  # of the study's own architectures
FROM_SCRATCH = 1  # chunk of small networks to compare pruned ones of `question` with
ALL_CHUNKS = CHUNKS + FROM_SCRATCH + 7  # and of the experiments
TIMING = {"measure_cost": 1}  # of untrained networks
OPTIMUM = {"fit_optimum": 3, "collect_optimum": 1}
EVERYTHING = AFTER_TRAINING | TIMING | OPTIMUM | {"train_chunk": ALL_CHUNKS, "fetch_dataset": 1}
NOTHING = {}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("src/filtertwins/figures/kernel_gallery.py", {"plot_kernel_gallery": 1, "all": 1}),
        ("scripts/plot_kernel_gallery.py", {"plot_kernel_gallery": 1, "all": 1}),
        ("src/filtertwins/figures/style.py", FIGURES | {"all": 1}),
        ("src/filtertwins/experiments/twins.py", {"measure_twins": 1, "plot_twins": 1, "check_claims": 1, "all": 1}),
        ("src/filtertwins/claims/judging.py", {"check_claims": 1, "all": 1}),
        ("src/filtertwins/page/summary.py", {"summarise_study": 1, "all": 1}),
        ("src/filtertwins/tables/redundancy.py", AFTER_TRAINING | TIMING),
        ("src/filtertwins/pruning/criteria.py", PRUNING | TIMING | {"check_claims": 1, "all": 1}),
        ("src/filtertwins/training/loop.py", AFTER_TRAINING | TIMING | {"train_chunk": ALL_CHUNKS}),
        ("scripts/train_chunk.py", AFTER_TRAINING | {"train_chunk": ALL_CHUNKS}),
        ("src/filtertwins/data/datasets.py", EVERYTHING),
    ],
)
def test_changed_code_makes_the_jobs_that_run_it_and_those_after_them_stale(study, file, expected):
    study.append(file, "\nCHANGED = True\n")
    assert study.stale() == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"architectures": {"question": {"steps": 7}}},
            AFTER_TRAINING_OF_THE_STUDY
            | REMOVAL_OF_ONE
            | PRUNING_OF_ONE
            | {"train_chunk": 3 + FROM_SCRATCH, "collect_from_scratch": 1},
        ),
        (
            {"architectures": {"relu_5x5": {"steps": 7}}},
            AFTER_TRAINING_OF_LARGE_KERNELS | REMOVAL_OF_ONE | PRUNING_OF_ONE | OF_WEIGHTS | {"train_chunk": 1},
        ),
        ({"pruning": {"images": 101}}, PRUNING_WITHOUT_TRAINING),
        (
            {"pruning": {"networks": {"relu_5x5": {"from_scratch": [1]}}}},
            {"train_chunk": 1, "collect_from_scratch": 1, "compare_with_small": 1, "plot_small_or_pruned": 1}
            | {"check_claims": 1, "all": 1},
        ),
        (
            {"experiments": {"twins": {"architectures": {"linear_sgd": {"steps": 7}}}}},
            {"train_chunk": 1, "measure_twins": 1, "plot_twins": 1, "check_claims": 1, "all": 1},
        ),
        (
            {"experiments": {"kernel_shapes": {"architectures": {"linear_5x5": {"steps": 7}}}}},
            {"train_chunk": 1, "measure_kernel_shapes": 1, "compare_with_chance": 1, "check_claims": 1}
            | {"plot_excess_over_chance": 1, "all": 1},
        ),
        ({"snapshots": 4}, AFTER_TRAINING | {"train_chunk": ALL_CHUNKS}),
    ],
)
def test_a_changed_condition_makes_its_training_stale(study, changes, expected):
    study.configure("changes.yaml", changes)
    assert study.stale() == expected


def test_a_changed_measure_retrains_nothing(study):
    study.configure("changes.yaml", {"measures": {"null_draws": 101}})
    stale = study.stale()
    assert stale["measure_redundancy"] == 1
    assert not {"train_chunk", "collect_runs", "collect_kernels", "fetch_dataset"} & set(stale)


def test_a_changed_claim_is_judged_again_and_nothing_else(study):
    study.edit("config/claims.yaml", "fewest_seeds: 5", "fewest_seeds: 6")
    assert study.stale() == {"check_claims": 1, "all": 1}


@pytest.mark.parametrize("experiment", ["collapse", "kernel_shapes", "removal", "twins"])
def test_an_experiment_switched_off_is_not_asked_for(study, experiment):
    study.configure("changes.yaml", {"experiments": {experiment: None}})
    own = {"plot_accuracy_vs_filters", "plot_excess_over_chance", "compare_with_chance"}  # which read optional tables
    assert "check_claims" in study.stale()
    assert set(study.stale()) <= {"check_claims", "all"} | own


def test_without_pruning_nothing_of_it_is_asked_for(study):
    study.configure("changes.yaml", {"pruning": None})
    assert study.stale() == {"check_claims": 1, "all": 1}


def test_a_changed_comment_or_docstring_makes_nothing_stale(study):
    study.append("src/filtertwins/training/loop.py", "\n\n# A comment.\n")
    study.append("scripts/train_chunk.py", "\n# A comment.\n")
    study.edit("src/filtertwins/training/streams.py", '"""What a seed fixes', '"""Reworded: what a seed fixes')
    assert study.stale() == NOTHING


def test_code_whose_effect_is_verified_or_reaches_jobs_as_values_makes_nothing_stale(study):
    study.append("src/filtertwins/data/downloads.py", "\nCHANGED = True\n")
    study.append("src/filtertwins/settings.py", "\nCHANGED = True\n")
    study.append("src/filtertwins/plan.py", "\nCHANGED = True\n")
    assert study.stale() == NOTHING


@pytest.fixture
def idx_dataset(tmp_path):
    """Settings of a small dataset of four IDX files, and the folder that serves them."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    files = {}
    for split, count in (("train", 30), ("test", 10)):
        header = struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28), struct.pack(">4BI", 0, 0, 8, 1, count)
        bodies = bytes(i % 251 for i in range(count * 28 * 28)), bytes(i % 10 for i in range(count))
        for kind, payload in zip(("images", "labels"), map(bytes.__add__, header, bodies), strict=True):
            name = f"{split}-{kind}.gz"
            (mirror / name).write_bytes(gzip.compress(payload))
            checksum = hashlib.sha256(payload).hexdigest()
            files[f"{split}_{kind}"] = {"name": name, "sha256": checksum, "size": len(payload)}
    return {"kind": "idx", "mirrors": [str(mirror)], "validation_images": 5, "files": files}


def test_a_changed_mirror_makes_nothing_stale(new_tree, idx_dataset, tmp_path):
    fetch = ("--until", "fetch_dataset")
    new_tree.configure("small.yaml", {"dataset": "small", "datasets": {"small": idx_dataset}})
    assert new_tree.stale(*fetch) == {"fetch_dataset": 1}
    new_tree.snakemake(*fetch, "--cores", "1")
    new_tree.configure("moved.yaml", {"datasets": {"small": {"mirrors": [str(tmp_path / "elsewhere")]}}})
    assert new_tree.stale(*fetch) == NOTHING
    assert new_tree.stale(*fetch, FILTERTWINS_MIRROR=str(tmp_path / "site")) == NOTHING
    new_tree.configure("split.yaml", {"datasets": {"small": {"validation_images": 6}}})
    assert new_tree.stale(*fetch) == {"fetch_dataset": 1}


def test_a_changed_mirror_does_not_rename_the_dataset_that_it_serves(new_tree):
    def dataset_files():
        words = new_tree.snakemake("--dry-run").split()
        return {word.rstrip(",") for word in words if word.startswith("data/mnist")}

    before = dataset_files()
    new_tree.configure("changes.yaml", {"datasets": {"mnist": {"mirrors": ["https://mirror.example/mnist/"]}}})
    assert len(before) == 1
    assert dataset_files() == before


ANEW = {"kernel": [3, 3], "activation": "tanh", "optimizer": "adam", "learning_rate": 1e-3, "batch": 64, "steps": 6}
ANEW |= {"filters": [2, 3]}


@pytest.mark.parametrize(
    ("changes", "new_chunks"),
    [
        ({"seeds": 4}, 4 + FROM_SCRATCH + 4),  # of the experiments, twins and condensation have seeds of their own
        ({"seeds": 6}, 8 + 2 * FROM_SCRATCH + 8),
        ({"architectures": {"question": {"filters": [1, 2, 3, 5]}}}, 1),
        ({"seeds": 4, "architectures": {"question": {"filters": [1, 2, 3, 5]}}}, 6 + FROM_SCRATCH + 4),
        ({"experiments": {"controls": {"architectures": {"frozen": {"filters": [2, 3]}}}}}, 1),
        ({"experiments": {"controls": {"architectures": {"anew": ANEW}}}}, 2),
    ],
)
def test_widening_a_study_trains_only_what_is_new(study, changes, new_chunks):
    study.configure("wider.yaml", changes)
    stale = study.stale()
    assert stale["train_chunk"] == new_chunks
    assert "fetch_dataset" not in stale
    assert "collect_kernels" not in stale  # the gallery shows none of the new runs


def test_a_new_architecture_is_all_that_is_trained(study):
    study.configure("wider.yaml", {"architectures": {"anew": ANEW}})
    stale = study.stale()
    assert stale["train_chunk"] == len(ANEW["filters"])
    assert stale["collect_kernels"] == 1  # the gallery shows every architecture
    assert not {"fetch_dataset", "measure_twins", "measure_importance", "prune_filters"} & set(stale)


def test_to_keep_more_filters_is_all_that_is_pruned(study):
    study.configure("wider.yaml", {"pruning": {"networks": {"question": {"kept": [1, 2]}}}})
    stale = study.stale()
    assert stale["prune_filters"] == 1
    assert not {"train_chunk", "measure_importance", "delete_weights"} & set(stale)


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


DIGESTS_NOTED = """
import hashlib, os

def file_digest(stream, *how, file_digest=hashlib.file_digest):
    with open(os.environ["TEST_DIGESTS"], "a") as noted:
        print(stream.name, file=noted)
    return file_digest(stream, *how)

hashlib.file_digest = file_digest
"""


def test_the_datasets_checksum_is_computed_once_for_all_chunks(study, tmp_path):
    weights = sorted(study.contents("results/digits/weights/question"))
    for name in weights:
        (study.folder / name).unlink()
    (tmp_path / "sitecustomize.py").write_text(DIGESTS_NOTED, encoding="utf-8")
    noted = tmp_path / "digests"
    study.snakemake(*weights, "--cores", "2", PYTHONPATH=str(tmp_path), TEST_DIGESTS=str(noted))
    assert len(weights) == 3
    assert [name for name in noted.read_text(encoding="utf-8").split() if "dataset-" in name] == [
        next(name for name in study.contents("data/digits") if "dataset-" in name)
    ]


def test_narrowing_a_study_trains_nothing(study):
    study.configure("narrower.yaml", {"architectures": {"question": {"filters": [2, 3]}}})
    stale = study.stale()
    assert "train_chunk" not in stale
    assert stale["collect_runs"] == 1


def test_a_study_without_small_kernels_merges_nothing(study):
    study.configure("changes.yaml", {"architectures": {"question": None}})
    stale = study.stale()
    assert "measure_redundancy" in stale
    assert not set(MERGING) & set(stale)
