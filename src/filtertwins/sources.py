"""Where a dataset comes from, as the config says it; and what that tells before its files are there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag

from filtertwins.layers import MisfitError, last_shape
from filtertwins.mistakes import SHA256, Section, check

LABELS_HEADER, GREY_HEADER, COLOUR_HEADER = 8, 16, 20  # bytes of an IDX file of one, three and four axes
LONGEST = 4096  # The shorter side of an image is not longer.
ImageShape = tuple[int, int, int]
"""Rows, columns and channels."""


class IdxFile(Section):
    """One file of an IDX dataset, known by its decompressed payload (mirrors recompress)."""

    name: str = Field(description="file name on the mirrors")
    sha256: str = Field(pattern=SHA256, description="of the decompressed payload, in hexadecimal")
    size: int = Field(gt=LABELS_HEADER, description="bytes of the decompressed payload")


class IdxFiles(Section):
    """The four files of an IDX dataset."""

    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile

    @property
    def images(self) -> int:
        """The number of training images, validation images included: a label takes a byte."""
        return self.train_labels.size - LABELS_HEADER

    def mistakes(self) -> Iterator[str]:
        """What the sizes say is no set of grey images with a label each."""
        for images, labels in ((self.train_images, self.train_labels), (self.test_images, self.test_labels)):
            count = labels.size - LABELS_HEADER
            if images.size <= GREY_HEADER or (images.size - GREY_HEADER) % count:
                colour = "; it is that of colour images" if (images.size - COLOUR_HEADER) % count == 0 else ""
                yield f"{images.name}: the size is not that of {count:,} grey images, as many as labels{colour}"


class IdxDataset(Section):
    """Images and labels in four IDX files, fetched from the first mirror that serves them intact."""

    kind: Literal["idx"]
    mirrors: tuple[str, ...] = Field(min_length=1, description="folders, file:// or http(s):// addresses, in order")
    files: IdxFiles
    validation_images: PositiveInt = Field(description="so many training images, the last ones, are for selection")

    _sizes = check("files", "{found}", lambda it: "; ".join(it.mistakes()))
    _split = check("validation_images", "allowed: below {files.images}", lambda it, files: it >= files.images)

    @property
    def training_images(self) -> int:
        """The number of images to learn from."""
        return self.files.images - self.validation_images

    @property
    def classes(self) -> int | None:
        """How many classes there are; sizes of files do not tell."""
        return None

    @property
    def image_shapes(self) -> list[ImageShape]:
        """Which shapes its images may have, the most like a square last; an image takes a byte a pixel."""
        pixels = (self.files.train_images.size - GREY_HEADER) // self.files.images
        sides = [side for side in range(1, min(math.isqrt(pixels), LONGEST) + 1) if pixels % side == 0]
        return [(*size, 1) for side in sides for size in ((side, pixels // side), (pixels // side, side))]


class EmbeddedDataset(Section):
    """scikit-learn's bundled 8x8 digits, enlarged to 28x28. No download."""

    kind: Literal["embedded"]

    training_images: ClassVar[int] = 1257
    image_shapes: ClassVar[list[ImageShape]] = [(28, 28, 1)]
    classes: ClassVar[int | None] = 10


AnyDataset = Annotated[  # Pydantic's discriminators by name are not for keys whose values are mended first.
    Annotated[IdxDataset, Tag("idx")] | Annotated[EmbeddedDataset, Tag("embedded")],
    Discriminator(lambda it: it.get("kind") if isinstance(it, Mapping) else getattr(it, "kind", None)),
]


def misfits(architecture: Any, training_images: int, shapes: Sequence[ImageShape]) -> Iterator[str]:
    """What of an architecture does not fit so many training images of one of some shapes."""
    if hasattr(architecture, "layers"):
        yield from _misfits_of_layers(architecture, shapes)
    else:
        height, width = architecture.kernel
        if not any(height <= rows and width <= columns for rows, columns, _ in shapes):
            yield f"kernel = {[height, width]} is larger than the images, which have {math.prod(shapes[0][:2])} pixels"
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
