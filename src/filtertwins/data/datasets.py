"""Image datasets in three splits, and the embedded digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from filtertwins.errors import StudyError
from filtertwins.files import Shape, read_npz
from filtertwins.names import SPLITS


class DatasetError(StudyError, ValueError):
    """Images and labels do not make a dataset; the message says which, and what is allowed."""


DATASET_SHAPES: dict[str, Shape] = {
    "train_images": ("train", "row", "column", "channel"),
    "train_labels": ("train",),
    "validation_images": ("validation", "row", "column", "channel"),
    "validation_labels": ("validation",),
    "test_images": ("test", "row", "column", "channel"),
    "test_labels": ("test",),
}
"""The shapes of :meth:`Dataset.to_arrays`, for :func:`filtertwins.files.read_npz`."""


LABEL_TYPES = (np.dtype(np.uint8), np.dtype(np.int32))
"""Types of labels: bytes, or whole numbers of 32 bits where there are more than 256 classes."""


@dataclass(frozen=True, eq=False)  # Comparing arrays with == gives no single truth value.
class Dataset:
    """Images of bytes and labels from 0 on in three splits: to learn from, to choose by, and to look at once.

    Raises:
        DatasetError: When an array has another dtype or rank, a split is empty, images and labels differ in
            number, a label is negative, all are 0, or the splits differ in image size. The message names the array.
    """

    train_images: np.ndarray  # (image, row, column, channel)
    train_labels: np.ndarray  # (image,)
    validation_images: np.ndarray  # (image, row, column, channel)
    validation_labels: np.ndarray  # (image,)
    test_images: np.ndarray  # (image, row, column, channel)
    test_labels: np.ndarray  # (image,)

    def __post_init__(self) -> None:
        for split in SPLITS:
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            _check_array(f"{split}_images", images, (np.dtype(np.uint8),), ("image", "row", "column", "channel"))
            _check_array(f"{split}_labels", labels, LABEL_TYPES, ("image",))
            if len(images) != len(labels):
                raise DatasetError(f"{split}: {len(images)} images but {len(labels)} labels; allowed is one each")
            if labels.min() < 0:
                raise DatasetError(f"{split}_labels: a label is {labels.min()}; allowed: classes, counted from 0")
            if images.shape[1:] != self.image_shape:
                raise DatasetError(
                    f"{split}_images: images of {_size_text(images)}; allowed is one size, that of "
                    f"train_images, {_size_text(self.train_images)}"
                )
        if self.classes < 2:
            raise DatasetError("labels: all are 0; allowed: two classes or more, counted from 0")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of an image."""
        rows, columns, channels = self.train_images.shape[1:]
        return rows, columns, channels

    @cached_property
    def classes(self) -> int:
        """How many classes there are: those up to the largest label of any split."""
        return 1 + max(int(getattr(self, f"{split}_labels").max()) for split in SPLITS)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the six arrays by name, for :func:`filtertwins.files.write_npz`."""
        return {name: getattr(self, name) for name in DATASET_SHAPES}


def load_dataset(path: Path) -> Dataset:
    """Read the file of arrays that ``fetch_dataset`` makes.

    Raises:
        DamagedFile: the file is not whole, or its arrays do not fit each other.
        DatasetError: the arrays make no dataset.
    """
    arrays = read_npz(path, DATASET_SHAPES)
    return Dataset(**{name: arrays[name] for name in DATASET_SHAPES})


def _check_array(name: str, array: np.ndarray, types: tuple[np.dtype[Any], ...], axes: tuple[str, ...]) -> None:
    if array.dtype not in types:
        raise DatasetError(f"{name}: dtype {array.dtype}; allowed is {' or '.join(map(str, types))}")
    if array.ndim != len(axes) or array.size == 0:
        raise DatasetError(f"{name}: shape {array.shape}; allowed is ({', '.join(axes)}), none of them 0")


def _size_text(images: np.ndarray) -> str:
    rows, columns, channels = images.shape[1:]
    return f"{rows}x{columns} pixels" + (f" with {channels} channels" if channels > 1 else "")


def load_digits() -> Dataset:
    """Return scikit-learn's bundled handwritten digits (Alpaydin & Kaynak 1998), brought to MNIST's form.

    The 1,797 scans of 8x8 pixels with values 0 to 16 are scaled to 0 to 255, each pixel enlarged three times
    to 24x24, and padded with two zeros on each side to 28x28. The split is always the same, and stratified
    by class: 1,257 training, 180 validation and 360 test images.
    """
    from sklearn import datasets, model_selection  # It is slow to import and only needed here.

    bunch: Any = datasets.load_digits()
    scaled = np.rint(bunch.images[..., np.newaxis] * (255 / 16)).astype(np.uint8)  # 8x8 pixels, one channel
    images = np.pad(scaled.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2), (0, 0)))  # 28x28 pixels
    labels = bunch.target.astype(np.uint8)  # (image,)
    split_off = partial(model_selection.train_test_split, random_state=20200401)
    images, test_images, labels, test_labels = split_off(images, labels, test_size=360, stratify=labels)
    train_images, validation_images, train_labels, validation_labels = split_off(
        images, labels, test_size=180, stratify=labels
    )
    return Dataset(train_images, train_labels, validation_images, validation_labels, test_images, test_labels)
