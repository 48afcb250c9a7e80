"""Merging filters: exact where algebra promises it; test_experiments has where it is not."""

import numpy as np
import pytest
from small_networks import ELEMENTS, IMAGE, draw, draw_images

from filtertwins.networks.forward import logits
from filtertwins.networks.merging import merge_filters

CLASSES = 4


def largest_change(before, after, images):
    return np.abs(logits(before, images, "linear") - logits(after, images, "linear")).max()


@pytest.mark.parametrize(
    ("channels", "kernel", "trained_with", "filters"),
    [
        (1, (3, 1), 3, 3),
        (1, (3, 1), 8, 2),
        (1, (3, 1), 40, 2),
        (1, (3, 1), 40, 3),
        (1, (2, 2), 8, 4),
        (1, (1, 3), 8, 3),
        (1, (3, 2), 8, 6),
        (2, (3, 1), 8, 3),
        (2, (3, 1), 8, 6),
        (3, (2, 2), 14, 12),
    ],
)
def test_a_linear_network_merges_without_loss_and_for_3x1_kernels_on_grey_images_into_two_filters(
    rng, channels, kernel, trained_with, filters
):
    image = (*IMAGE[:2], channels)
    network = draw(rng, trained_with, CLASSES, 2, kernel=kernel, image=image)
    merged = merge_filters(network, filters, image)
    assert merged.kernels.shape == (2, *kernel, channels, filters)
    assert largest_change(network, merged, draw_images(rng, 20, CLASSES, image)[0]) < 1e-10


def test_merging_needs_no_more_filters_than_the_kernels_rank(rng):
    network = draw(rng, 2, CLASSES, kernel=(3, 2))
    merged = merge_filters(network, ELEMENTS, IMAGE)
    assert merged.kernels.shape[-1] == 2
    assert largest_change(network, merged, draw_images(rng, 20, CLASSES)[0]) < 1e-10


@pytest.mark.parametrize("filters", [0, 7])
def test_asking_for_more_filters_than_a_kernel_has_elements_is_refused(rng, filters):
    with pytest.raises(ValueError, match=f"filters = {filters}; allowed: 1 to the kernel's length, 6"):
        merge_filters(draw(rng, 8, CLASSES, kernel=(3, 1)), filters, IMAGE)
