"""The file of a chunk: what goes in comes out, the same bytes each time, and no damaged file is believed."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest

from filtertwins.files import DamagedFile, read_npz, write_npz
from filtertwins.names import chunk_name
from filtertwins.networks.weights import Parameters, WrongCondition, load_chunk, save_chunk, stacked, study_chunks


@pytest.fixture
def chunk(make_chunk):
    rng = np.random.default_rng(3)
    return make_chunk(
        rng.normal(size=(2, 3, 1, 4)),
        rng.normal(size=(2, 4)),
        seeds=[5, 5],
        starts=[{}, {"second_filter": "twin"}],
        outgoing_separation=rng.normal(size=(3, 2)),
        growth=rng.normal(size=(50, 2)),
        note="größer",
    )


@pytest.fixture
def path(chunk, tmp_path):
    save_chunk(chunk, tmp_path / "chunk.npz")
    return tmp_path / "chunk.npz"


def rewrite(path, **changes):
    """Write the file again with some arrays replaced, or left out (None)."""
    arrays = read_npz(path) | changes
    write_npz(path, {name: array for name, array in arrays.items() if array is not None})


def assert_refused(path, *words):
    with pytest.raises(DamagedFile) as caught:
        load_chunk(path)
    for word in (str(path), "run again", *words):
        assert word in str(caught.value)


def test_a_chunk_survives_its_file(chunk, path):
    read = load_chunk(path)
    assert read.condition == chunk.condition == json.loads(str(read_npz(path)["condition"]))
    for written, found in ((vars(chunk), vars(read)), (vars(chunk.parameters), vars(read.parameters))):
        for name in written.keys() - {"condition", "parameters"}:
            np.testing.assert_array_equal(found[name], written[name], strict=True)


def test_equal_chunks_give_equal_bytes_and_others_other_ones(chunk, path, tmp_path):
    turned = dataclasses.replace(chunk, condition=dict(reversed(chunk.condition.items())))
    for equal in (turned, load_chunk(path)):
        save_chunk(equal, tmp_path / "again.npz")
        assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    chunk.parameters.kernels[0, 0, 0, 0] += 1
    save_chunk(chunk, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() != path.read_bytes()


# --- damaged files


class Exploding:
    """It leaves a trace beside a path if it is unpickled."""

    def __init__(self, path):
        self.trace = path.with_name("unpickled")

    def __reduce__(self):
        return open, (str(self.trace), "w")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[content.index(read_npz(path)["kernels"].tobytes())] ^= 1
    path.write_bytes(content)


def hold_objects(path):
    seeds = np.array([Exploding(path), 1], dtype=object)
    np.savez(path, **(read_npz(path) | {"seeds": seeds}), allow_pickle=True)


def claim_three_filters(path):
    condition = json.loads(str(read_npz(path)["condition"]))
    rewrite(path, condition=np.array(json.dumps(condition | {"filters": 3})))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "not a whole npz file"),
        (lambda path: path.write_bytes(b""), "not a whole npz file"),
        (lambda path: path.write_bytes(b"filters,seed\n1,0\n"), "not a whole npz file"),
        (lambda path: path.write_bytes(pickle.dumps(Exploding(path))), "not a whole npz file"),
        (lambda path: np.savez_compressed(path, **read_npz(path)), "compressed, or members longer than the file"),
        (flip_a_bit, "array 'kernels': found bytes that are not a whole array (Bad CRC-32"),
        (hold_objects, "array 'seeds': found bytes that are not a whole array (object arrays are pickled"),
        (lambda path: rewrite(path, condition=np.array("{not json")), "'condition' is not JSON"),
        (lambda path: rewrite(path, condition=np.array("{}")), "array 'condition' lacks what was trained"),
        (
            claim_three_filters,
            "array 'kernels': found shape (2, 3, 1, 1, 4), expected (2, 3, 1, 1, 3), as its",
        ),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_nothing_is_unpickled(path, damage, words):
    damage(path)
    assert_refused(path, words)
    assert not path.with_name("unpickled").exists()


def test_a_missing_array_is_named(path, tmp_path):
    whole = path.read_bytes()
    for name in read_npz(path):
        path.write_bytes(whole)
        rewrite(path, **{name: None})
        assert_refused(path, repr(name))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("kernels", (2, 3, 1)),
        ("kernels", (3, 3, 1, 1, 4)),  # of three seeds
        ("biases", (2, 5)),  # of five filters
        ("head_bias", (1, 10)),
        ("snapshot_kernels", (3, 2, 3, 3, 1, 4)),  # wider kernels than the trained ones
        ("snapshot_biases", (2, 2, 4)),  # two snapshots of three
        ("starts", (1,)),  # one network of two
        ("outgoing_separation", (2, 2)),  # two snapshots of three
        ("growth", (50, 3)),
        ("losses", (1, 3, 1)),
        ("correct", (1, 4, 2)),
        ("correct", (2, 3, 2)),  # two scorings of one
        ("condition", (1,)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(path, name, shape):
    dtype = read_npz(path)[name].dtype
    rewrite(path, **{name: np.zeros(shape, dtype)})
    assert_refused(path, str(shape) if len(shape) > 1 else "(1,)")


# --- chunks of a study, and stacks


def test_chunk_names_sort_by_filters_and_seeds():
    assert chunk_name(16, 0, 10) == "filters-016_seeds-000-009.npz"
    names = [chunk_name(filters, first, 5) for filters in (2, 16, 128) for first in (0, 5, 100)]
    assert names == sorted(names)


def test_a_study_is_read_in_its_own_order(make_chunk, tmp_path):
    study = {"architectures": {"relu": [4, 2], "linear": [1]}, "chunks": [[2, 2], [0, 2]]}
    study["conditions"] = {name: {"architecture": name, "dataset": "mnist"} for name in study["architectures"]}
    for name, counts in study["architectures"].items():
        for filters in counts:
            for first, seeds in study["chunks"]:
                chunk = make_chunk(np.ones((2, 3, 1, filters)), seeds=range(first, first + seeds), architecture=name)
                save_chunk(chunk, tmp_path / name / chunk_name(filters, first, seeds))
    read = [
        (c.condition["architecture"], c.condition["filters"], c.seeds.tolist()) for c in study_chunks(tmp_path, study)
    ]
    assert read == [
        ("relu", 4, [2, 3]),
        ("relu", 4, [0, 1]),
        ("relu", 2, [2, 3]),
        ("relu", 2, [0, 1]),
        ("linear", 1, [2, 3]),
        ("linear", 1, [0, 1]),
    ]
    called = study_chunks(tmp_path, study | {"names": {"linear": "plain"}})
    assert list(dict.fromkeys(c.condition["architecture"] for c in called)) == ["relu", "plain"]
    study["conditions"]["linear"]["model"] = {"learning_rate": 0.5}
    with pytest.raises(WrongCondition, match=r"model.learning_rate = 0.001, expected 0.5; delete the file"):
        list(study_chunks(tmp_path, study))


def test_parameters_count_those_of_one_network():
    parameters = Parameters(np.zeros((5, 3, 1, 1, 4)), np.zeros((5, 4)), np.zeros((5, 728 * 4, 10)), np.zeros((5, 10)))
    assert parameters.count == 12 + 4 + 29120 + 10
    one = parameters.of_seed(2)
    assert one.kernels.shape == (1, 3, 1, 1, 4)
    assert one.count == parameters.count


def test_networks_are_stacked_in_order_and_taken_out_again(chunk):
    whole = chunk.parameters
    networks = [whole.of_seed(1), whole.of_seed(0), whole.of_seed(1)]
    for name, value in vars(stacked(networks)).items():
        np.testing.assert_array_equal(value, getattr(whole, name)[[1, 0, 1]])
        assert value.dtype == np.float32
        np.testing.assert_array_equal(
            getattr(stacked([whole, networks[1]]).of_seed(2), name), getattr(whole, name)[[0]]
        )


def test_a_stack_is_a_copy_of_networks_of_one_shape(make_chunk, chunk):
    copy = stacked([chunk.parameters])
    copy.kernels[:] = 0
    assert chunk.parameters.kernels.any()
    with pytest.raises(ValueError, match="dimension"):
        stacked([chunk.parameters, make_chunk(np.ones((1, 3, 1, 5))).parameters])


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"filters": 8}, "filters = 4, expected 8"),
        (
            {"filters": 4, "model": {"kernel": [5, 5], "activation": "relu"}},
            r"model.kernel = \[3, 1\], expected \[5, 5\]",
        ),
        ({"model": {"activation": "relu"}}, 'model.activation = "linear", expected "relu"'),
        ({"images": 3}, "images = null, expected 3"),
        ({"architecture": {"name": "question"}}, 'architecture = "question", expected {"name": "question"}'),
    ],
)
def test_networks_of_another_condition_are_refused_with_the_file_and_the_first_difference(
    make_chunk, tmp_path, expected, message
):
    chunk, path = make_chunk(np.ones((2, 3, 1, 4))), tmp_path / "filters-004_seeds-000-001.npz"
    save_chunk(chunk, path)
    assert load_chunk(path, chunk.condition).condition == chunk.condition
    with pytest.raises(WrongCondition, match=f"{path.name}: networks of another condition: {message};"):
        load_chunk(path, expected)
