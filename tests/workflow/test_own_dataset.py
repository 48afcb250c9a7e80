"""A dataset by config alone: four IDX files, a mirror, checksums."""

from __future__ import annotations

import gzip
import hashlib
import struct

import numpy as np

from filtertwins.data.datasets import DATASET_SHAPES
from filtertwins.files import read_npz
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
    np.testing.assert_array_equal(stored["train_images"], arrays["train_images"][:25])
    np.testing.assert_array_equal(stored["validation_labels"], arrays["train_labels"][25:])
    np.testing.assert_array_equal(stored["test_images"], arrays["test_images"])

    fetch = ("--until", "fetch_dataset")
    new_tree.configure("moved.yaml", {"datasets": {"own": {"mirrors": [str(tmp_path / "elsewhere")]}}})
    assert new_tree.stale(*fetch, FILTERTWINS_MIRROR=str(tmp_path / "site")) == NOTHING  # Mirrors don't matter.
    new_tree.configure("split.yaml", {"datasets": {"own": {"validation_images": 6}}})
    assert new_tree.stale(*fetch) == {"fetch_dataset": 1}


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
