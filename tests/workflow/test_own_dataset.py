"""A dataset by config alone: four IDX files with a mirror and checksums, or colour images in an npz file."""

from __future__ import annotations

import gzip
import hashlib
import struct

import numpy as np

from filtertwins.data.datasets import DATASET_SHAPES
from filtertwins.files import read_csv, read_npz
from studies import NOTHING


def write_idx(folder, name, array):
    """Write a gzipped IDX file; its entry for the config."""
    payload = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    (folder / name).write_bytes(gzip.compress(payload, mtime=0))
    return {"name": name, "sha256": hashlib.sha256(payload).hexdigest(), "size": len(payload)}


def own_dataset(folder):
    rng = np.random.default_rng(3)
    folder.mkdir()
    arrays = {
        "train_images": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "train_labels": rng.integers(0, 10, 30, dtype=np.uint8),
        "test_images": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "test_labels": rng.integers(0, 10, 10, dtype=np.uint8),
    }
    entries = {role: write_idx(folder, f"{role}-idx.gz", array) for role, array in arrays.items()}
    own = {
        "kind": "idx",
        "mirrors": [str(folder.parent / "no such mirror"), str(folder)],
        "validation_images": 5,
        "files": entries,
    }
    model = {"kernel": [3, 1], "activation": "relu", "learning_rate": 0.1, "batch": 5, "steps": 2, "filters": 2}
    study = {"only": True, "seeds": 1, "architectures": {"mine": model}, "dataset": "own", "datasets": {"own": own}}
    return arrays, study


def test_a_dataset_of_ones_own_needs_a_config_file_and_nothing_else(new_tree, tmp_path):
    arrays, study = own_dataset(tmp_path / "a mirror")
    new_tree.configure("own.yaml", study)
    new_tree.snakemake("--cores", "1", "--until", "fetch_dataset")
    (path,) = (new_tree.folder / "data" / "own").glob("dataset-*.npz")
    stored = read_npz(path, DATASET_SHAPES)
    np.testing.assert_array_equal(stored["train_images"], arrays["train_images"][:25, ..., np.newaxis])
    np.testing.assert_array_equal(stored["validation_labels"], arrays["train_labels"][25:])
    np.testing.assert_array_equal(stored["test_images"], arrays["test_images"][..., np.newaxis])

    fetch = ("--until", "fetch_dataset")
    new_tree.configure("moved.yaml", {"datasets": {"own": {"mirrors": [str(tmp_path / "elsewhere")]}}})
    assert new_tree.stale(*fetch, FILTERTWINS_MIRROR=str(tmp_path / "site")) == NOTHING  # Mirrors don't matter.
    new_tree.configure("split.yaml", {"datasets": {"own": {"validation_images": 6}}})
    assert new_tree.stale(*fetch) == {"fetch_dataset": 1}


def colour_images(path, offset=0):
    """An npz file of 16x12x3 images of 7 classes, each of a colour of its own, counted from 1."""
    rng = np.random.default_rng(4)
    colours = rng.integers(30, 200, (7, 1, 1, 3))
    arrays = {}
    for split, count in (("train", 105), ("test", 35)):
        labels = np.arange(count) % 7
        noise = rng.integers(0, 56, (count, 16, 12, 3))
        arrays |= {f"x_{split}": (colours[labels] + noise + offset).astype(np.uint8), f"y_{split}": labels + 1}
    np.savez_compressed(path, **arrays)


def test_colour_images_of_seven_classes_lead_to_all_tables_figures_and_the_page(new_tree, tmp_path):
    path = tmp_path / "mine.npz"
    colour_images(path)
    model = {"kernel": [3, 3], "learning_rate": 1e-2, "batch": 32, "steps": 8, "filters": [1, 4]}
    study = {
        "only": True,
        "dataset": "mine",
        "datasets": {"mine": {"kind": "npz", "path": str(path), "validation_images": 20}},
        "seeds": 2,
        "measures": {"null_draws": 100, "cluster_null_draws": 20},
        "architectures": {"own_relu": model | {"activation": "relu"}, "own_linear": model | {"activation": "linear"}},
        "experiments": {"removal": {}, "collapse": {}},
        "pruning": {
            "methods": ["random", "l1", "obd", "cosine_merge"],
            "fine_tuning_steps": 2,
            "images": 40,
            "networks": {"question": None, "relu_3x1": None, "relu_5x5": None}
            | {"own_relu": {"filters": 4, "kept": [2], "from_scratch": [2]}},
        },
    }
    new_tree.configure("mine.yaml", study)
    output = new_tree.snakemake("--cores", "2")
    assert "filters end up the same: of" in output
    results = new_tree.folder / "results" / "mine"
    runs, kernels, cost = (read_csv(results / f"{table}.csv") for table in ("runs", "kernels", "cost"))
    assert len(runs) == 2 * 2 * 2
    assert set(runs["parameters"]) == {k * 28 + 14 * 10 * k * 7 + 7 for k in (1, 4)}
    assert set(kernels["channel"]) == {0, 1, 2}
    assert set(read_csv(results / "redundancy.csv")["dimension"]) == {27}
    assert set(cost.loc[cost["kept"] == 4, "convolution_macs"]) == {14 * 10 * 4 * 27}
    assert {path.suffix for path in (new_tree.folder / "figures" / "mine").glob("kernel_gallery.*")} >= {".pdf", ".svg"}
    assert (results / "answer.html").exists()
    assert new_tree.stale() == NOTHING
    colour_images(path, offset=1)
    assert new_tree.stale()["fetch_dataset"] == 1
    new_tree.configure("large.yaml", {"architectures": {"own_relu": {"kernel": [17, 3]}}})
    output = new_tree.snakemake("--dry-run", exit_code=1)
    assert "architectures.own_relu.kernel = [17, 3] is larger than the images" in output
    assert "Traceback" not in output


def test_networks_of_several_layers_lead_to_tables_by_layer_figures_and_the_page(new_tree, tmp_path):
    colour_images(tmp_path / "mine.npz")
    new_tree.overlays = ("config/cifar10.yaml",)  # With these images in place of those that Keras fetches.
    small = {"epochs": None, "steps": 5, "batch": 16, "filters": [2, 3], "scored_training_images": 50}
    study = {
        "dataset": "mine",
        "datasets": {"mine": {"kind": "npz", "path": str(tmp_path / "mine.npz"), "validation_images": 20}},
        "seeds": 3,
        "measures": {"null_draws": 100, "cluster_null_draws": 20},
        "architectures": {"three_layers": small},
    }
    new_tree.configure("mine.yaml", study)
    output = new_tree.snakemake("--cores", "2")
    assert "filters end up the same: of" in output
    results = new_tree.folder / "results" / "mine"
    runs, redundancy = (read_csv(results / f"{table}.csv") for table in ("runs", "redundancy"))
    assert len(runs) == 2 * 3
    rows = redundancy.groupby(["filters", "seed", "stage"], sort=False)["layer"].agg(list)
    assert len(rows) == 2 * 3 * 2
    assert set(map(tuple, rows)) == {("conv1", "conv2", "conv3")}
    of_two = redundancy[redundancy["filters"] == 2].groupby("layer", sort=False)
    assert of_two["dimension"].first().tolist() == [27, 9 * 2, 9 * 4]
    assert of_two["live_filters"].first().tolist() == [2, 4, 8]
    assert read_csv(results / "strangers.csv").groupby("layer")["basis"].first().to_dict() == {
        "conv1": "kernels",
        "conv2": "responses",
        "conv3": "responses",
    }
    drawn = {path.stem for path in (new_tree.folder / "figures" / "mine").glob("*.pdf")}
    assert {"similarity_vs_chance", "redundancy_vs_accuracy", "kernel_gallery"} <= drawn
    assert (results / "answer.html").exists()
    assert new_tree.stale() == NOTHING
    new_tree.configure("wrong.yaml", {"architectures": {"three_layers": {"layers": [{"Conv2D": {"kernel_size": 33}}]}}})
    output = new_tree.snakemake("--dry-run", exit_code=1)
    assert "architectures.three_layers.layers.0.Conv2D.filters: missing" in output


def test_a_wrong_checksum_ends_with_every_mirror_and_the_ways_out_and_leaves_nothing(new_tree, tmp_path):
    _, study = own_dataset(tmp_path / "a mirror")
    study["datasets"]["own"]["files"]["test_labels"]["sha256"] = "0" * 64
    new_tree.configure("own.yaml", study)
    output = new_tree.snakemake("--cores", "1", "--until", "fetch_dataset", exit_code=1)
    assert "Traceback" not in output
    for words in ("no such mirror", "a mirror", "sha256", "data/raw/own", "dataset=digits"):
        assert words in output
    assert not list((new_tree.folder / "data").rglob("dataset-*.npz"))
    assert not list((new_tree.folder / "data").rglob("*tmp*"))
