"""IDX files, the dataset that four of them make, and the embedded digits."""

import gzip
import hashlib
import io
import struct

import numpy as np
import pytest

from filtertwins import files
from filtertwins.data.datasets import DATASET_SHAPES, Dataset, load_dataset
from filtertwins.data.downloads import mirrors_with_site_mirror
from filtertwins.data.fetching import decode_idx_dataset
from filtertwins.data.idx import IdxError, PayloadError, decode_idx, sized_payload
from filtertwins.errors import StudyError
from filtertwins.names import SPLITS
from filtertwins.sources import IdxFile


def encode_idx(array: np.ndarray) -> bytes:
    """Write IDX independently of the decoder, by the struct module."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


# --- decode_idx


def test_decode_idx_reads_the_published_example():
    # The header of train-labels-idx1-ubyte on the MNIST page, with 3 labels in place of 60000.
    decoded = decode_idx(bytes.fromhex("00000801 00000003 05 00 04"), "labels")
    np.testing.assert_array_equal(decoded, np.array([5, 0, 4], np.uint8), strict=True)
    assert decoded.flags.writeable


@pytest.mark.parametrize(("element", "kind"), [(9, ">i1"), (11, ">i2"), (12, ">i4")])
def test_decode_idx_reads_whole_numbers_of_any_width(element, kind):
    numbers = np.array([[1, -2], [3, 100]], kind)
    payload = struct.pack(">HBB2I", 0, element, 2, 2, 2) + numbers.tobytes()
    np.testing.assert_array_equal(decode_idx(payload, "labels"), numbers, strict=True)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "requires a buffer of at least 4 bytes"),
        (b"\x1f\x8b\x08\x01", "it begins with 0x1f8b0801; allowed is 0x0000, one of 08, 09, 0b, 0c, and"),
        (b"\0\1\x08\x01\0\0\0\1\7", "it begins with 0x00010801"),
        (b"\0\0\x0d\x01\0\0\0\1\7\7\7\7", "it begins with 0x00000d01"),
        (b"\0\0\x08\x03\0\0\0\1\0\0\0\1", "requires a buffer of at least 16 bytes"),
        (b"\0\0\x08\x01\0\0\0\3\7\7", r"array of size 2 into shape \(3,\)"),
        (b"\0\0\x08\x01\0\0\0\1\7\7", r"array of size 2 into shape \(1,\)"),
        (b"\0\0\x08\x04" + b"\xff" * 16 + b"\7", "array of size 1 into shape"),  # the product overflows, to 1
    ],
)
def test_decode_idx_names_the_file_and_what_is_wrong(payload, message):
    with pytest.raises(IdxError, match=rf"^labels-file: no IDX array of whole numbers: .*{message}"):
        decode_idx(payload, "labels-file")


# --- payloads


@pytest.mark.parametrize(
    "content",
    [b"content", gzip.compress(b"content", mtime=0), gzip.compress(b"con", mtime=0) + gzip.compress(b"tent", mtime=0)],
)
def test_a_payload_is_read_from_bare_files_and_gzip_files_of_any_number_of_members(content):
    assert sized_payload(io.BytesIO(content), 7) == b"content"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"contents", mtime=0), "decompresses to more than the expected 7 bytes"),
        (gzip.compress(b"conten", mtime=0), "decompresses to 6 bytes, expected 7"),
        (gzip.compress(b"content", mtime=0)[:-4], "truncated gzip"),
        (gzip.compress(b"content", mtime=0)[:-8] + bytes(8), "damaged gzip file .*CRC"),
        (gzip.compress(b"content", mtime=0) + b"more", "damaged gzip"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0\7\7\7", "damaged gzip"),
        (b"contents", "neither a gzip file nor the bare payload: more than the expected 7 bytes"),
        (b"", "neither a gzip file nor the bare payload: 0 bytes, expected 7"),
        (b"\n <!DOCTYPE html><p>Sign in", "HTML page"),
        (b"<html>", "HTML page"),
    ],
)
def test_anything_else_is_no_payload(content, message):
    with pytest.raises(PayloadError, match=message):
        sized_payload(io.BytesIO(content), 7)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("a", "b")),
        ({"FILTERTWINS_MIRROR": "  "}, ("a", "b")),
        ({"FILTERTWINS_MIRROR": "/site"}, ("/site/own", "/site", "a", "b")),
        ({"FILTERTWINS_MIRROR": "b"}, ("b/own", "b", "a")),
        ({"FILTERTWINS_MIRROR": "http://site/data/"}, ("http://site/data/own", "http://site/data/", "a", "b")),
    ],
)
def test_the_site_mirror_comes_first_and_in_it_the_folder_of_the_dataset(environment, expected):
    assert mirrors_with_site_mirror(["a", "b"], "own", environment) == expected


# --- decode_idx_dataset

TRAIN_IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3, 1)  # (image, row, column, channel)
TEST_IMAGES = np.full((2, 2, 3, 1), 255, np.uint8)  # (image, row, column, channel)
TRAIN_LABELS = np.array([0, 1, 2, 8, 9], np.uint8)
TEST_LABELS = np.array([4, 5], np.uint8)


def store(folder, **others):
    """Write the four files, some of them with other arrays than the ones above."""
    names = {"train_images": "train-images.gz", "train_labels": "train-labels.gz"}
    names |= {"test_images": "t10k-images.gz", "test_labels": "t10k-labels.gz"}
    entries = []
    for array, name in names.items():
        payload = encode_idx((grey_arrays() | others)[array])
        (folder / name).write_bytes(gzip.compress(payload))
        entries.append(IdxFile(name=name, sha256=hashlib.sha256(payload).hexdigest(), size=len(payload)))
    return entries


def test_the_last_training_images_are_the_validation_split(tmp_path):
    entries = store(tmp_path)
    packed = tmp_path / entries[0].name  # One file is decompressed by hand, and called otherwise.
    (tmp_path / "train.images").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    dataset = decode_idx_dataset(tmp_path, entries, validation_images=2)
    expected = Dataset(
        TRAIN_IMAGES[:3], TRAIN_LABELS[:3], TRAIN_IMAGES[3:], TRAIN_LABELS[3:], TEST_IMAGES, TEST_LABELS
    ).to_arrays()
    for name, array in dataset.to_arrays().items():
        np.testing.assert_array_equal(array, expected[name], strict=True)


def test_colour_images_and_wide_labels_that_are_counted_from_1_are_read(tmp_path, capsys):
    colour = {"train_images": TRAIN_IMAGES.repeat(3, axis=3), "test_images": TEST_IMAGES.repeat(3, axis=3)}
    entries = store(tmp_path, **colour, train_labels=TRAIN_LABELS + np.uint8(1), test_labels=TEST_LABELS + np.uint8(1))
    dataset = decode_idx_dataset(tmp_path, entries, validation_images=2)
    assert (dataset.image_shape, dataset.classes) == ((2, 3, 3), 10)
    np.testing.assert_array_equal(dataset.test_labels, TEST_LABELS, strict=True)
    assert "labels go from 1 to 10, and are taken as 0 to 9" in capsys.readouterr().err


def test_decoding_refuses_a_file_that_changed_since_it_was_fetched_or_is_gone(tmp_path):
    entries = store(tmp_path)
    store(tmp_path, test_labels=np.array([4, 6], np.uint8))
    with pytest.raises(PayloadError, match=r"t10k-labels\.gz is other content: sha256"):
        decode_idx_dataset(tmp_path, entries, validation_images=1)
    (tmp_path / "t10k-images.gz").unlink()
    with pytest.raises(PayloadError, match=r"t10k-images\.gz: no such file"):
        decode_idx_dataset(tmp_path, entries, validation_images=1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"test_labels": TRAIN_LABELS}, r"t10k-labels.gz: 5 labels for 2 images; allowed is one each"),
        ({"train_images": TRAIN_LABELS}, r"train-images.gz: shape \(5,\); allowed is \(image, row, column\) or"),
        ({"train_images": TRAIN_IMAGES}, r"t10k-images.gz: images of shape \(2, 3\); .*train-images.gz, \(2, 3, 1\)"),
        ({"test_labels": TEST_IMAGES[..., 0]}, r"t10k-labels.gz: .*shape \(2, 2, 3\); allowed: whole numbers, one an"),
        ({"train_labels": TRAIN_LABELS + np.uint8(2)}, r"go from 2 to 11; allowed: classes counted from 0 or 1"),
    ],
)
def test_decoding_refuses_files_that_do_not_agree(tmp_path, arrays, message):
    with pytest.raises(StudyError, match=message):
        decode_idx_dataset(tmp_path, store(tmp_path, **arrays), validation_images=1)


# --- Dataset


def small_arrays():
    return {
        "train_images": TRAIN_IMAGES,
        "train_labels": TRAIN_LABELS,
        "validation_images": TRAIN_IMAGES[:1],
        "validation_labels": TRAIN_LABELS[:1],
        "test_images": TEST_IMAGES,
        "test_labels": TEST_LABELS,
    }


def grey_arrays():
    """The same, with images as IDX files have them: without an axis of channels."""
    return {name: array[..., 0] if array.ndim == 4 else array for name, array in small_arrays().items()}


def test_a_dataset_survives_the_npz_file(tmp_path):
    files.write_npz(tmp_path / "data.npz", Dataset(**small_arrays()).to_arrays())
    back = load_dataset(tmp_path / "data.npz").to_arrays()
    assert list(back) == list(small_arrays()) == list(DATASET_SHAPES)
    for name, array in small_arrays().items():
        np.testing.assert_array_equal(back[name], array, strict=True)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train_images", TRAIN_IMAGES / 255, "dtype float64; allowed is uint8"),
        ("train_labels", TRAIN_LABELS.astype(np.int64), "dtype int64; allowed is uint8 or int32"),
        ("test_images", TEST_IMAGES[..., 0], r"shape \(2, 2, 3\); allowed is \(image, row, column, channel\)"),
        ("validation_images", TRAIN_IMAGES[:0], "none of them 0"),
        ("test_labels", TEST_LABELS[:1], "2 images but 1 labels"),
        ("train_labels", TRAIN_LABELS.astype(np.int32) - 1, "a label is -1; allowed: classes, counted from 0"),
        ("validation_images", TRAIN_IMAGES[:1, :, :2], "images of 2x2 pixels"),
        ("test_images", TEST_IMAGES.repeat(3, axis=3), "images of 2x3 pixels with 3 channels; .* 2x3 pixels"),
    ],
)
def test_a_dataset_refuses_arrays_that_cannot_be_one(name, array, message):
    with pytest.raises(ValueError, match=rf"{name.partition('_')[0]}.*: .*{message}"):
        Dataset(**small_arrays() | {name: array})


def test_the_images_shape_and_the_number_of_classes_are_those_of_the_data():
    colour = {f"{split}_images": small_arrays()[f"{split}_images"].repeat(3, axis=3) for split in SPLITS}
    dataset = Dataset(**small_arrays() | colour | {"test_labels": np.array([4, 299], np.int32)})
    assert (dataset.image_shape, dataset.classes) == ((2, 3, 3), 300)
    assert Dataset(**small_arrays()).classes == 10  # The test images have none of the last class.
    with pytest.raises(ValueError, match="labels: all are 0; allowed: two classes or more"):
        Dataset(**small_arrays() | {f"{split}_labels": 0 * small_arrays()[f"{split}_labels"] for split in SPLITS})


# --- digits


def test_digits_are_the_same_for_all_versions_of_scikit_learn(digits):
    """Golden: the arrays were looked at, and checked scan by scan, label by label, when this was written down."""
    assert digits.train_images.shape == (1257, 28, 28, 1)
    assert digits.validation_images.shape == (180, 28, 28, 1)
    assert digits.test_images.shape == (360, 28, 28, 1)
    found = hashlib.sha256(b"".join(array.tobytes() for array in digits.to_arrays().values())).hexdigest()
    assert found == "31b1bbb2af1486fdee65312e1bb5c3be346512ff795cb053e8ededba8d4a31b8"
