"""Whatever bytes or values come in, the three parsers answer with a result or with their own errors, in bounded memory.

The suite runs each property on a fixed number of examples, the same every time. ``FUZZ_EXAMPLES=20000`` runs that many,
other ones each time.
"""

from __future__ import annotations

import copy
import datetime
import gzip
import io
import json
import os
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from filtertwins.data.idx import IdxError, PayloadError, decode_idx, sized_payload
from filtertwins.files import DamagedFile, read_npz
from filtertwins.networks.weights import WrongCondition, load_chunk, save_chunk
from filtertwins.plan import Plan, as_json, asked_mem_mb, asked_minutes
from filtertwins.pruning.criteria import METHODS
from filtertwins.settings import Settings, SettingsError, load_settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SLACK_BYTES = 2**23  # what tracemalloc, hypothesis and error messages may take beside the parser


def fuzz(examples):
    """So many examples, always the same; or as many new ones as the environment asks for."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


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
    """What a parser imports at its first failure is not its memory."""
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


@fuzz(1000)
@given(st.binary(max_size=64) | idx_payloads())
def test_idx_bytes_are_an_array_of_them_or_an_idx_error(payload):
    with at_most_bytes(4 * len(payload) + SLACK_BYTES):
        try:
            array = decode_idx(payload, "fuzzed")
        except IdxError as error:
            assert str(error).startswith("fuzzed: ")  # noqa: PT017 - both outcomes are right
            return
    assert array.dtype == np.uint8
    assert payload.endswith(array.tobytes())
    assert payload[4 : 4 + 4 * array.ndim] == b"".join(length.to_bytes(4, "big") for length in array.shape)


@st.composite
def mutated(draw, whole):
    """Some bytes with a few changed, cut out, repeated, or cut off."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        # Half of the time at one of the ends, where headers and directories are.
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


@fuzz(600)
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
    save_chunk(make_chunk(np.ones((2, 3, 1, 4))), path)
    return path.read_bytes()


def read_or_refuse(read, path, content):
    """The result of a reader, or None where it refuses the file by its own errors, by name."""
    path.write_bytes(content)
    with at_most_bytes(20 * len(content) + SLACK_BYTES):
        try:
            return read(path)
        except (DamagedFile, WrongCondition) as error:
            assert str(path) in str(error)  # noqa: PT017 - both outcomes are right
            return None


@fuzz(400)
@given(data=st.data())
def test_a_mutated_chunk_reads_or_is_refused_by_name(chunk_bytes, tmp_path, data):
    chunk = read_or_refuse(load_chunk, tmp_path / "fuzzed.npz", data.draw(mutated(chunk_bytes)))
    if chunk is not None:  # what a checksum covers is as it was
        np.testing.assert_array_equal(chunk.parameters.kernels, np.ones((2, 3, 1, 4)))


SHAPES = st.lists(st.integers(-2, 6) | NUMBERS | st.just(10**30), max_size=4).map(tuple)
DTYPES = st.sampled_from(
    ["<f4", "<f8", "|u1", "|O", "<U3", "<U0", "|V0", "|V7", "<M8[ns]", "f", "", "<f99", "|S1000000"]
)
HEADERS = (
    st.builds(
        lambda dtype, order, shape: repr({"descr": dtype, "fortran_order": order, "shape": shape}),
        DTYPES | st.just([("a", "<f4"), ("b", "|O")]),
        st.booleans() | st.none(),
        SHAPES | st.just("(3,)") | st.none(),
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
@fuzz(400)
@given(content=archives() | st.binary(max_size=200))
def test_a_made_up_archive_reads_or_is_refused_by_name(tmp_path, content):
    arrays = read_or_refuse(read_npz, tmp_path / "fuzzed.npz", content)
    assert arrays is None or not any(array.dtype.hasobject for array in arrays.values())


# --- the config

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["relu", "sgd", "digits", "1e-3", "yes", ""])
    | st.dates()
    | st.just(datetime.datetime(2020, 4, 1, 12))
    | st.binary(max_size=5)
)
KEYS = (
    st.text(max_size=12)
    | st.sampled_from([*Settings.model_fields, "filters", "kind", "idx"])
    | st.integers()
    | st.none()
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)

NEAR = (
    st.integers(1, 40)
    | st.floats(0, 1)
    | st.lists(st.integers(1, 9), max_size=3)
    | st.sampled_from(["linear", "relu", "adam", "digits", "l1", None])
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


def load_or_refuse(config, experiments=("twins", "removal")):
    """Load settings and plan the study, as the workflow does; or None where all mistakes are listed."""
    with at_most_bytes(5 * SLACK_BYTES):
        try:
            settings = load_settings(config, experiments, METHODS)
        except SettingsError as error:
            headline, *mistakes = str(error).splitlines()
            assert headline.startswith("the configuration has ")
            assert mistakes
            return None
    most_seeds = max([settings.seeds, *(item.seeds or 0 for item in settings.experiments.values() if item)])
    return Plan(settings) if most_seeds < 1000 else None  # more are right too, but take long to list


def ask_as_the_rules_do(plan):
    """What Snakemake asks of a plan before any job."""
    studies = [
        plan.study(),
        plan.gallery(),
        plan.removal(),
        plan.merging(),
        plan.from_scratch(),
        plan.weight_deletion(),
    ]
    for study in studies + [plan.experiment(name) for name in plan.experiments]:
        as_json(study)
        asked_mem_mb(plan.measuring_mem_mb(study))
        asked_minutes(plan.measuring_minutes(study))
        for architecture, counts in study["architectures"].items():
            for first, seeds in study["chunks"][:1]:
                chunk = architecture, counts[-1], first, first + seeds - 1
                as_json(plan.condition(*chunk))
                asked_mem_mb(max(plan.training_mem_mb(*chunk), plan.pruning_mem_mb(*chunk)), 3)
                asked_minutes(max(plan.training_minutes(*chunk), plan.pruning_minutes(*chunk)), 3)
    as_json([plan.costed_networks(), plan.weight_deletion_conditions()])
    assert bool(plan.pruned_files(Path())) == bool(plan.importance_files(Path())) == bool(plan.costed_networks())


@fuzz(300)
@given(data=st.data())
def test_a_mutated_config_loads_or_its_mistakes_are_listed(config, data):
    changed = copy.deepcopy(config)
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from([place for place in places(changed) if place]))
        section = changed
        for key in above:
            section = section[key]
        kind = data.draw(st.sampled_from(["change", "change", "change", "remove", "add"]))
        if kind == "remove":
            del section[last]
        elif kind == "add" and isinstance(section, dict):
            section[data.draw(KEYS)] = data.draw(VALUES)
        else:
            section[last] = data.draw(NEAR | VALUES)
    plan = load_or_refuse(changed, config["experiments"])
    if plan:
        ask_as_the_rules_do(plan)


@fuzz(300)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_plain_data_loads_or_its_mistakes_are_listed(data):
    load_or_refuse(data)


# --- the condition inside a chunk's file: JSON, which could be any

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["seeds", "starts", "model", "kernel", "filters"]) | st.text(max_size=3), inner, max_size=5
        )
    ),
    max_leaves=10,
)


@fuzz(200)
@given(condition=JSON, expected=st.none() | st.just({"filters": 4, "model": {"kernel": [3, 1]}}))
def test_any_condition_reads_or_is_refused_by_name(make_chunk, tmp_path, condition, expected):
    chunk = make_chunk(np.ones((1, 3, 1, 2)))
    chunk.condition.clear()
    path = tmp_path / "fuzzed.npz"
    save_chunk(type(chunk)(**vars(chunk) | {"condition": json.loads(json.dumps(condition))}), path)
    read_or_refuse(lambda file: load_chunk(file, expected), path, path.read_bytes())
