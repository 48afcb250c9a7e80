import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filtertwins.files import (
    TEMPORARY_SUFFIX,
    DamagedFile,
    atomic_write,
    read_csv,
    read_npz,
    sha256,
    write_csv,
    write_npz,
    write_text,
)

# Each example overwrites the same file: sharing the folder among examples is what is wanted.
shared_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# --- atomic_write


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_creates_the_folder_and_leaves_only_the_file(tmp_path):
    path = tmp_path / "new folder" / "weights.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert names_in(path.parent) == ["weights.bin"]


def test_atomic_write_shows_nothing_under_the_name_before_the_end(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
        (temporary,) = [name for name in names_in(tmp_path) if name != "table.csv"]
        assert temporary.startswith(".table.csv.")
        assert temporary.endswith(TEMPORARY_SUFFIX)
    assert path.read_text() == "new"


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_atomic_write_keeps_the_old_file_on_any_exception(tmp_path, interruption):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise interruption

    with pytest.raises(interruption):
        fail()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["table.csv"]


def test_atomic_write_leaves_nothing_when_the_disk_is_full(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "report.html", "text")
    assert names_in(tmp_path) == []


def test_atomic_write_syncs_the_content_before_it_takes_the_name(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.exists())))
    write_text(path, "12345")
    assert seen == [(5, False)]


def test_atomic_write_removes_its_file_when_the_name_cannot_be_taken(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_text(tmp_path / "taken", "text")
    assert names_in(tmp_path) == ["taken"]


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_atomic_write_gives_the_permissions_of_an_ordinary_file(tmp_path, umask, expected):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "shared.txt", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared.txt").stat().st_mode) == expected


def test_atomic_write_writes_through_a_symbolic_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    link = tmp_path / "weights.bin"
    link.symlink_to(tmp_path / "scratch" / "real.bin")
    with atomic_write(link) as file:
        file.write(b"content")
    assert link.is_symlink()
    assert (tmp_path / "scratch" / "real.bin").read_bytes() == b"content"


def test_atomic_write_takes_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("ü" * 127)  # 254 bytes of 255
    write_text(path, "text")
    assert names_in(tmp_path) == [path.name]


@pytest.mark.parametrize("mode", ["ab", "r+b", "xb", "rb"])
def test_atomic_write_refuses_modes_that_cannot_be_atomic(tmp_path, mode):
    with pytest.raises(ValueError, match=r"'wb', 'w', 'w\+b'"), atomic_write(tmp_path / "file", mode):
        pass
    assert names_in(tmp_path) == []


def test_write_text_is_utf8_with_line_ends_as_given(tmp_path):
    write_text(tmp_path / "text", "ä\n\u2013\r\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n\xe2\x80\x93\r\n"


def test_sha256_is_that_of_the_published_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-4, the example of one block
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# --- CSV


@shared_folder
@given(st.lists(st.floats(), min_size=1))
def test_every_float_reads_back_exactly(tmp_path, values):
    write_csv(pd.DataFrame({"value": values}), tmp_path / "table.csv")
    back = read_csv(tmp_path / "table.csv")["value"].astype(float).to_numpy()
    # Bytes tell -0.0 from 0.0; NaN only has to come back as a missing value, whatever its bits.
    np.testing.assert_array_equal(back, values)
    np.testing.assert_array_equal(np.signbit(back[~np.isnan(back)]), np.signbit([v for v in values if v == v]))


@shared_folder
@given(st.lists(st.floats(width=32), min_size=1))
def test_narrow_floats_read_back_exactly_too(tmp_path, values):
    write_csv(pd.DataFrame({"value": np.array(values, np.float32)}), tmp_path / "table.csv")
    np.testing.assert_array_equal(read_csv(tmp_path / "table.csv")["value"].astype(float), values)


def test_csv_text_is_tidy(tmp_path):
    table = pd.DataFrame({"dataset": ["mnist", None], "filters": [1, 16], "cosine": [np.nan, 0.1]}, index=[7, 3])
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b"dataset,filters,cosine\nmnist,1,\n,16,0.1\n"


def test_csv_keeps_words_that_pandas_takes_for_missing(tmp_path):
    write_csv(pd.DataFrame({"name": ["NA", "nan", "None", None], "more": 1}), tmp_path / "table.csv")
    names = read_csv(tmp_path / "table.csv")["name"]
    assert names[:3].tolist() == ["NA", "nan", "None"]
    assert names.isna().tolist() == [False, False, False, True]


def test_csv_keeps_missing_values_in_a_table_of_one_column(tmp_path):
    write_csv(pd.DataFrame({"p_value": [0.5, np.nan, 0.25]}), tmp_path / "table.csv")
    np.testing.assert_array_equal(read_csv(tmp_path / "table.csv")["p_value"], [0.5, np.nan, 0.25])


def test_csv_without_rows_keeps_its_columns(tmp_path):
    write_csv(pd.DataFrame(columns=["seed", "loss"]), tmp_path / "table.csv")
    assert list(read_csv(tmp_path / "table.csv").columns) == ["seed", "loss"]


def test_write_csv_refuses_to_lose_a_named_index(tmp_path):
    table = pd.DataFrame({"seed": [1], "loss": [0.5]}).set_index("seed")
    with pytest.raises(ValueError, match=r"table.csv: the index is named \['seed'\]"):
        write_csv(table, tmp_path / "table.csv")


@pytest.mark.parametrize("columns", [["a", "a"], ["a", ""], ["a", 1]])
def test_write_csv_refuses_ambiguous_columns(tmp_path, columns):
    with pytest.raises(ValueError, match=r"table.csv: columns"):
        write_csv(pd.DataFrame([[1, 2]], columns=columns), tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"seed,loss\n1,0.5\n2,0.", "cut off"),
        (b"seed,loss\n1,0.5\n2\n", "row 3 has 1 fields, expected 2"),
        (b"seed,loss\n1,0.5,9\n", "row 2 has 3 fields, expected 2"),
        (b"seed,loss\n\n1,0.5\n", "row 2 has 0 fields"),
        (b"seed,\n1,0.5\n", "column without a name"),
        (b"\n", "header"),
        (b"seed,loss\n1,0.\0\0\n", "zero bytes"),
        (b"seed,loss\n1,\xff\n", "not UTF-8"),
        (b'seed,loss\n1,"0.5\n', "not a CSV table"),
    ],
)
def test_read_csv_refuses_a_damaged_table_by_name(tmp_path, content, reason):
    (tmp_path / "runs.csv").write_bytes(content)
    with pytest.raises(DamagedFile, match=reason) as caught:
        read_csv(tmp_path / "runs.csv")
    assert str(tmp_path / "runs.csv") in str(caught.value)
    assert "delete it and run again" in str(caught.value)


@pytest.mark.parametrize("read", [read_csv, read_npz])
def test_a_file_that_is_not_there_is_named(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"step that writes it has not run.*absent"):
        read(tmp_path / "absent")


# --- npz

ARRAYS = {
    "kernels": np.arange(24, dtype=np.float32).reshape(2, 3, 1, 4),  # (seed, row, column, filter)
    "biases": np.linspace(-1, 1, 8).reshape(2, 4),  # (seed, filter)
    "steps": np.array(400),
}
SHAPES = {"kernels": ("seed", 3, 1, "filter"), "biases": ("seed", "filter"), "steps": ()}


def assert_same_arrays(found, expected):
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_npz_reads_back_exactly(tmp_path):
    write_npz(tmp_path / "weights.npz", ARRAYS)
    assert_same_arrays(read_npz(tmp_path / "weights.npz", SHAPES), ARRAYS)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as by_numpy:
        assert_same_arrays(dict(by_numpy), ARRAYS)


def test_same_arrays_give_the_same_bytes(tmp_path, monkeypatch):
    write_npz(tmp_path / "one.npz", ARRAYS)
    # Neither the time, nor the order, nor the layout in memory may show.
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    other = {name: np.asfortranarray(ARRAYS[name]) for name in ("steps", "biases", "kernels")}
    other["steps"] = ARRAYS["steps"]  # asfortranarray makes one dimension of none
    write_npz(tmp_path / "two.npz", other)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    # Nor the machine.
    expected = "dc5d21f789fb3b1bea24fa9b5a8ae49a3e976468385568d76a93ae907de70c07"
    assert sha256(tmp_path / "one.npz") == expected


def test_write_npz_refuses_what_could_only_be_pickled(tmp_path):
    with pytest.raises(ValueError, match=r"weights.npz: array 'odd' has dtype object"):
        write_npz(tmp_path / "weights.npz", {"odd": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="no array"):
        write_npz(tmp_path / "weights.npz", {})
    with pytest.raises(ValueError, match=r"array name 'kernels.npy'"):
        write_npz(tmp_path / "weights.npz", {"kernels.npy": np.zeros(1)})
    assert names_in(tmp_path) == []


def test_read_npz_never_unpickles(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    np.savez(tmp_path / "weights.npz", allow_pickle=True, kernels=np.array([Bomb()], dtype=object))
    with pytest.raises(DamagedFile, match=r"weights.npz: array 'kernels': .*[Oo]bject.*delete it and run again"):
        read_npz(tmp_path / "weights.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.9, -1])
def test_read_npz_refuses_a_truncated_file(tmp_path, kept):
    path = tmp_path / "weights.npz"
    write_npz(path, ARRAYS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DamagedFile, match=r"weights.npz: .*delete it and run again"):
        read_npz(path)


def test_read_npz_refuses_a_flipped_bit_in_the_numbers(tmp_path):
    path = tmp_path / "weights.npz"
    write_npz(path, ARRAYS)
    content = bytearray(path.read_bytes())
    content[content.index(ARRAYS["kernels"].tobytes()) + 50] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"weights.npz: array 'kernels': .*CRC"):
        read_npz(path)


def test_read_npz_names_a_missing_array(tmp_path):
    write_npz(tmp_path / "weights.npz", {"kernels": ARRAYS["kernels"]})
    with pytest.raises(DamagedFile, match=r"weights.npz: array 'biases': found only kernels, expected .*seed=2"):
        read_npz(tmp_path / "weights.npz", SHAPES)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"kernels": ("seed", 5, 1, "filter")},
            r"'kernels': found shape \(2, 3, 1, 4\), expected \(seed=2, 5, 1",
        ),
        ({"kernels": ("seed", 3, 1)}, r"'kernels': found shape \(2, 3, 1, 4\), expected \(seed, 3, 1\)"),
        ({"kernels": (None, 3, 1, "filter"), "biases": ("filter", None)}, r"'biases': .* \(filter=4, any\)"),
    ],
)
def test_read_npz_names_a_wrong_shape(tmp_path, shapes, message):
    write_npz(tmp_path / "weights.npz", ARRAYS)
    with pytest.raises(DamagedFile, match=rf"weights.npz: array {message}.*; delete it and run again"):
        read_npz(tmp_path / "weights.npz", shapes)


def test_read_npz_takes_none_for_any_length(tmp_path):
    write_npz(tmp_path / "weights.npz", ARRAYS)
    assert_same_arrays(read_npz(tmp_path / "weights.npz", {"biases": (None, None)}), ARRAYS)


def test_read_npz_notices_an_array_that_the_directory_hides(tmp_path):
    content = bytearray(npz_bytes(tmp_path))
    first_entry = content.index(b"PK\1\2")
    second_entry = content.index(b"PK\1\2", first_entry + 1)
    hidden_bytes = content.index(b"PK\1\2", second_entry + 1) - second_entry
    comment_length = first_entry + 32  # now the second entry is the comment of the first
    content[comment_length : comment_length + 2] = hidden_bytes.to_bytes(2, "little")
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(DamagedFile, match="2 of 3 members"):
        read_npz(tmp_path / "weights.npz")


def test_read_npz_refuses_members_that_share_their_bytes(tmp_path):
    content = npz_bytes(tmp_path)
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    directory = content[start:end] * 1000  # each member a thousand times: a small file, and no end of memory
    tail = bytearray(content[end:])
    tail[8:10] = tail[10:12] = (3000).to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    (tmp_path / "weights.npz").write_bytes(content[:start] + directory + tail)
    with pytest.raises(DamagedFile, match="members longer than the file"):
        read_npz(tmp_path / "weights.npz")


def npz_bytes(folder: Path) -> bytes:
    write_npz(folder / "whole.npz", ARRAYS)
    return (folder / "whole.npz").read_bytes()


@settings(shared_folder, max_examples=300)
@given(st.data())
def test_a_mutated_npz_reads_exactly_or_is_refused(tmp_path, data):
    content = bytearray(npz_bytes(tmp_path))
    # Half of the time in the last bytes, the archive's directory, where no checksum watches.
    first = data.draw(st.sampled_from([0, len(content) - 250]))
    position = data.draw(st.integers(first, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[position]))
    (tmp_path / "mutated.npz").write_bytes(content)
    try:
        found = read_npz(tmp_path / "mutated.npz")
    except DamagedFile:
        return
    assert_same_arrays(found, ARRAYS)


@shared_folder
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_npz(tmp_path, content):
    (tmp_path / "arbitrary.npz").write_bytes(content)
    with pytest.raises(DamagedFile):
        read_npz(tmp_path / "arbitrary.npz")


def test_an_archive_of_nothing_or_with_more_than_the_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(DamagedFile, match="found no array"):
        read_npz(tmp_path / "empty.npz")
    member = io.BytesIO()
    np.save(member, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "longer.npz", "w") as archive:
        archive.writestr("kernels.npy", member.getvalue() + b"more")
    with pytest.raises(DamagedFile, match="28 bytes for 24"):
        read_npz(tmp_path / "longer.npz")
