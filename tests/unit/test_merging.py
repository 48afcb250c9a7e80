"""Merging filters: exact where algebra promises it; test_experiments has where it is not."""

import numpy as np
import pytest
from small_networks import IMAGE, draw, draw_images

from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters

CLASSES = 4


@pytest.fixture
def images(rng):
    return draw_images(rng, 20, CLASSES)[0]


def largest_change(before, after, images):
    return np.abs(logits(before, images, "linear") - logits(after, images, "linear")).max()


@pytest.mark.parametrize(
    ("kernel", "trained_with", "filters"),
    [((3, 1), 3, 3), ((3, 1), 8, 2), ((3, 1), 40, 2), ((3, 1), 40, 3), ((2, 2), 8, 4), ((1, 3), 8, 3), ((3, 2), 8, 6)],
)
def test_a_linear_network_merges_without_loss_and_for_3x1_kernels_into_two_filters(
    rng, images, kernel, trained_with, filters
):
    network = draw(rng, trained_with, CLASSES, 2, kernel=kernel)
    merged = merge_filters(network, filters, IMAGE)
    assert merged.kernels.shape == (2, *kernel, filters)
    assert largest_change(network, merged, images) < 1e-10


def test_merging_needs_no_more_filters_than_the_kernels_rank(rng, images):
    network = draw(rng, 2, CLASSES, kernel=(3, 2))
    merged = merge_filters(network, 6, IMAGE)
    assert merged.kernels.shape[-1] == 2
    assert largest_change(network, merged, images) < 1e-10


@pytest.mark.parametrize("filters", [0, 4])
def test_asking_for_more_filters_than_a_kernel_has_elements_is_refused(rng, filters):
    with pytest.raises(ValueError, match=f"filters = {filters}; allowed: 1 to the kernel's length, 3"):
        merge_filters(draw(rng, 8, CLASSES, kernel=(3, 1)), filters, IMAGE)
