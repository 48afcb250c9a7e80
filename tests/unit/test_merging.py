"""Merging filters: exact where algebra promises it, visibly not where it doesn't."""

import numpy as np
import pytest

from filtertwins.networks.forward import effect_on_pixels, logits
from filtertwins.networks.merging import _heads_with_effect, merge_filters
from filtertwins.networks.weights import Parameters

IMAGE = (9, 7)


def networks(kernel=(3, 1), filters=8, seeds=2, classes=4):
    rng = np.random.default_rng(5)
    positions = (IMAGE[0] - kernel[0] + 1) * (IMAGE[1] - kernel[1] + 1)
    return Parameters(
        kernels=rng.standard_normal((seeds, *kernel, filters)),
        biases=rng.standard_normal((seeds, filters)),
        head=rng.standard_normal((seeds, positions * filters, classes)),
        head_bias=rng.standard_normal((seeds, classes)),
    )


@pytest.fixture
def images():
    return np.random.default_rng(6).integers(0, 256, (20, *IMAGE), dtype=np.uint8)


def largest_change(before, after, images, activation="linear"):
    return np.abs(logits(before, images, activation) - logits(after, images, activation)).max()


@pytest.mark.parametrize(
    ("kernel", "trained_with", "filters"),
    [((3, 1), 3, 3), ((3, 1), 8, 2), ((3, 1), 40, 2), ((3, 1), 40, 3), ((2, 2), 8, 4), ((1, 3), 8, 3), ((3, 2), 8, 6)],
)
def test_a_linear_network_merges_without_loss_and_for_3x1_kernels_into_two_filters(
    images, kernel, trained_with, filters
):
    network = networks(kernel, trained_with)
    merged = merge_filters(network, filters, IMAGE)
    assert merged.kernels.shape == (2, *kernel, filters)
    assert largest_change(network, merged, images) < 1e-10


def test_one_filter_is_not_enough(images):
    network = networks()
    assert largest_change(network, merge_filters(network, 1, IMAGE), images) > 0.1


def test_merging_needs_no_more_filters_than_the_kernels_rank(images):
    network = networks(kernel=(3, 2), filters=2)
    merged = merge_filters(network, 6, IMAGE)
    assert merged.kernels.shape[-1] == 2
    assert largest_change(network, merged, images) < 1e-10


def test_the_columns_of_a_3x1_kernel_need_not_be_solved_together(images):
    """The short cut for kernels one pixel wide gives what the full problem gives."""
    rng = np.random.default_rng(7)
    kernels, by_filter = rng.standard_normal((3, 1, 2)), rng.standard_normal((7, 7, 2, 4))
    effect = effect_on_pixels(kernels, by_filter)
    heads = _heads_with_effect(kernels, effect)
    assert heads.shape == by_filter.shape
    np.testing.assert_allclose(effect_on_pixels(kernels, heads), effect, atol=1e-12)
    assert np.linalg.norm(heads) < np.linalg.norm(by_filter)  # They are the smallest, not those of the beginning.


def test_merging_a_relu_network_as_if_it_were_linear_changes_what_it_answers(images):
    network = networks()
    assert largest_change(network, merge_filters(network, 3, IMAGE), images, "relu") > 0.1


@pytest.mark.parametrize("filters", [0, 4])
def test_asking_for_more_filters_than_a_kernel_has_elements_is_refused(filters):
    with pytest.raises(ValueError, match=f"filters = {filters}; allowed: 1 to the kernel's length, 3"):
        merge_filters(networks(), filters, IMAGE)
