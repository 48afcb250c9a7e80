"""The file of a chunk: what goes in comes out, the same bytes each time, and no damaged file is believed."""

from __future__ import annotations

import dataclasses
import json
import random

import numpy as np
import pytest

from filtertwins.files import DamagedFile, read_npz, write_npz
from filtertwins.names import SPLITS, chunk_name
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
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_a_chunk_survives_its_file(chunk, path):
    read = load_chunk(path)
    assert read.condition == chunk.condition
    for name in ("kernels", "biases", "head", "head_bias"):
        written, found = getattr(chunk.parameters, name), getattr(read.parameters, name)
        np.testing.assert_array_equal(found, written)
        assert found.dtype == written.dtype
    for field in dataclasses.fields(chunk):
        if field.name not in ("condition", "parameters"):
            written, found = getattr(chunk, field.name), getattr(read, field.name)
            np.testing.assert_array_equal(found, written)
            assert found.dtype == written.dtype, field.name


def test_equal_chunks_give_equal_bytes(chunk, path, tmp_path):
    turned = dict(reversed(chunk.condition.items()))
    save_chunk(dataclasses.replace(chunk, condition=turned), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_chunk_read_and_written_again_gives_equal_bytes(path, tmp_path):
    save_chunk(load_chunk(path), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_another_weight_gives_other_bytes(chunk, path, tmp_path):
    chunk.parameters.kernels[0, 0, 0, 0] += 1
    save_chunk(chunk, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() != path.read_bytes()


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert_refused(path)


def test_a_flipped_bit_is_refused_or_harmless(chunk, path):
    whole = path.read_bytes()
    rng = random.Random(1)  # noqa: S311 - no secret
    refused = []
    for _ in range(200):
        position = rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read = load_chunk(path)
        except DamagedFile as error:
            refused.append(str(error))
        else:  # a bit of the archive's own bookkeeping that nothing depends on
            np.testing.assert_array_equal(read.parameters.kernels, chunk.parameters.kernels)
            np.testing.assert_array_equal(read.losses, chunk.losses)
            assert read.condition == chunk.condition
    assert len(refused) > 150
    assert all(str(path) in message for message in refused)


def test_a_flipped_bit_among_the_weights_is_refused(chunk, path):
    whole = path.read_bytes()
    start = whole.index(chunk.parameters.kernels.tobytes())
    path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    assert_refused(path)


@pytest.mark.parametrize(
    "name",
    [
        "condition",
        "seeds",
        "starts",
        "kernels",
        "biases",
        "head",
        "head_bias",
        "snapshot_steps",
        "snapshot_kernels",
        "snapshot_biases",
        "outgoing_separation",
        "growth",
        "reported_steps",
        "reported_losses",
        "scored_steps",
        "losses",
        "correct",
        "images",
    ],
)
def test_a_missing_array_is_named(path, name):
    rewrite(path, **{name: None})
    assert_refused(path, repr(name))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("kernels", (2, 3, 1)),
        ("kernels", (3, 3, 1, 4)),  # of three seeds
        ("biases", (2, 5)),  # of five filters
        ("head_bias", (1, 10)),
        ("snapshot_kernels", (3, 2, 3, 3, 4)),  # wider kernels than the trained ones
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


def test_a_condition_that_is_not_json_is_refused(path):
    rewrite(path, condition=np.array("{not json"))
    assert_refused(path, "'condition' is not JSON")


def test_objects_are_never_unpickled(path):
    arrays = read_npz(path)
    np.savez(path, **(arrays | {"seeds": np.array([5, {"a": print}], dtype=object)}))
    assert_refused(path, "'seeds'")


def test_a_file_of_another_kind_is_refused(path):
    path.write_text("filters,seed\n1,0\n", encoding="utf-8")
    assert_refused(path)


def test_chunk_names_sort_by_filters_and_seeds():
    assert chunk_name(16, 0, 10) == "filters-016_seeds-000-009.npz"
    names = [chunk_name(filters, first, 5) for filters in (2, 16, 128) for first in (0, 5, 100)]
    assert names == sorted(names)


def test_a_study_is_read_in_its_own_order(make_chunk, tmp_path):
    study = {"architectures": {"relu": [4, 2], "linear": [1]}, "chunks": [[2, 2], [0, 2]]}
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


def test_parameters_count_those_of_one_network():
    parameters = Parameters(np.zeros((5, 3, 1, 4)), np.zeros((5, 4)), np.zeros((5, 728 * 4, 10)), np.zeros((5, 10)))
    assert parameters.count == 12 + 4 + 29120 + 10
    one = parameters.of_seed(2)
    assert one.kernels.shape == (1, 3, 1, 4)
    assert one.count == parameters.count


def test_growth_that_was_not_recorded_survives_its_file(make_chunk, tmp_path):
    save_chunk(make_chunk(np.ones((2, 3, 1, 4))), tmp_path / "chunk.npz")
    assert load_chunk(tmp_path / "chunk.npz").growth.shape == (0, 2)


def test_networks_are_stacked_in_order_and_taken_out_again(chunk):
    whole = chunk.parameters
    networks = [whole.of_seed(1), whole.of_seed(0), whole.of_seed(1)]
    for name, value in vars(stacked(networks)).items():
        np.testing.assert_array_equal(value, getattr(whole, name)[[1, 0, 1]])
        assert value.dtype == np.float32
    for index, network in enumerate(networks):
        for name, value in vars(stacked(networks).of_seed(index)).items():
            np.testing.assert_array_equal(value, getattr(network, name))


def test_stacks_of_several_networks_are_stacked_too(chunk):
    twice = stacked([chunk.parameters, chunk.parameters.of_seed(0)])
    np.testing.assert_array_equal(twice.biases, chunk.parameters.biases[[0, 1, 0]])
    assert twice.count == chunk.parameters.count


def test_networks_of_different_shapes_are_no_stack(make_chunk, chunk):
    with pytest.raises(ValueError, match="dimension"):
        stacked([chunk.parameters, make_chunk(np.ones((1, 3, 1, 5))).parameters])


def test_a_stack_is_a_copy(chunk):
    copy = stacked([chunk.parameters])
    copy.kernels[:] = 0
    assert chunk.parameters.kernels.any()


def test_the_condition_in_the_file_is_readable_json(chunk, path):
    assert json.loads(str(read_npz(path)["condition"])) == chunk.condition


def test_scores_are_ordered_as_the_splits():
    assert SPLITS == ("train", "validation", "test")


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
