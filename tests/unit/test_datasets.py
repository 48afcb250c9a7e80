import gzip
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filtertwins import files
from filtertwins.data.datasets import DATASET_SHAPES, Dataset, decode_idx_dataset, load_digits
from filtertwins.data.downloads import mirrors_with_site_mirror
from filtertwins.data.idx import IdxError, IdxFile, IdxFiles, PayloadError, decode_idx, read_payload


def encode_idx(array: np.ndarray) -> bytes:
    """Write IDX independently of the decoder, by the struct module."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


# --- decode_idx


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=5, max_side=6)))
def test_decode_idx_gives_back_any_array(array):
    decoded = decode_idx(encode_idx(array), "any")
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable
    np.testing.assert_array_equal(decoded, array, strict=True)


def test_decode_idx_reads_the_published_example():
    # The header of train-labels-idx1-ubyte on the MNIST page, with 3 labels in place of 60000.
    np.testing.assert_array_equal(decode_idx(bytes.fromhex("00000801 00000003 05 00 04"), "labels"), [5, 0, 4])


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda rest: b"\0\0\x08" + rest))
def test_decode_idx_on_arbitrary_bytes_raises_nothing_but_its_error(payload):
    try:
        array = decode_idx(payload, "arbitrary")
    except IdxError as error:
        assert str(error).startswith("arbitrary: ")  # noqa: PT017 - both outcomes are right
    else:
        assert encode_idx(array) == payload


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", r"size is 0 bytes; allowed is at least 4"),
        (b"\x1f\x8b\x08\x01", r"magic is 0x1f8b0801; allowed is two zero bytes"),
        (b"\0\1\x08\x01\0\0\0\1\7", r"magic is 0x00010801"),
        (b"\0\0\x0d\x01\0\0\0\1\7\7\7\7", r"element type is 0x0d; allowed is 0x08"),
        (b"\0\0\x08\0\7", r"rank is 0; allowed is 1 to 32"),
        (b"\0\0\x08\x21" + b"\0\0\0\1" * 33 + b"\7", r"rank is 33"),
        (b"\0\0\x08\x03\0\0\0\1\0\0\0\1", r"size is 12 bytes; allowed is at least 16, the header of rank 3"),
        (b"\0\0\x08\x02\0\0\0\2\0\0\0\0", r"dimension 1 is 0; allowed is 1 or more"),
        (b"\0\0\x08\x01\0\0\0\3\7\7", r"size is 10 bytes; allowed is 11, as the dimensions 3 say"),
        (b"\0\0\x08\x01\0\0\0\1\7\7", r"size is 10 bytes; allowed is 9"),
        # 2**32 - 1 everywhere; and dimensions whose product is 1 modulo 2**64, and so the payload's own size.
        (
            struct.pack(">HBB2IB", 0, 8, 2, HUGE, HUGE, 7),
            r"size is 13 bytes; allowed is 18,446,744,065,119,617,037",
        ),
        (
            struct.pack(">HBB4IB", 0, 8, 4, HUGE, HUGE, HUGE, HUGE, 7),
            r"size is 21 bytes; .*as the dimensions 4294967295x4294967295",
        ),
        (
            struct.pack(">HBB4IB", 0, 8, 4, 2**31, 2**31, 2**31, 2**31, 7),
            r"size is 21 bytes; .*as the dimensions 2147483648x",
        ),
    ],
)
def test_decode_idx_names_the_file_and_the_field(payload, message):
    with pytest.raises(IdxError, match=rf"^labels-file: {message}"):
        decode_idx(payload, "labels-file")


# --- payloads


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_payload_takes_gzip_and_bare_files(tmp_path, pack):
    (tmp_path / "file.gz").write_bytes(pack(b"content"))
    assert read_payload(tmp_path / "file.gz", 7) == b"content"


def test_read_payload_takes_a_gzip_file_in_several_members(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(b"con") + gzip.compress(b"tent"))
    assert read_payload(tmp_path / "file.gz", 7) == b"content"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"contents", mtime=0), "more than the expected 7 bytes"),
        (gzip.compress(b"conten", mtime=0), "decompresses to 6 bytes, expected 7"),
        (gzip.compress(b"content", mtime=0)[:-4], "truncated gzip"),
        (gzip.compress(b"content", mtime=0)[:-8] + bytes(8), "damaged gzip file .*CRC"),
        (gzip.compress(b"content", mtime=0) + b"more", "damaged gzip"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0\7\7\7", "damaged gzip"),
        (b"contents", "neither a gzip file nor the bare payload: more than 7 bytes, expected 7"),
        (b"", "neither a gzip file nor the bare payload: 0 bytes, expected 7"),
        (b"\n <!DOCTYPE html><p>Sign in", "HTML page"),
        (b"<html>", "HTML page"),
    ],
)
def test_read_payload_refuses_anything_else(tmp_path, content, message):
    (tmp_path / "file.gz").write_bytes(content)
    with pytest.raises(PayloadError, match=rf"file\.gz: .*{message}"):
        read_payload(tmp_path / "file.gz", 7)


def test_read_payload_stops_a_gzip_bomb_at_once(tmp_path):
    import tracemalloc

    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(200_000_000), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(PayloadError, match="more than the expected 9 bytes"):
        read_payload(tmp_path / "bomb.gz", 9)
    held_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held_bytes < 5_000_000


# --- mirrors and file entries


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("a", "b")),
        ({"FILTERTWINS_MIRROR": ""}, ("a", "b")),
        ({"FILTERTWINS_MIRROR": "  "}, ("a", "b")),
        ({"FILTERTWINS_MIRROR": "/site"}, ("/site", "a", "b")),
        ({"FILTERTWINS_MIRROR": "b"}, ("b", "a")),
    ],
)
def test_the_site_mirror_comes_first(environment, expected):
    assert mirrors_with_site_mirror(["a", "b"], environment) == expected


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "C:x", ".hidden"])
def test_a_file_name_cannot_leave_the_folder(name):
    with pytest.raises(ValueError, match=r"name: .*plain file name"):
        IdxFile(name, "0" * 64, 1)


@pytest.mark.parametrize(("sha256", "size"), [("0" * 63, 1), ("g" * 64, 1), ("0" * 64, 0), ("0" * 64, -1)])
def test_an_impossible_checksum_or_size_is_refused(sha256, size):
    with pytest.raises(ValueError, match=r"of train\.gz: .*allowed"):
        IdxFile("train.gz", sha256, size)


# --- decode_idx_dataset

TRAIN_IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)  # (image, row, column)
TEST_IMAGES = np.full((2, 2, 3), 255, np.uint8)  # (image, row, column)
TRAIN_LABELS = np.array([0, 1, 2, 8, 9], np.uint8)
TEST_LABELS = np.array([4, 5], np.uint8)


def store(folder, **others):
    """Write the four files, some of them with other arrays than the ones above."""
    arrays = {
        "train-images.gz": others.get("train_images", TRAIN_IMAGES),
        "train-labels.gz": others.get("train_labels", TRAIN_LABELS),
        "t10k-images.gz": others.get("test_images", TEST_IMAGES),
        "t10k-labels.gz": others.get("test_labels", TEST_LABELS),
    }
    entries = []
    for name, array in arrays.items():
        payload = encode_idx(array)
        (folder / name).write_bytes(gzip.compress(payload))
        entries.append(IdxFile(name, hashlib.sha256(payload).hexdigest(), len(payload)))
    return IdxFiles(*entries)


def test_the_last_training_images_are_the_validation_split(tmp_path):
    dataset = decode_idx_dataset(tmp_path, store(tmp_path), validation_images=2)
    np.testing.assert_array_equal(dataset.train_images, TRAIN_IMAGES[:3], strict=True)
    np.testing.assert_array_equal(dataset.validation_images, TRAIN_IMAGES[3:], strict=True)
    np.testing.assert_array_equal(dataset.test_images, TEST_IMAGES, strict=True)
    np.testing.assert_array_equal(dataset.train_labels, [0, 1, 2])
    np.testing.assert_array_equal(dataset.validation_labels, [8, 9])
    np.testing.assert_array_equal(dataset.test_labels, [4, 5])


def test_decoding_takes_files_that_were_decompressed_by_hand(tmp_path):
    entries = store(tmp_path)
    for entry in entries:
        packed = tmp_path / entry.name
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert len(decode_idx_dataset(tmp_path, list(entries), validation_images=1).train_labels) == 4


def test_decoding_refuses_a_file_that_changed_since_it_was_fetched(tmp_path):
    entries = store(tmp_path)
    store(tmp_path, test_labels=np.array([4, 6], np.uint8))
    with pytest.raises(PayloadError, match=r"t10k-labels\.gz: is other content: sha256"):
        decode_idx_dataset(tmp_path, entries, validation_images=1)


def test_decoding_names_a_file_that_is_not_there(tmp_path):
    entries = store(tmp_path)
    (tmp_path / "t10k-images.gz").unlink()
    with pytest.raises(PayloadError, match=r"t10k-images\.gz: no such file"):
        decode_idx_dataset(tmp_path, entries, validation_images=1)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        (
            {"train_labels": TRAIN_LABELS[:4]},
            ValueError,
            r"train-images.gz has 5 images but train-labels.gz 4",
        ),
        ({"test_labels": TRAIN_LABELS}, ValueError, r"t10k-images.gz has 2 images but t10k-labels.gz 5"),
        ({"test_images": TEST_IMAGES[:, :1]}, ValueError, r"test_images: images of 1x3 .* train_images, 2x3"),
        ({"train_images": TRAIN_LABELS}, IdxError, r"train-images.gz: rank is 1; allowed is 3"),
        ({"test_labels": TEST_IMAGES}, IdxError, r"t10k-labels.gz: rank is 3; allowed is 1"),
        (
            {"test_labels": TEST_LABELS + np.uint8(5)},
            ValueError,
            r"test_labels: label 10; allowed are 0 to 9",
        ),
    ],
)
def test_decoding_refuses_files_that_do_not_agree(tmp_path, arrays, error, message):
    with pytest.raises(error, match=message):
        decode_idx_dataset(tmp_path, store(tmp_path, **arrays), validation_images=1)


@pytest.mark.parametrize("validation_images", [-1, 0, 5, 6])
def test_the_validation_split_leaves_images_on_both_sides(tmp_path, validation_images):
    with pytest.raises(ValueError, match=rf"validation_images: {validation_images}; allowed is 1 to 4"):
        decode_idx_dataset(tmp_path, store(tmp_path), validation_images=validation_images)


def test_a_dataset_has_four_files(tmp_path):
    with pytest.raises(ValueError, match="3 are given; allowed are 4: train_images, train_labels"):
        decode_idx_dataset(tmp_path, store(tmp_path)[:3], validation_images=1)


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


def test_a_dataset_survives_the_npz_file(tmp_path):
    files.write_npz(tmp_path / "data.npz", Dataset(**small_arrays()).to_arrays())
    back = Dataset.from_arrays(files.read_npz(tmp_path / "data.npz", DATASET_SHAPES)).to_arrays()
    assert list(back) == list(small_arrays()) == list(DATASET_SHAPES)
    for name, array in small_arrays().items():
        np.testing.assert_array_equal(back[name], array, strict=True)


def test_from_arrays_names_what_is_missing():
    arrays = small_arrays()
    del arrays["test_labels"]
    with pytest.raises(ValueError, match="arrays missing: test_labels; found: test_images, train_images"):
        Dataset.from_arrays(arrays)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train_images", TRAIN_IMAGES / 255, "dtype float64; allowed is uint8"),
        ("train_labels", TRAIN_LABELS.astype(np.int64), "dtype int64; allowed is uint8"),
        ("test_images", TEST_IMAGES[..., None], r"shape \(2, 2, 3, 1\); allowed is \(image, row, column\)"),
        ("validation_images", TRAIN_IMAGES[:0], "none of them 0"),
        ("test_labels", TEST_LABELS[:1], "2 images but 1 labels"),
        ("train_labels", TRAIN_LABELS + np.uint8(1), "label 10; allowed are 0 to 9"),
        ("validation_images", TRAIN_IMAGES[:1, :, :2], "images of 2x2 pixels"),
    ],
)
def test_a_dataset_refuses_arrays_that_cannot_be_one(name, array, message):
    with pytest.raises(ValueError, match=rf"{name.partition('_')[0]}.*: .*{message}"):
        Dataset(**small_arrays() | {name: array})


# --- digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_digits_have_the_documented_split(digits):
    assert digits.train_images.shape == (1257, 28, 28)
    assert digits.validation_images.shape == (180, 28, 28)
    assert digits.test_images.shape == (360, 28, 28)


def test_digits_are_split_once_and_for_all(digits):
    again = load_digits().to_arrays()
    for name, array in digits.to_arrays().items():
        np.testing.assert_array_equal(again[name], array)
    # And not otherwise by another version of scikit-learn.
    found = hashlib.sha256(digits.train_labels.tobytes() + digits.test_labels.tobytes()).hexdigest()
    assert found == "5513a03de611b9de382e293cd3cf1d5e2809b6430e3d34779034591d4d8c4962"


def test_digits_are_stratified_and_every_scan_is_used_once(digits):
    from sklearn.datasets import load_digits as load_scans

    scans = load_scans()
    shares = np.bincount(scans.target) / 1797
    for labels in (digits.train_labels, digits.validation_labels, digits.test_labels):
        np.testing.assert_allclose(np.bincount(labels), shares * len(labels), atol=1)
    images = np.concatenate([digits.train_images, digits.validation_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.validation_labels, digits.test_labels])
    # One pixel of each enlarged one gives the scan back, which must go with its own label.
    recovered = np.rint(images[:, 3:26:3, 3:26:3] / 255 * 16).astype(int)
    found = sorted(scan.tobytes() + bytes([label]) for scan, label in zip(recovered, labels, strict=True))
    expected = sorted(
        scan.tobytes() + bytes([label]) for scan, label in zip(scans.images.astype(int), scans.target, strict=True)
    )
    assert found == expected


def test_digits_are_enlarged_three_times_and_padded_by_two(digits):
    images = digits.train_images
    assert (images.min(), images.max()) == (0, 255)
    framed = images.copy()
    framed[:, 2:26, 2:26] = 0
    assert not framed.any()
    blocks = images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3)  # (image, row, row in pixel, column, column in pixel)
    np.testing.assert_array_equal(blocks, np.broadcast_to(blocks[:, :, :1, :, :1], blocks.shape))
