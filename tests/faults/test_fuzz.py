"""Whatever bytes or values come in, the parsers answer with a result or with their own errors, in bounded memory.

A few examples of each property run with all tests, and 500 with the slow ones, the same every time. More than 1,000, as
with ``FUZZ_EXAMPLES=20000``, are other ones each time.
"""

from __future__ import annotations

import copy
import dataclasses
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from filtertwins.data.idx import IdxError, PayloadError, decode_idx, sized_payload
from filtertwins.files import DamagedFile, read_npz
from filtertwins.needs import asked_mem_mb, asked_minutes
from filtertwins.networks.weights import WrongCondition, load_chunk, save_chunk
from filtertwins.plan import Plan
from filtertwins.provenance import as_json
from filtertwins.pruning.criteria import methods
from filtertwins.settings import Settings, SettingsError, load_settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
SLACK_BYTES = 2**23  # tracemalloc, hypothesis and error messages may take so much beside the parser

fuzz = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 1000,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
def test_many_more_examples():
    many = os.environ | {"FUZZ_EXAMPLES": "500"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", __file__]
    done = subprocess.run(command, env=many, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@contextmanager
def at_most_bytes(limit):
    """Check how much memory is taken at once."""
    tracemalloc.start()
    try:
        yield
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken <= limit, f"{taken:,} bytes at once; allowed are {limit:,}"


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory):
    """Let each parser fail once, since what it imports at its first failure does not count as its memory."""
    path = tmp_path_factory.mktemp("warm") / "damaged.npz"
    for header in (b"(" * 300 + b"\n", b"{'descr': '<f9'}\n", b"{}L\n"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("array.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
        with pytest.raises(DamagedFile):
            read_npz(path)
    with pytest.raises(SettingsError):
        load_settings({"seeds": 0})


# --- IDX

NUMBERS = st.sampled_from([0, 1, 2, 3, 28, 255, 2**16, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)


@st.composite
def idx_payloads(draw):
    """Payloads that are nearly right: a header of some rank, and about as many bytes as it says."""
    dimensions = draw(st.lists(st.integers(1, 5) | NUMBERS, max_size=5))
    magic = draw(st.sampled_from([b"\0\0\x08", b"\0\0\x0d", b"\0\1\x08", b"\x1f\x8b\x08"]))
    rank = draw(st.sampled_from([len(dimensions)] * 4 + [0, 1, 32, 33, 255]))
    header = magic + bytes([rank]) + b"".join(number.to_bytes(4, "big") for number in dimensions)
    count = int(np.prod(dimensions, dtype=object))
    length = count + draw(st.sampled_from([0, 0, 0, -1, 1]))
    return header + bytes(min(max(length, 0), 700))


@fuzz
@given(st.binary(max_size=64) | idx_payloads())
def test_idx_bytes_are_an_array_of_them_or_an_idx_error(payload):
    with at_most_bytes(4 * len(payload) + SLACK_BYTES):
        try:
            array = decode_idx(payload, "fuzzed")
        except IdxError as error:
            assert str(error).startswith("fuzzed: ")  # noqa: PT017 - Both outcomes are right.
            return
    assert array.dtype.kind in "ui"
    assert payload.endswith(array.tobytes())
    assert payload[4 : 4 + 4 * array.ndim] == b"".join(length.to_bytes(4, "big") for length in array.shape)


@st.composite
def mutated(draw, whole):
    """Some bytes with a few changed, cut out, repeated, or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        # Headers and directories are at the ends, so most changes are made there.
        last = len(content) - 1
        position = draw(st.integers(0, last) | st.integers(0, min(40, last)) | st.integers(max(0, last - 250), last))
        kind = draw(st.sampled_from(["change", "change", "change", "cut out", "repeat", "cut off"]))
        if kind == "change":
            content[position] = draw(st.integers(0, 255))
        elif kind == "cut out":
            del content[position : position + draw(st.integers(1, 30))]
        elif kind == "repeat":
            content[position:position] = content[position : position + draw(st.integers(1, 30))]
        else:
            del content[position:]
        if not content:
            break
    return bytes(content)


PACKED = gzip.compress(bytes(range(256)) * 4, mtime=0)
BOMB = gzip.compress(bytes(20_000_000), mtime=0)


@fuzz
@given(
    st.binary(max_size=64) | mutated(PACKED) | mutated(BOMB) | mutated(PACKED + PACKED), st.sampled_from([1, 100, 1024])
)
@example(BOMB, 1024)
def test_compressed_bytes_are_a_payload_of_the_size_or_a_payload_error(content, size):
    with at_most_bytes(4 * (size + len(content)) + SLACK_BYTES):
        try:
            payload = sized_payload(io.BytesIO(content), size)
        except PayloadError:
            return
    assert len(payload) == size


# --- npz


@pytest.fixture(scope="module")
def chunk_bytes(make_chunk, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "chunk.npz"
    save_chunk(make_chunk(np.ones((2, 3, 1, 1, 4))), path)
    return path.read_bytes()


def read_or_refuse(read, path, content):
    """The result of a reader, or None where it refuses the file by its own errors, by name."""
    path.write_bytes(content)
    with at_most_bytes(20 * len(content) + SLACK_BYTES):
        try:
            return read(path)
        except (DamagedFile, WrongCondition) as error:
            assert str(path) in str(error)  # noqa: PT017 - Both outcomes are right.
            return None


@fuzz
@given(data=st.data())
def test_a_mutated_chunk_reads_or_is_refused_by_name(chunk_bytes, tmp_path, data):
    chunk = read_or_refuse(load_chunk, tmp_path / "fuzzed.npz", data.draw(mutated(chunk_bytes)))
    if chunk is not None:  # A checksum covers the arrays, so they are as they were.
        np.testing.assert_array_equal(chunk.parameters.kernels, np.ones((2, 3, 1, 1, 4)))


SHAPES = st.lists(st.integers(-2, 6) | NUMBERS | st.just(10**30), max_size=4).map(tuple)
DTYPES = st.sampled_from(["<f4", "|u1", "|O", "<U3", "<U0", "|V0", "|V7", "<M8[ns]", "f", "", "<f99", "|S1000000"])
HEADERS = (
    st.builds(
        lambda dtype, order, shape: repr({"descr": dtype, "fortran_order": order, "shape": shape}),
        DTYPES | st.just([("a", "<f4"), ("b", "|O")]),
        st.booleans() | st.none(),
        SHAPES | st.none(),
    )
    | st.sampled_from(["{" * 200, "(" * 5000, "[]", "{}", "__import__('os')", "{'descr': '<f4'}", "9" * 9000, "\0"])
    | st.text(max_size=60)
)


@st.composite
def archives(draw):
    """Zip files with right checksums, whose members are nearly arrays."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(draw(st.integers(0, 3))):
            header = draw(HEADERS).encode("utf-8", "surrogatepass") + b"\n"
            version = draw(st.sampled_from([b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\7\7"]))
            length = len(header).to_bytes(2 if version == b"\1\0" else 4, "little")
            body = bytes(draw(st.sampled_from([0, 1, 4, 24, 96, 100])))
            name = draw(st.sampled_from([f"array{number}.npy", "array0.npy", "../up.npy", "folder/", ""]))
            member = zipfile.ZipInfo(name)
            member.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED] * 7 + [zipfile.ZIP_DEFLATED]))
            large = member.compress_type == zipfile.ZIP_DEFLATED
            archive.writestr(member, b"\x93NUMPY" + version + length + header + (bytes(12_000_000) if large else body))
    return content.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@fuzz
@given(content=archives() | st.binary(max_size=200))
def test_a_made_up_archive_reads_or_is_refused_by_name(tmp_path, content):
    arrays = read_or_refuse(read_npz, tmp_path / "fuzzed.npz", content)
    assert arrays is None or not any(array.dtype.hasobject for array in arrays.values())


# --- the config

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(1, 40)
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["linear", "relu", "adam", "digits", "l1", "1e-3", ""])
    | st.dates()
    | st.binary(max_size=5)
)
NAMES = [*Settings.model_fields, "filters", "kind", "starts", "model", "kernel"]
KEYS = st.text(max_size=12) | st.sampled_from(NAMES) | st.integers() | st.none()
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def places(value, above=()):
    """The path of every value in nested plain data."""
    yield above
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*above, key))


@pytest.fixture(scope="module")
def config(root):
    """The project's own config, all of it."""
    return yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))


def ask_as_the_rules_do(plan):
    """Ask a plan for what Snakemake asks it before any job."""
    studies = [plan.study(), plan.gallery(), plan.removal(), plan.merging(), plan.pruning.from_scratch()]
    studies += [plan.experiment(name) for name in plan.experiments]
    as_json(studies)
    needs = [plan.measuring_need(studies)]
    for bundle in plan.bundles():
        as_json([bundle.name, bundle.words, plan.bundle_conditions(bundle)])
        needs.append(plan.training_need(bundle))
    needs += [plan.pruning_need(name, network, seeds) for name, network, _, seeds in plan.pruning.chunks()]
    for need in needs:
        asked_mem_mb(need, 3)
        asked_minutes(need, 3)


@fuzz
@given(data=st.data())
def test_a_mutated_config_or_any_plain_data_loads_or_its_mistakes_are_listed(config, data):
    changed = copy.deepcopy(data.draw(st.just(config) | st.dictionaries(KEYS, VALUES, min_size=1, max_size=6)))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([place for place in places(changed) if place]))
        section = changed
        for key in above:
            section = section[key]
        kind = data.draw(st.sampled_from(["change", "change", "change", "remove", "add"]))
        if kind == "remove" and len(changed) > 1:
            del section[last]
        elif kind == "add" and isinstance(section, dict):
            section[data.draw(KEYS)] = data.draw(VALUES)
        else:
            section[last] = data.draw(ATOMS | VALUES)
    with at_most_bytes(5 * SLACK_BYTES):
        try:
            settings = load_settings(changed, config["experiments"], methods())
        except SettingsError as error:
            headline, *mistakes = str(error).splitlines()
            assert headline.startswith("the configuration has ")
            assert mistakes
            return
    most_seeds = max([settings.seeds, *(item.seeds or 0 for item in settings.experiments.values() if item)])
    if most_seeds < 1000:  # More are right too, but take long to list.
        ask_as_the_rules_do(Plan(settings))


# --- the condition inside a chunk's file: JSON, which could be any


@fuzz
@given(condition=VALUES, expected=st.none() | st.just({"filters": 4, "model": {"kernel": [3, 1]}}))
def test_any_condition_reads_or_is_refused_by_name(make_chunk, tmp_path, condition, expected):
    chunk = make_chunk(np.ones((1, 3, 1, 2)))
    plain = json.loads(json.dumps(condition, default=str))
    path = tmp_path / "fuzzed.npz"
    save_chunk(dataclasses.replace(chunk, condition=plain), path)
    read_or_refuse(lambda file: load_chunk(file, expected), path, path.read_bytes())
