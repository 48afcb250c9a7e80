"""Where a dataset comes from, as the config says it; and what that tells before its files are there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag

from filtertwins.arrays import ArrayFileError, Header, npz_headers
from filtertwins.keras_layers import MisfitError
from filtertwins.layers import last_shape
from filtertwins.mistakes import SHA256, Section, check

LABELS_HEADER, GREY_HEADER, COLOUR_HEADER = 8, 16, 20  # bytes of an IDX file of one, three and four axes
LONGEST = 4096  # The shorter side of an image is not longer.
MOST_CHANNELS = 4  # An image has at most so many channels.
CONVERT = "filtertwins dataset FILE... --convert OUT.npz"
ImageShape = tuple[int, int, int]
"""Rows, columns and channels."""


class Source(Section):
    """A section of the config that says where a dataset comes from."""

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        raise NotImplementedError

    @property
    def image_shapes(self) -> Sequence[ImageShape]:
        """Which shapes its images may have; the likeliest is the last."""
        raise NotImplementedError

    @property
    def classes(self) -> int | None:
        """How many classes there are, or None where only the files tell."""
        return None

    @property
    def identity(self) -> dict[str, Any]:
        """All that the dataset's arrays depend on, as plain data."""
        return self.model_dump(mode="json")


class IdxFile(Section):
    """One file of an IDX dataset, known by its decompressed payload (mirrors recompress)."""

    unpacked: ClassVar[bool] = True

    name: str = Field(description="file name on the mirrors")
    sha256: str = Field(pattern=SHA256, description="of the decompressed payload, in hexadecimal")
    size: int = Field(gt=LABELS_HEADER, description="bytes of the decompressed payload")


class IdxFiles(Section):
    """The four files of an IDX dataset."""

    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile


class IdxDataset(Source):
    """Images and labels in four IDX files, fetched from the first mirror that serves them intact."""

    kind: Literal["idx"]
    mirrors: tuple[str, ...] = Field(min_length=1, description="folders, file:// or http(s):// addresses, in order")
    label_bytes: Literal[1, 2, 4] = Field(default=1, description="how many bytes a label takes in its file")
    files: IdxFiles
    validation_images: PositiveInt = Field(description="so many training images, the last ones, are for selection")

    _sizes = check("files", "{found}", lambda it, label_bytes: "; ".join(_mistakes_of_sizes(it, label_bytes)))
    _split = check(
        "validation_images",
        "allowed: below {found}",
        lambda it, files, label_bytes: count if it >= (count := _labels(files.train_labels, label_bytes)) else 0,
    )

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        return _labels(self.files.train_labels, self.label_bytes) - self.validation_images

    @property
    def image_shapes(self) -> list[ImageShape]:
        """Which shapes its images may have, the most like a square last; a pixel takes a byte a channel."""
        count = _labels(self.files.train_labels, self.label_bytes)
        found = []
        for header, channels in ((GREY_HEADER, (1,)), (COLOUR_HEADER, range(1, MOST_CHANNELS + 1))):
            entries, rest = divmod(self.files.train_images.size - header, count)
            for own in channels if rest == 0 else ():
                pixels = entries // own if entries % own == 0 else 0
                sides = [side for side in range(1, min(math.isqrt(pixels), LONGEST) + 1) if pixels % side == 0]
                found += [(*size, own) for side in sides for size in ((side, pixels // side), (pixels // side, side))]
        return sorted(found, key=lambda shape: (min(shape[:2]) / max(shape[:2]), shape[2] == 3))

    @property
    def identity(self) -> dict[str, Any]:
        """All that the dataset's arrays depend on."""
        return self.model_dump(mode="json", exclude={"mirrors"})


def _labels(file: IdxFile, label_bytes: int) -> int:
    """How many labels a file of this size holds."""
    return (file.size - LABELS_HEADER) // label_bytes


def _mistakes_of_sizes(files: IdxFiles, label_bytes: int) -> Iterator[str]:
    """What the sizes say is no set of images with a label each."""
    for images, labels in ((files.train_images, files.train_labels), (files.test_images, files.test_labels)):
        count = max(1, _labels(labels, label_bytes))
        entries = [images.size - header for header in (GREY_HEADER, COLOUR_HEADER)]
        if not any(own > 0 and own % count == 0 for own in entries):
            yield f"{images.name}: the size is not that of {count:,} images, as many as labels"


class NpzNames(Section):
    """How the arrays of an npz file are called; by default as in Keras's own datasets."""

    x_train: str = "x_train"
    y_train: str = "y_train"
    x_test: str = "x_test"
    y_test: str = "y_test"


class NpzDataset(Source):
    """Images and labels in one npz file, which is there already."""

    kind: Literal["npz"]
    path: str = Field(min_length=1, description="absolute, or from the folder where Snakemake runs")
    arrays: NpzNames = Field(default=NpzNames(), description="what x_train, y_train, x_test and y_test are called")
    sha256: str | None = Field(default=None, pattern=SHA256, description="of the file; null: it is not compared")
    validation_images: PositiveInt = Field(description="so many training images, the last ones, are for selection")

    @cached_property
    def headers(self) -> dict[str, Header]:
        """What the file says of its four arrays, by Keras's name.

        Raises:
            ArrayFileError: it is not there, or has no such arrays.
        """
        path = Path(self.path).expanduser()
        found, names = npz_headers(path), self.arrays.model_dump()
        for key, name in names.items():
            if name not in found:
                raise ArrayFileError(
                    f"{path}: no array {name!r} for {key}; it holds {', '.join(found) or 'none'}; name it under arrays"
                )
        headers = {key: found[name] for key, name in names.items()}
        for mistake in mistakes_of_arrays(headers, names):
            raise ArrayFileError(f"{path}: {mistake}")
        if self.validation_images >= (images := headers["x_train"].shape[0]):
            raise ArrayFileError(f"validation_images = {self.validation_images}; allowed: below {images}")
        return headers

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        return self.headers["x_train"].shape[0] - self.validation_images

    @property
    def image_shapes(self) -> list[ImageShape]:
        """The shape that its images have."""
        rows, columns, *channels = self.headers["x_train"].shape[1:]
        return [(rows, columns, *(channels or [1]))]  # type: ignore[list-item]

    @property
    def identity(self) -> dict[str, Any]:
        """All that the dataset's arrays depend on: their checksums, which an npz file keeps of each of them.

        So a file that is moved or saved again makes nothing stale, one that holds something else does, and it needs
        not be read each time that Snakemake starts.
        """
        checksums = {key: header.checksum for key, header in self.headers.items()}
        return {"kind": self.kind, "validation_images": self.validation_images, "checksums": checksums}


def mistakes_of_arrays(arrays: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """What types and shapes say is no dataset.

    Args:
        arrays: ``x_train``, ``y_train``, ``x_test``, ``y_test``: whatever has a shape and a dtype.
        names: what they are called in messages.
    """
    for images, labels in (("x_train", "y_train"), ("x_test", "y_test")):
        shape, kind = tuple(arrays[images].shape), arrays[images].dtype.kind
        if kind not in "ui":
            what = "floats" if kind == "f" else str(arrays[images].dtype)
            yield f"{names[images]}: {what}; allowed are bytes from 0 to 255; {CONVERT} makes them of floats"
        if len(shape) not in (3, 4) or 0 in shape:
            yield f"{names[images]}: shape {shape}; allowed is (image, row, column) or (image, row, column, channel)"
        elif len(shape) == 4 and shape[3] > MOST_CHANNELS:
            way = f"; with channels first, {CONVERT} --channels-first" if shape[1] <= MOST_CHANNELS else ""
            yield f"{names[images]}: {shape[3]} channels, the last axis; allowed: 1 to {MOST_CHANNELS}{way}"
        elif arrays[labels].shape[:1] != shape[:1]:
            count = arrays[labels].shape[0] if arrays[labels].shape else "no"
            yield f"{names[labels]}: {count} labels for {shape[0]} images; allowed is one each"
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        train, test = (tuple(arrays[name].shape[1:]) for name in ("x_train", "x_test"))
        yield f"{names['x_test']}: images of shape {test}; allowed is that of {names['x_train']}, {train}"


KerasName = Literal["mnist", "fashion_mnist", "cifar10", "cifar100"]


class KerasDataset(Source):
    """A dataset of ``keras.datasets``, from Keras's cache or from where Keras fetches it."""

    kind: Literal["keras"]
    name: KerasName
    validation_images: Annotated[int, Field(ge=1, lt=50_000)] = Field(
        description="so many training images, the last ones, are for selection"
    )

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        return (50_000 if self.name.startswith("cifar") else 60_000) - self.validation_images

    @property
    def image_shapes(self) -> list[ImageShape]:
        """The shape of its images."""
        return [(32, 32, 3) if self.name.startswith("cifar") else (28, 28, 1)]

    @property
    def classes(self) -> int | None:
        """How many classes there are."""
        return 100 if self.name == "cifar100" else 10


class EmbeddedDataset(Source):
    """scikit-learn's bundled 8x8 digits, enlarged to 28x28. No download."""

    kind: Literal["embedded"]

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        return 1257

    @property
    def image_shapes(self) -> list[ImageShape]:
        """The shape of its images."""
        return [(28, 28, 1)]

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return 10


AnyDataset = Annotated[  # Pydantic's discriminators by name are not for keys whose values are mended first.
    Annotated[IdxDataset, Tag("idx")]
    | Annotated[NpzDataset, Tag("npz")]
    | Annotated[KerasDataset, Tag("keras")]
    | Annotated[EmbeddedDataset, Tag("embedded")],
    Discriminator(lambda it: it.get("kind") if isinstance(it, Mapping) else getattr(it, "kind", None)),
]


def misfits(architecture: Any, training_images: int, shapes: Sequence[ImageShape]) -> Iterator[str]:
    """What of an architecture does not fit so many training images of one of some shapes."""
    if hasattr(architecture, "layers"):
        yield from _misfits_of_layers(architecture, shapes)
    else:
        height, width = architecture.kernel
        if not any(height <= rows and width <= columns for rows, columns, _ in shapes):
            pixels = max(math.prod(shape[:2]) for shape in shapes)
            yield f"kernel = {[height, width]} is larger than the images, which have {pixels} pixels"
    if architecture.batch > training_images:
        yield f"batch = {architecture.batch} is more than the {training_images:,} training images"


def _misfits_of_layers(architecture: Any, shapes: Sequence[ImageShape]) -> Iterator[str]:
    """The first layer that does not fit what is before it, whichever shape the images have."""
    for filters in architecture.filters:
        found = []
        for shape in shapes:
            try:
                last_shape(architecture.layers, filters, shape)
            except MisfitError as error:
                found.append(str(error))
        if len(found) == len(shapes):
            yield min(found) + (f" (with filters = {filters})" if len(architecture.filters) > 1 else "")
            return
