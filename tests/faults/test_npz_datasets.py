"""An npz file of somebody's that is no dataset: one line, with the file, what is wrong, and what is allowed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from filtertwins.data.fetching import fetch_dataset
from filtertwins.errors import StudyError
from filtertwins.plan import Plan
from filtertwins.settings import load_settings
from filtertwins.sources import NpzDataset

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(40) % 7
ARRAYS = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:8], "y_test": LABELS[:8]}
MODEL = {"kernel": [3, 3], "activation": "relu", "learning_rate": 1e-3, "batch": 8, "steps": 2, "filters": [2]}


def save(folder, **changes):
    """An npz file with some arrays changed, or left out where they are None."""
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def config_of(path, model=MODEL, **changes):
    own = {"kind": "npz", "path": str(path), "validation_images": 5} | changes
    return {"dataset": "own", "datasets": {"own": own}, "seeds": 1, "architectures": {"mine": model}}


def refused(config):
    """The one line of a config that is refused."""
    with pytest.raises(StudyError) as caught:
        load_settings(config)
    headline, mistake = str(caught.value).splitlines()
    assert headline == "the configuration has one mistake:"
    return mistake


def test_an_npz_file_tells_the_config_its_shape(tmp_path):
    source = load_settings(config_of(save(tmp_path))).dataset_settings
    assert (source.training_images, source.image_shapes) == (35, [(6, 5, 3)])
    dataset = fetch_dataset(source, "own", tmp_path, {})
    assert (dataset.image_shape, dataset.classes) == ((6, 5, 3), 7)
    np.testing.assert_array_equal(dataset.validation_images, IMAGES[35:], strict=True)
    np.testing.assert_array_equal(dataset.test_labels, LABELS[:8].astype(np.uint8), strict=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None}, "own.npz: no array 'x_test' for x_test; it holds x_train, y_train, y_test; name it under"),
        ({"x_train": IMAGES / 255}, "x_train: floats; allowed are bytes from 0 to 255; filtertwins dataset FILE..."),
        ({"x_train": IMAGES.reshape(40, -1)}, "x_train: shape (40, 90); allowed is (image, row, column) or"),
        ({"x_train": IMAGES.transpose(0, 3, 1, 2)}, "5 channels, the last axis; allowed: 1 to 4; with channels first,"),
        ({"y_train": LABELS[:39]}, "y_train: 39 labels for 40 images; allowed is one each"),
        ({"x_test": IMAGES[:8, :4]}, "x_test: images of shape (4, 5, 3); allowed is that of x_train, (6, 5, 3)"),
        ({"x_train": np.array([{}], dtype=object)}, "array 'x_train': Python objects, which are never unpickled"),
    ],
)
def test_headers_that_are_no_dataset_are_refused_before_any_job(tmp_path, changes, words):
    mistake = refused(config_of(save(tmp_path, **changes)))
    assert mistake.startswith(f"  - datasets.own: {tmp_path}/own.npz: ")
    assert words in mistake


def test_what_does_not_fit_and_a_file_that_is_not_there_are_refused_before_any_job(tmp_path):
    path = save(tmp_path)
    assert "kernel = [7, 3] is larger than the images" in refused(config_of(path, MODEL | {"kernel": [7, 3]}))
    assert "batch = 36 is more than the 35 training images" in refused(config_of(path, MODEL | {"batch": 36}))
    assert "validation_images = 40; allowed: below 40" in refused(config_of(path, validation_images=40))
    assert "gone.npz: can't be read: No such file" in refused(config_of(tmp_path / "gone.npz"))
    other = {"arrays": {"x_train": "pictures"}}
    assert "no array 'pictures' for x_train" in refused(config_of(path, **other))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"y_train": LABELS + 2, "y_test": LABELS[:8] + 2},
            "labels go from 2 to 8; allowed: classes counted from 0 or 1",
        ),
        ({"y_train": LABELS - 1}, "labels go from -1 to 6; allowed"),
        ({"y_train": LABELS * 10**6}, "allowed: classes counted from 0 or 1, at most 10,000 of them"),
        ({"y_train": LABELS / 1.0}, "y_train: float64 of shape (40,); allowed: whole numbers, one an image"),
        (
            {"y_train": np.ones((40, 7)), "y_test": np.eye(7)[LABELS[:8]]},
            "rows of 7 numbers; allowed: a class, or rows",
        ),
        ({"y_train": np.eye(7)[LABELS]}, "one has rows of numbers; allowed: both or none"),
        ({"x_train": IMAGES.astype(int) * 2}, "x_train: numbers from 0 to 510; allowed: bytes from 0 to 255"),
    ],
)
def test_elements_that_are_no_dataset_are_refused_by_the_job_in_one_line(tmp_path, changes, words):
    source = NpzDataset(kind="npz", path=str(save(tmp_path, **changes)), validation_images=5)
    with pytest.raises(StudyError) as caught:
        fetch_dataset(source, "own", tmp_path, {})
    assert str(caught.value).startswith(f"{tmp_path}/own.npz: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"y_train": (LABELS + 1).astype(">i2"), "y_test": (LABELS[:8] + 1).astype(np.int8)},
        {"y_train": LABELS[:, np.newaxis], "y_test": LABELS[:8, np.newaxis]},
        {"y_train": np.eye(7)[LABELS], "y_test": np.eye(7, dtype=bool)[LABELS[:8]]},
        {"x_train": IMAGES.astype(np.int64)},
    ],
)
def test_whatever_means_the_same_is_the_same_dataset(tmp_path, capsys, changes):
    source = NpzDataset(kind="npz", path=str(save(tmp_path, **changes)), validation_images=5)
    dataset = fetch_dataset(source, "own", tmp_path, {})
    np.testing.assert_array_equal(dataset.train_labels, LABELS[:35].astype(np.uint8), strict=True)
    np.testing.assert_array_equal(dataset.train_images, IMAGES[:35], strict=True)
    assert ("labels go from 1 to 7, and are taken as 0 to 6" in capsys.readouterr().err) == (
        changes.get("y_train", LABELS).min() == 1
    )


def test_grey_images_may_lack_an_axis_and_arrays_be_compressed_and_called_otherwise(tmp_path):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, a=IMAGES[..., 0], b=LABELS, c=IMAGES[:8, :, :, :1], d=LABELS[:8])
    names = dict(zip(("x_train", "y_train", "x_test", "y_test"), "abcd", strict=True))
    mistake = refused(config_of(path, arrays=names))
    assert "c: images of shape (6, 5, 1); allowed is that of a, (6, 5)" in mistake
    np.savez_compressed(path, a=IMAGES[..., 0], b=LABELS, c=IMAGES[:8, :, :, 0], d=LABELS[:8])
    source = load_settings(config_of(path, arrays=names)).dataset_settings
    assert fetch_dataset(source, "own", tmp_path, {}).image_shape == (6, 5, 1)


class Exploding:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_nothing_is_unpickled_and_no_size_is_believed(tmp_path):
    exploded = tmp_path / "exploded"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 28, 28), }\n"
    large = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    objects = io.BytesIO()
    np.lib.format.write_array(objects, np.array([Exploding(exploded)], dtype=object), allow_pickle=True)
    contents = {
        "objects, which are never unpickled": objects.getvalue(),
        "bytes where its shape (1000000000000, 28, 28) takes": large,
        "no array as NumPy saves it": pickle.dumps(Exploding(exploded)),
    }
    for words, content in contents.items():
        path = save(tmp_path, x_train=None)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("x_train.npy", content)
        assert words in refused(config_of(path))
    path.write_bytes(b"PK and no more")
    assert "not a whole npz file" in refused(config_of(path))
    assert not exploded.exists()


def test_a_flipped_bit_and_another_file_are_refused_by_their_checksums(tmp_path):
    path = save(tmp_path)
    source = NpzDataset(kind="npz", path=str(path), validation_images=5, sha256="0" * 64)
    with pytest.raises(StudyError, match=r"sha256 is .* allowed is that of the config"):
        fetch_dataset(source, "own", tmp_path, {})
    content = bytearray(path.read_bytes())
    content[content.index(IMAGES.tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"array 'x_train': .*CRC"):
        fetch_dataset(source.model_copy(update={"sha256": None}), "own", tmp_path, {})


def test_another_content_makes_the_study_stale_and_another_place_or_time_does_not(tmp_path):
    def digest(path):
        return Plan(load_settings(config_of(path))).dataset_digest

    path = save(tmp_path)
    before = digest(path)
    moved = path.rename(tmp_path / "moved.npz")
    os.utime(moved, (1, 1))
    np.savez_compressed(path, **ARRAYS)
    assert digest(moved) == digest(path) == before
    assert digest(save(tmp_path, y_test=LABELS[8:16])) != before
