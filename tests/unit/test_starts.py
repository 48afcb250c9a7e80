"""Where training starts: what is planted in the random initial weights, to the bit."""

import numpy as np
import pytest

from filtertwins.networks.forward import logits
from filtertwins.networks.weights import Parameters
from filtertwins.settings import Start
from filtertwins.training.starts import outgoing_separation, start_from

FILTERS = 5


@pytest.fixture
def drawn():
    rng = np.random.default_rng(8)
    shapes = {"kernels": (1, 3, 2, FILTERS), "biases": (1, FILTERS), "head": (1, 26 * 27 * FILTERS, 10)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return Parameters(**arrays, head_bias=np.ones((1, 10), np.float32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (7, 28, 28)).astype(np.uint8)


def outgoing(parameters, index):
    return parameters.head.reshape(-1, FILTERS, 10)[:, index]


def assert_equal(first, second):
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(second, name), value)


def test_a_start_of_its_own_is_the_draw(drawn):
    assert_equal(start_from(drawn, Start(), seed=3), drawn)


def test_a_scale_multiplies_all_weights(drawn):
    small = start_from(drawn, Start(scale=0.25), seed=3)
    for name, value in vars(drawn).items():
        np.testing.assert_array_equal(getattr(small, name), value / 4)
    assert small.kernels.dtype == np.float32


def test_twins_are_equal_to_the_bit_and_together_do_what_the_first_did(drawn, images):
    twins = start_from(drawn, Start(second_filter="twin"), seed=3)
    np.testing.assert_array_equal(twins.kernels[..., 0], twins.kernels[..., 1])
    np.testing.assert_array_equal(twins.biases[:, 0], twins.biases[:, 1])
    np.testing.assert_array_equal(outgoing(twins, 0), outgoing(twins, 1))
    assert outgoing_separation(twins).tolist() == [0.0]
    for index in (2, 3, 4):
        np.testing.assert_array_equal(twins.kernels[..., index], drawn.kernels[..., index])
        np.testing.assert_array_equal(outgoing(twins, index), outgoing(drawn, index))
    silent = start_from(drawn, Start(second_filter="silent"), seed=3)
    for activation in ("linear", "relu"):
        np.testing.assert_allclose(logits(twins, images, activation), logits(silent, images, activation), atol=1e-4)


def test_half_twins_share_kernel_and_bias_only(drawn):
    half = start_from(drawn, Start(second_filter="half_twin"), seed=3)
    np.testing.assert_array_equal(half.kernels[..., 0], half.kernels[..., 1])
    np.testing.assert_array_equal(half.biases[:, 0], half.biases[:, 1])
    np.testing.assert_array_equal(half.head, drawn.head)
    expected = np.linalg.norm(outgoing(drawn, 0).astype(float) - outgoing(drawn, 1))
    np.testing.assert_allclose(outgoing_separation(half), [expected])


def test_a_silent_filter_has_no_weight_and_the_others_keep_theirs(drawn):
    silent = start_from(drawn, Start(second_filter="silent"), seed=3)
    assert not silent.kernels[..., 1].any()
    assert not silent.biases[:, 1].any()
    assert not outgoing(silent, 1).any()
    for index in (0, 2, 3, 4):
        np.testing.assert_array_equal(silent.kernels[..., index], drawn.kernels[..., index])
        np.testing.assert_array_equal(outgoing(silent, index), outgoing(drawn, index))


@pytest.mark.parametrize("epsilon", [1e-5, 1e-1])
def test_near_twins_are_moved_apart_by_epsilon_each_in_opposite_directions(drawn, epsilon):
    near = start_from(drawn, Start(second_filter="twin", epsilon=epsilon), seed=3)
    twins = start_from(drawn, Start(second_filter="twin"), seed=3)
    moved = [near.kernels[0, ..., i].astype(float) - twins.kernels[0, ..., 0] for i in (0, 1)]
    np.testing.assert_allclose(moved[0], -moved[1], atol=3e-7)
    for move in moved:
        assert np.linalg.norm(move) == pytest.approx(epsilon, rel=0.05)
    assert outgoing_separation(near).tolist() == [0.0]


def test_each_seed_moves_near_twins_its_own_way_always_the_same(drawn):
    start = Start(second_filter="twin", epsilon=0.1)
    once, again, other = (start_from(drawn, start, seed).kernels for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, other)


def test_the_draw_itself_is_left_alone(drawn):
    before = {name: value.copy() for name, value in vars(drawn).items()}
    for second in ("twin", "half_twin", "silent"):
        start_from(drawn, Start(second_filter=second), seed=3)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(drawn, name), value)


def test_a_single_filter_has_no_second():
    one = Parameters(*(np.ones(shape, "f4") for shape in ((1, 3, 1, 1), (1, 1), (1, 26 * 28, 10), (1, 10))))
    with pytest.raises(ValueError, match=r"filters = 1; second_filter: twin needs 2 or more"):
        start_from(one, Start(second_filter="twin"), seed=0)
    assert np.isnan(outgoing_separation(one)).all()
