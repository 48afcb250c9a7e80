"""From arrays as others store them to a :class:`~filtertwins.data.datasets.Dataset`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np

from filtertwins.data.datasets import Dataset, DatasetError
from filtertwins.sources import CONVERT, mistakes_of_arrays

ROLES = ("x_train", "y_train", "x_test", "y_test")
"""Training images and labels, test images and labels, by the names that Keras gives them."""

MOST_CLASSES = 10_000  # Labels are numbers of classes. Larger ones are something else.


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def assemble(
    arrays: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    *,
    validation_images: int,
    tell: Callable[[str], None] = _tell,
) -> Dataset:
    """A dataset of four arrays; the last training images are the validation split.

    Args:
        arrays: by ``ROLES``; images (image, row, column) or (image, row, column, channel) of whole numbers from 0 to
            255; labels (image,) or (image, 1) of whole numbers from 0 or 1, or (image, class) with a single 1 a row.
        names: what they are called in messages, by ``ROLES``.
        validation_images: how many, fewer than all.
        tell: is called with a line where labels are counted anew.

    Raises:
        DatasetError: they make no dataset; the message names the array, and says what is allowed.
    """
    for mistake in mistakes_of_arrays(arrays, names):
        raise DatasetError(mistake)
    images = {role: as_bytes(arrays[role], names[role]) for role in ("x_train", "x_test")}
    labels = dict(zip(("y_train", "y_test"), _counted_from_0(arrays, names, tell), strict=True))
    split = len(images["x_train"]) - validation_images
    if not 0 < split < len(images["x_train"]):
        raise DatasetError(f"validation_images = {validation_images}; allowed: 1 to {len(images['x_train']) - 1}")
    return Dataset(
        train_images=images["x_train"][:split],
        train_labels=labels["y_train"][:split],
        validation_images=images["x_train"][split:],
        validation_labels=labels["y_train"][split:],
        test_images=images["x_test"],
        test_labels=labels["y_test"],
    )


def as_bytes(images: np.ndarray, name: str) -> np.ndarray:
    """Images of whole numbers as bytes, with an axis of channels."""
    if images.dtype != np.uint8:
        if images.min() < 0 or images.max() > 255:
            raise DatasetError(f"{name}: numbers from {images.min()} to {images.max()}; allowed: bytes from 0 to 255")
        images = images.astype(np.uint8)
    return np.ascontiguousarray(images if images.ndim == 4 else images[..., np.newaxis])


def _counted_from_0(
    arrays: Mapping[str, np.ndarray], names: Mapping[str, str], tell: Callable[[str], None]
) -> list[np.ndarray]:
    """Labels of both splits, counted from 0; those that are counted from 1 are shifted, which is told."""
    if len({arrays[role].ndim == 2 and arrays[role].shape[1] > 1 for role in ("y_train", "y_test")}) > 1:
        raise DatasetError(f"{names['y_train']}, {names['y_test']}: one has rows of numbers; allowed: both or none")
    labels = [as_numbers(arrays[role], names[role]) for role in ("y_train", "y_test")]
    least, most = min(int(own.min()) for own in labels), max(int(own.max()) for own in labels)
    where = f"{names['y_train']}, {names['y_test']}: labels go from {least} to {most}"
    if least not in (0, 1) or most - least >= MOST_CLASSES:
        raise DatasetError(f"{where}; allowed: classes counted from 0 or 1, at most {MOST_CLASSES:,} of them")
    if least == 1:
        tell(f"{where}, and are taken as 0 to {most - 1}")
    kind = np.uint8 if most - least < 256 else np.int32
    return [(own - least).astype(kind) for own in labels]


def as_numbers(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels as whole numbers, (image,): of a column, or of rows with a single 1 where the class is."""
    found = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if found.ndim == 2 and found.dtype.kind in "uifb":
        if not (((found == 0) | (found == 1)).all() and (found.sum(axis=1) == 1).all()):
            raise DatasetError(f"{name}: rows of {found.shape[1]} numbers; allowed: a class, or rows with a single 1")
        found = found.argmax(axis=1)
    if found.ndim != 1 or found.dtype.kind not in "ui":
        raise DatasetError(
            f"{name}: {found.dtype} of shape {labels.shape}; allowed: whole numbers, one an image; {CONVERT} "
            "makes them of floats"
        )
    return found.astype(np.int64)
