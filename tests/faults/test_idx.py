"""IDX files with a wrong magic number, counts or size, though of the config's checksums: refused by file and field."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tracemalloc

import pytest

from filtertwins.data.idx import PayloadError, read_payload

IMAGES, SIDE = 6, 28


def idx(*dimensions, magic=b"\0\0\x08", body=None):
    count = 1
    for dimension in dimensions:
        count *= dimension
    header = magic + bytes([len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions)
    return header + (bytes(count) if body is None else bytes(body))


GOOD = {
    "train_images": idx(IMAGES, SIDE, SIDE),
    "train_labels": idx(IMAGES),
    "test_images": idx(IMAGES, SIDE, SIDE),
    "test_labels": idx(IMAGES),
}


def fetch(root, folder, payloads):
    """Run the script on a mirror of these payloads, whatever they are worth, by a config with their checksums."""
    mirror = folder / "mirror"
    mirror.mkdir()
    files = {}
    for role, payload in payloads.items():
        (mirror / role).write_bytes(payload)
        files[role] = {"name": role, "sha256": hashlib.sha256(payload).hexdigest(), "size": len(payload)}
    settings = {"kind": "idx", "files": files, "validation_images": 2}
    options = ["--dataset", json.dumps(settings), "--mirrors", mirror, "--raw", folder / "raw"]
    return subprocess.run(
        [sys.executable, root / "scripts" / "fetch_dataset.py", *options, "--output", folder / "dataset.npz"],
        env={"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
    )


def test_good_files_make_a_dataset(root, tmp_path):
    done = fetch(root, tmp_path, GOOD)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dataset.npz").is_file()


@pytest.mark.parametrize(
    ("role", "payload", "message"),
    [
        ("train_images", idx(IMAGES, SIDE, SIDE, magic=b"\0\1\x08"), "magic is 0x00010803; allowed is two zero bytes"),
        ("train_labels", idx(IMAGES, magic=b"\0\0\x0d"), "element type is 0x0d; allowed is 0x08, unsigned bytes"),
        ("test_images", idx(IMAGES, SIDE * SIDE), "rank is 2; allowed is 3"),
        ("train_images", idx(IMAGES, 0, SIDE), "dimension 1 is 0; allowed is 1 or more"),
        (
            "test_labels",
            idx(IMAGES, body=bytes(IMAGES - 1)),
            "size is 13 bytes; allowed is 14, as the dimensions 6 say",
        ),
        ("test_images", idx(2**32 - 1, SIDE, SIDE, body=b"12"), "size is 18 bytes; allowed is 3,367,254,359,296"),
        ("train_labels", idx(IMAGES + 1), "train_images has 6 images but train_labels 7 labels"),
        ("test_labels", b"\0\0", "size is 2 bytes; allowed is at least 4"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_field_and_no_dataset_made(root, tmp_path, role, payload, message):
    done = fetch(root, tmp_path, GOOD | {role: payload})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert role in last
    assert message in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "dataset.npz").exists()


def test_a_gzip_bomb_is_unpacked_to_the_expected_size_and_one_byte(tmp_path, monkeypatch):
    import gzip

    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(100_000_000), compresslevel=1))
    asked = []

    def read(file, size=-1, original=gzip.GzipFile.read):
        asked.append(size)
        return original(file, size)

    monkeypatch.setattr(gzip.GzipFile, "read", read)
    tracemalloc.start()
    with pytest.raises(PayloadError, match=r"bomb.gz: .* more than the expected 10,240 bytes"):
        read_payload(tmp_path / "bomb.gz", 10_240)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert asked == [10_241]
    assert taken < 2_000_000
