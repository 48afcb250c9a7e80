"""From a section of the config to its dataset, whatever its kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from filtertwins.arrays import read_npz_arrays
from filtertwins.data.assembly import ROLES, assemble
from filtertwins.data.datasets import Dataset, DatasetError, load_digits
from filtertwins.data.downloads import fetch_idx_files, mirrors_with_site_mirror
from filtertwins.data.idx import decode_file
from filtertwins.data.keras_files import KERAS_FILES, keras_mirrors, read_keras
from filtertwins.sources import EmbeddedDataset, IdxDataset, IdxFile, KerasDataset, NpzDataset


def fetch_dataset(
    source: IdxDataset | NpzDataset | KerasDataset | EmbeddedDataset,
    name: str,
    folder: Path,
    environment: Mapping[str, str],
) -> Dataset:
    """Fetch what a dataset is made of, verify and decode it.

    Args:
        source: the config's section.
        name: the dataset's.
        folder: where fetched files go, and where they may be put by hand.
        environment: ``FILTERTWINS_MIRROR`` is a site's own mirror, ``KERAS_HOME`` where Keras keeps its files.

    Raises:
        StudyError: it can't be had, or is no dataset; the message names the file and the ways out.
    """
    if isinstance(source, EmbeddedDataset):
        return load_digits()
    if isinstance(source, NpzDataset):
        return _from_npz(source)
    if isinstance(source, KerasDataset):
        mirrors = mirrors_with_site_mirror(keras_mirrors(source.name, environment), name, environment)
        fetch_idx_files(KERAS_FILES[source.name][1], mirrors, folder)
        arrays = read_keras(source.name, folder)
        return assemble(arrays, dict(zip(ROLES, ROLES, strict=True)), validation_images=source.validation_images)
    files = [file for _, file in source.files]
    fetch_idx_files(files, mirrors_with_site_mirror(source.mirrors, name, environment), folder)
    return decode_idx_dataset(folder, files, validation_images=source.validation_images)


def decode_idx_dataset(folder: Path, files: Sequence[IdxFile], *, validation_images: int) -> Dataset:
    """Decode four verified IDX files into a dataset.

    Args:
        folder: where :func:`~filtertwins.data.downloads.fetch_idx_files` put them.
        files: training images, training labels, test images and test labels.
        validation_images: how many of the training images, the last ones, become the validation split; fewer than all.

    Raises:
        PayloadError: when a file is not there, or is not the verified one.
        IdxError: when a file is no IDX array.
        DatasetError: when the arrays make no dataset.
    """
    roles = dict(zip(ROLES, files, strict=True))
    arrays = {role: decode_file(folder, file) for role, file in roles.items()}
    names = {role: file.name for role, file in roles.items()}
    return assemble(arrays, names, validation_images=validation_images)


def _from_npz(source: NpzDataset) -> Dataset:
    path, names = Path(source.path).expanduser(), source.arrays.model_dump()
    if source.sha256:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != source.sha256:
            raise DatasetError(f"{path}: sha256 is {found}; allowed is that of the config, {source.sha256}")
    arrays = read_npz_arrays(path, names.values())
    try:
        by_role = {role: arrays[name] for role, name in names.items()}
        return assemble(by_role, names, validation_images=source.validation_images)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
