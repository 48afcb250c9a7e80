"""What a network costs to keep and to compute."""

from __future__ import annotations

from dataclasses import dataclass

_BYTES = 4  # A float32 takes so many.


@dataclass(frozen=True)
class NetworkCost:
    """The size of a network, and its multiply-accumulates for one image, in which biases are not counted."""

    parameters: int
    bytes: int  # what its parameters take as float32
    convolution_macs: int
    dense_macs: int


def network_cost(kernel: tuple[int, int], filters: int, image_shape: tuple[int, ...], classes: int) -> NetworkCost:
    """What a network costs whose kernels have `kernel` rows and columns.

    Args:
        kernel: height and width.
        filters: how many there are.
        image_shape: rows, columns and channels of an image.
        classes: how many outputs there are.

    Raises:
        ValueError: for no filter, or a kernel that does not fit on the image.
    """
    rows, columns = (size - extent + 1 for size, extent in zip(image_shape[:2], kernel, strict=True))
    if filters < 1 or min(rows, columns, *kernel) < 1:
        raise ValueError(f"filters = {filters}, kernel = {kernel}; allowed: 1 or more, on images of {image_shape}")
    elements, inputs = kernel[0] * kernel[1] * image_shape[2], rows * columns * filters
    parameters = filters * (elements + 1) + (inputs + 1) * classes
    return NetworkCost(parameters, parameters * _BYTES, convolution_macs=inputs * elements, dense_macs=inputs * classes)
