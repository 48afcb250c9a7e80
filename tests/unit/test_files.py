"""Files that are whole or absent, tables and arrays that read back exactly, and damage that is refused by name."""

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
    write_csv,
    write_npz,
    write_text,
)

# The examples share a folder, since each overwrites the same file.
shared_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# --- atomic_write


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_shows_nothing_under_the_name_before_the_content_is_whole_and_synced(tmp_path, monkeypatch):
    path = tmp_path / "new folder" / "table.csv"
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append((os.fstat(descriptor).st_size, path.exists())))
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
        (temporary,) = names_in(path.parent)
        assert temporary.startswith(".table.csv.")
        assert temporary.endswith(TEMPORARY_SUFFIX)
    assert path.read_bytes() == b"new"
    assert synced == [(3, False)]
    assert names_in(path.parent) == ["table.csv"]


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


def test_atomic_write_overwrites_what_a_kill_left(tmp_path):
    with atomic_write(tmp_path / "table.csv", "w") as file:
        left = tmp_path / names_in(tmp_path)[0]
        file.write("whole")
    left.write_text("longer than what is whole")
    write_text(tmp_path / "table.csv", "short")
    assert names_in(tmp_path) == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "short"


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


def test_write_text_is_utf8_with_line_ends_as_given(tmp_path):
    write_text(tmp_path / "text", "ä\n\u2013\r\n")
    assert (tmp_path / "text").read_bytes() == b"\xc3\xa4\n\xe2\x80\x93\r\n"


# --- CSV


@shared_folder
@given(st.lists(st.floats() | st.floats(width=32), min_size=1), st.sampled_from([np.float64, np.float32]))
def test_every_float_reads_back_exactly(tmp_path, values, dtype):
    with np.errstate(over="ignore"):
        values = np.array(values, dtype)
    write_csv(pd.DataFrame({"value": values}), tmp_path / "table.csv")
    back = read_csv(tmp_path / "table.csv")["value"].astype(float).to_numpy()
    np.testing.assert_array_equal(back, values)
    there = ~np.isnan(back)  # A missing value has no sign, but -0.0 has one.
    np.testing.assert_array_equal(np.signbit(back[there]), np.signbit(values[there]))


def test_csv_text_is_tidy(tmp_path):
    table = pd.DataFrame({"dataset": ["mnist", None], "filters": [1, 16], "cosine": [np.nan, 0.1]}, index=[7, 3])
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b"dataset,filters,cosine\nmnist,1,\n,16,0.1\n"


def test_csv_keeps_missing_values_and_words_that_pandas_takes_for_missing(tmp_path):
    write_csv(pd.DataFrame({"name": ["NA", "nan", "None", None]}), tmp_path / "table.csv")
    names = read_csv(tmp_path / "table.csv")["name"]
    assert names[:3].tolist() == ["NA", "nan", "None"]
    assert names.isna().tolist() == [False, False, False, True]


def test_csv_means_the_same_to_pandas_r_and_spreadsheets(tmp_path):
    """By these fields R takes a column for logical or numeric; a spreadsheet expects ASCII."""
    table = pd.DataFrame({"equal": [True, False], "told": [None, True], "filters": [1, None], "cosine": [np.inf, 0.5]})
    write_csv(
        table.assign(finding=["3\N{MULTIPLICATION SIGN}1, ReLU \N{EN DASH} 5\N{MULTIPLICATION SIGN}5", None]),
        tmp_path / "table.csv",
    )
    content = (tmp_path / "table.csv").read_bytes()
    assert content == b'equal,told,filters,cosine,finding\nTRUE,,1.0,inf,"3x1, ReLU - 5x5"\nFALSE,TRUE,,0.5,\n'
    by_pandas = pd.read_csv(tmp_path / "table.csv")
    assert by_pandas["equal"].tolist() == table["equal"].tolist()
    assert by_pandas["told"].tolist()[1] is True
    assert by_pandas.isna().to_numpy().tolist() == [
        [False, True, False, False, False],
        [False, False, True, False, True],
    ]


def test_csv_without_rows_keeps_its_columns(tmp_path):
    write_csv(pd.DataFrame(columns=["seed", "loss"]), tmp_path / "table.csv")
    assert list(read_csv(tmp_path / "table.csv").columns) == ["seed", "loss"]


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
        (b"seed,loss\n1,\xff\n", "not a CSV table.*utf-8"),
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
DIGEST = "4c6ea1673e360ec5c070ad03acd22d5846295f232e5fee0a602cb7eb82d5b4f8"


@pytest.fixture
def path(tmp_path):
    write_npz(tmp_path / "weights.npz", ARRAYS)
    return tmp_path / "weights.npz"


def assert_same_arrays(found, expected):
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("shapes", [SHAPES, {"biases": (None, None)}, None])
def test_npz_reads_back_exactly(path, shapes):
    assert_same_arrays(read_npz(path, shapes), ARRAYS)
    with np.load(path, allow_pickle=False) as by_numpy:
        assert_same_arrays(dict(by_numpy), ARRAYS)


def test_same_arrays_give_the_same_bytes_at_any_time_and_on_any_machine(path, tmp_path, monkeypatch):
    import hashlib

    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    other = {name: np.asfortranarray(ARRAYS[name]) for name in ("biases", "kernels")}
    write_npz(tmp_path / "two.npz", {"steps": ARRAYS["steps"]} | other)
    assert path.read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST


def test_write_npz_refuses_what_could_only_be_pickled(tmp_path):
    with pytest.raises(ValueError, match=r"weights.npz: array 'odd' has dtype object"):
        write_npz(tmp_path / "weights.npz", {"odd": np.array([{}], dtype=object)})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (SHAPES | {"head": ("seed", None)}, "'head': found only biases, kernels, steps"),
        ({"kernels": ("seed", 5, 1, "filter")}, r"'kernels': found shape \(2, 3, 1, 4\), expected \(2, 5, 1, 4\)"),
        ({"kernels": ("seed", 3, 1)}, r"'kernels': found shape \(2, 3, 1, 4\), expected \(2, 3, 1\)"),
        ({"kernels": (None, 3, 1, "filter"), "biases": ("filter", None)}, r"'biases': .* \(4, any\)"),
    ],
)
def test_read_npz_names_a_missing_array_and_a_wrong_shape(path, shapes, message):
    with pytest.raises(DamagedFile, match=rf"weights.npz: array {message}.*; delete it and run again"):
        read_npz(path, shapes)


def test_read_npz_refuses_members_that_share_their_bytes(path):
    content = path.read_bytes()
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    directory = content[start:end] * 1000  # Each member stands there a thousand times: a small file, much memory.
    tail = bytearray(content[end:])
    tail[8:10] = tail[10:12] = (3000).to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    path.write_bytes(content[:start] + directory + tail)
    with pytest.raises(DamagedFile, match="members longer than the file"):
        read_npz(path)


def test_a_member_with_more_than_the_array_is_refused(tmp_path):
    member = io.BytesIO()
    np.save(member, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "longer.npz", "w") as archive:
        archive.writestr("kernels.npy", member.getvalue() + b"more")
    with pytest.raises(DamagedFile, match="28 bytes for 24"):
        read_npz(tmp_path / "longer.npz")
