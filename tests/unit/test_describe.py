"""``filtertwins dataset``: what files hold, as a section of a config that loads; and what is converted."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
import yaml

from filtertwins.__main__ import FAILED, main
from filtertwins.data import keras_files
from filtertwins.data.fetching import fetch_dataset
from filtertwins.data.keras_files import KERAS_FILES, KerasFile, keras_mirrors, read_cifar
from filtertwins.errors import StudyError
from filtertwins.settings import load_settings

IMAGES = np.random.default_rng(2).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(40) % 7
MODEL = {"kernel": [3, 3], "activation": "relu", "learning_rate": 1e-3, "batch": 8, "steps": 2, "filters": [2]}


def write_idx(path, array, element=8):
    kind = {8: ">u1", 12: ">i4"}[element]
    header = struct.pack(f">HBB{array.ndim}I", 0, element, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(kind).tobytes()))
    return path


def dataset_of(section, folder):
    """The dataset of a printed section, as a study would get it."""
    source = load_settings(yaml.safe_load(section) | {"seeds": 1, "architectures": {"m": MODEL}}).dataset_settings
    return fetch_dataset(source, "mine", folder / "raw", {})


def run(capsys, *arguments, code=0):
    assert main(["dataset", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_an_npz_files_section_can_be_pasted(tmp_path, capsys):
    path = tmp_path / "it's mine.npz"
    np.savez(path, train_images=IMAGES, train_labels=LABELS + 1, test_images=IMAGES[:8], test_labels=LABELS[:8] + 1)
    printed = run(capsys, path)
    assert printed.startswith("# 40 training and 8 test images with 3 channels of 6x5 pixels, 7 classes\n# ")
    assert "labels go from 1 to 7, and are taken as 0 to 6" in printed
    section = yaml.safe_load(printed)["datasets"]["mine"]
    assert section["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert section["validation_images"] == 4
    dataset = dataset_of(printed, tmp_path)
    np.testing.assert_array_equal(dataset.train_labels, LABELS[:36].astype(np.uint8), strict=True)


@pytest.mark.parametrize("element", [8, 12])
def test_four_idx_files_section_can_be_pasted_whatever_they_are_called(tmp_path, capsys, element):
    parts = {"a train x": IMAGES, "a train y": LABELS, "a t10k x": IMAGES[:8], "a t10k y": LABELS[:8]}
    files = [
        write_idx(tmp_path / f"{name}.gz", array, element if array.ndim == 1 else 8) for name, array in parts.items()
    ]
    printed = run(capsys, *files, "--name", "shapes")
    assert yaml.safe_load(printed)["dataset"] == "shapes"
    dataset = dataset_of(printed, tmp_path)
    np.testing.assert_array_equal(dataset.test_images, IMAGES[:8], strict=True)
    np.testing.assert_array_equal(dataset.validation_labels, LABELS[36:].astype(np.uint8), strict=True)


def test_what_is_in_no_form_yet_is_converted(tmp_path, capsys):
    np.save(tmp_path / "images.npy", IMAGES.transpose(0, 3, 1, 2) / np.float32(255))
    np.save(tmp_path / "labels.npy", np.eye(7)[LABELS])
    files, out = [tmp_path / "images.npy", tmp_path / "labels.npy"], tmp_path / "made.npz"
    convert = ("--convert", out, "--channels-first", "--test-images", "10")
    dataset = dataset_of(run(capsys, *files, *convert), tmp_path)
    np.testing.assert_array_equal(dataset.test_images, IMAGES[30:], strict=True)
    np.testing.assert_array_equal(dataset.train_labels, LABELS[:27].astype(np.uint8), strict=True)


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (
            b"hello world",
            (),
            "own: nothing that is known here; allowed: IDX, npz and npy files, and what Keras fetches",
        ),
        (b"PK\3\4", (), "own: not a whole npz file"),
        (gzip.compress(b"123456789", mtime=0)[:-4], (), "own: a damaged gzip file"),
        (b"\x93NUMPY\1\0", (), "own: no array as NumPy saves it"),
        (b"\0\0\x08\1\0\0\0\2\0\1", (), "it is not clear what each array is for: own (2,); name them so"),
        (b"\0\0\x08\1\0\0\0\2\0\1", ("--convert", "o.csv"), "o.csv: the name of what is written must end in .npz"),
    ],
)
def test_a_bad_file_costs_a_line_and_the_exit_code(tmp_path, capsys, content, arguments, words):
    (tmp_path / "own").write_bytes(content)
    printed = run(capsys, tmp_path / "own", *arguments, code=FAILED)
    assert printed.startswith("error: ")
    assert words in printed
    assert printed.count("\n") == 1


def test_folders_tell_files_of_the_same_name_apart(tmp_path, capsys):
    files = []
    for split, count in (("train", 40), ("test", 8)):
        (tmp_path / split).mkdir()
        for name, array in (("images", IMAGES), ("labels", LABELS)):
            files.append(tmp_path / split / f"{name}.npy")
            np.save(files[-1], array[:count])
    dataset = dataset_of(run(capsys, *files, "--convert", tmp_path / "made.npz"), tmp_path)
    assert (len(dataset.train_images) + len(dataset.validation_images), len(dataset.test_images)) == (40, 8)
    told = run(capsys, *files, "--convert", tmp_path / "again.npz", "--test-images", "5", code=FAILED)
    assert "there are images to test on already" in told


def test_files_that_neither_name_nor_folder_tells_apart_are_all_named(tmp_path, capsys):
    files = []
    for part in ("a", "b"):
        (tmp_path / part / "train").mkdir(parents=True)
        for name, array in (("images", IMAGES), ("labels", LABELS)):
            files.append(tmp_path / part / "train" / f"{name}.npy")
            np.save(files[-1], array)
    told = run(capsys, *files, "--convert", tmp_path / "made.npz", code=FAILED)
    assert "not clear what each array is for" in told
    assert all(str(path) in told for path in files)


def test_idx_files_of_two_folders_are_no_mirror_and_can_be_converted(tmp_path, capsys):
    files = []
    for split, count in (("train", 40), ("test", 8)):
        (tmp_path / split).mkdir()
        for name, array, element in (("images.gz", IMAGES, 8), ("labels.gz", LABELS, 12)):
            files.append(write_idx(tmp_path / split / name, array[:count], element))
    assert "add --convert OUT.npz" in run(capsys, *files, code=FAILED)
    dataset = dataset_of(run(capsys, *files, "--convert", tmp_path / "made.npz"), tmp_path)
    assert len(dataset.test_images) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--test-images", "5"), "add --convert"),
        (("--channels-first",), "add --convert"),
        (("--name", "my-data"), "name"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, capsys, arguments, words):
    assert words in run(capsys, tmp_path / "own", *arguments, code=FAILED)


@pytest.mark.parametrize("name", ["on", "null"])
def test_a_name_that_yaml_would_misread_is_quoted(tmp_path, capsys, name):
    np.savez(tmp_path / "own.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:8], y_test=LABELS[:8])
    assert yaml.safe_load(run(capsys, tmp_path / "own.npz", "--name", name))["dataset"] == name


def test_a_file_that_is_not_there_costs_a_line(tmp_path, capsys):
    assert "can't be read: No such file" in run(capsys, tmp_path / "gone", code=FAILED)


@pytest.mark.parametrize("value", [-1.0, 300.0, np.nan])
def test_floats_that_are_no_pixels_are_not_converted(tmp_path, capsys, value):
    images = np.full((4, 3, 3), value)
    np.savez(tmp_path / "own.npz", x_train=images, y_train=[0, 1, 0, 1], x_test=images[:2], y_test=[0, 1])
    printed = run(capsys, tmp_path / "own.npz", "--convert", tmp_path / "out.npz", code=FAILED)
    assert "allowed: from 0 to 1, or from 0 to 255" in printed
    assert not (tmp_path / "out.npz").exists()


# --- what Keras fetches


def cifar_archive(path, folder, batches):
    """An archive as CIFAR's, whose batches are pickles as Python 2 wrote them."""
    with tarfile.open(path, "w:gz") as archive:
        for name, batch in batches.items():
            content = pickle.dumps(batch, protocol=2)
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def cifar_batch(count, key, number):
    rng = np.random.default_rng(number)
    return {b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), key: rng.integers(0, 10, count).tolist()}


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """Keras's cache with a small archive in the place of CIFAR-10's; and its batches."""
    batches = {f"data_batch_{i}": cifar_batch(4, b"labels", i) for i in range(1, 6)}
    batches["test_batch"] = cifar_batch(3, b"labels", 9)
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    path = cifar_archive(cache / "cifar-10-batches-py-target_archive", "cifar-10-batches-py", batches)
    content = path.read_bytes()
    file = KerasFile(name="cifar-10-python.tar.gz", size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(keras_files.KERAS_FILES, "cifar10", ("/nowhere", (file,)))
    return path, batches


def test_a_dataset_of_keras_comes_from_its_cache_or_a_mirror_and_is_the_same(tmp_path, cifar10, capsys):
    path, batches = cifar10
    section = {"kind": "keras", "name": "cifar10", "validation_images": 2}
    config = {"dataset": "c", "datasets": {"c": section}, "seeds": 1, "architectures": {"m": MODEL}}
    source = load_settings(config).dataset_settings
    assert (source.training_images, source.image_shapes, source.classes) == (49_998, [(32, 32, 3)], 10)
    dataset = fetch_dataset(source, "c", tmp_path / "raw", {"KERAS_HOME": str(tmp_path / "keras")})
    assert dataset.train_images.shape == (18, 32, 32, 3)
    first = batches["data_batch_1"][b"data"][0].reshape(3, 32, 32)
    np.testing.assert_array_equal(dataset.train_images[0], first.transpose(1, 2, 0))
    assert dataset.test_labels.tolist() == batches["test_batch"][b"labels"]
    mirror = tmp_path / "mirror" / "c"
    mirror.mkdir(parents=True)
    path.rename(mirror / "cifar-10-python.tar.gz")
    moved = {"FILTERTWINS_MIRROR": str(tmp_path / "mirror"), "KERAS_HOME": str(tmp_path / "none")}
    again = fetch_dataset(source, "c", tmp_path / "other", moved)
    np.testing.assert_array_equal(again.train_images, dataset.train_images)
    printed = run(capsys, mirror / "cifar-10-python.tar.gz")
    assert yaml.safe_load(printed)["datasets"]["mine"] == {"kind": "keras", "name": "cifar10", "validation_images": 2}


def test_a_pickle_that_asks_for_more_than_arrays_is_refused(tmp_path):
    batches = {f"data_batch_{i}": {b"data": print} for i in range(1, 6)}
    path = cifar_archive(tmp_path / "evil", "cifar-10-batches-py", batches | {"test_batch": {}})
    with pytest.raises(StudyError, match=r"a pickle that asks for .*; allowed are arrays alone"):
        read_cifar(path, "cifar10")


def test_what_keras_fetches_is_what_keras_says(root):
    """Addresses and checksums stand in Keras's own sources, but for those of Fashion-MNIST, which Keras has not."""
    import importlib.util
    from pathlib import Path

    folder = Path(importlib.util.find_spec("keras").origin).parent / "src" / "datasets"
    for name, (address, files) in KERAS_FILES.items():
        source = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert address in source
        for file in files:
            assert file.name in source
            assert name == "fashion_mnist" or file.sha256 in source
    assert keras_mirrors("mnist", {"KERAS_HOME": "/nowhere"}) == (KERAS_FILES["mnist"][0],)
