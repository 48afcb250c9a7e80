"""What a user's files hold, as a section of the config; and files that are no dataset yet, turned into one."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from filtertwins.arrays import MOST_BYTES, npz_headers, read_npy, read_npz_arrays
from filtertwins.data.assembly import ROLES, as_numbers, assemble
from filtertwins.data.datasets import Dataset, DatasetError
from filtertwins.data.idx import IdxError, PayloadError, decode_idx
from filtertwins.data.keras_files import KERAS_FILES, read_keras
from filtertwins.files import write_npz

IDX_ROLES = dict(zip(ROLES, ("train_images", "train_labels", "test_images", "test_labels"), strict=True))
TEST = "test|t10k|val|validation|eval"
"""A word in the name of a file or its folder, or of an array, that says that it is to test on."""


Section = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A dataset's arrays, and how the config says where they are."""

    arrays: dict[str, np.ndarray]  # by ROLES
    names: dict[str, str]  # what they are called, by ROLES
    section: Section  # of the config; none for what must be converted first


def describe(paths: Sequence[Path], name: str) -> str:
    """The section of a config that describes some files: IDX files, an npz file, or what Keras fetched.

    Raises:
        StudyError: a file can't be read, or they make no dataset; the message names it, and says what is allowed.
    """
    found = _find(paths)
    if not found.section:
        raise DatasetError(f"{paths[0]}: arrays in files of their own are no dataset yet; add --convert OUT.npz")
    return _section(found, name)


def convert(paths: Sequence[Path], out: Path, name: str, *, channels_first: bool = False, test_images: int = 0) -> str:
    """Write an npz file of some files, and return its section of a config.

    Floats from 0 to 1 become bytes, and rows with a single 1 become classes.

    Args:
        paths: IDX files, npy files, an npz file, or what Keras fetched.
        out: the file to write.
        name: of the dataset.
        channels_first: whether images are (image, channel, row, column).
        test_images: where there are no test images: so many images, the last ones, are taken.

    Raises:
        StudyError: they make no dataset.
    """
    if out.suffix != ".npz":
        raise DatasetError(f"{out}: the name of what is written must end in .npz")
    arrays, names = (found := _find(paths, test_images)).arrays, found.names
    changed: dict[str, np.ndarray] = {}
    for role, array in arrays.items():
        if role.startswith("y"):
            whole = array.dtype.kind == "f" and array.ndim < 3 and (np.rint(array) == array).all()
            changed[role] = as_numbers(array.astype(np.int64) if whole else array, names[role])
            continue
        if channels_first:
            if array.ndim != 4:
                raise DatasetError(f"{names[role]}: shape {array.shape}; --channels-first is for four axes")
            array = array.transpose(0, 2, 3, 1)
        changed[role] = _bytes_of(array, names[role])
    assemble(changed, names, validation_images=1, tell=lambda _: None)
    write_npz(out, changed)
    return describe([out], name)


def _bytes_of(images: np.ndarray, name: str) -> np.ndarray:
    if images.dtype.kind not in "fb":
        return images
    least, most = float(images.min()), float(images.max())
    if not (least >= 0 and most <= 255):
        raise DatasetError(f"{name}: floats from {least:g} to {most:g}; allowed: from 0 to 1, or from 0 to 255")
    return np.rint(images * (255.0 if most <= 1 else 1.0)).astype(np.uint8)


def _section(found: Found, name: str) -> str:
    """The YAML to paste; a tenth of the training images are for selection."""
    told: list[str] = []
    validation = max(1, len(found.arrays["x_train"]) // 10)
    dataset = assemble(found.arrays, found.names, validation_images=validation, tell=told.append)
    config = {"dataset": name, "datasets": {name: found.section | {"validation_images": validation}}}
    comments = "".join(f"# {line}\n" for line in [_in_words(dataset, validation), *told])
    return comments + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=1000)


def _in_words(dataset: Dataset, validation: int) -> str:
    rows, columns, channels = dataset.image_shape
    kind = "grey images" if channels == 1 else f"images with {channels} channels"
    return (
        f"{len(dataset.train_images) + validation:,} training and {len(dataset.test_images):,} test {kind} "
        f"of {rows}x{columns} pixels, {dataset.classes} classes"
    )


def _find(paths: Sequence[Path], test_images: int = 0) -> Found:
    """Tell files by their content, and what each is for."""
    heads = {path: _head(path) for path in paths}
    for path, head in heads.items():
        if name := _fetched_by_keras(path):
            return _of_keras(path, name)
        if head.startswith(b"PK"):
            if len(paths) > 1:
                raise DatasetError(f"{path}: an npz file holds a whole dataset; name it alone")
            return _of_npz(path, test_images)
    short = len({path.name for path in paths}) == len(paths)  # Otherwise folders tell files apart: train/images.npy.
    read: dict[str, tuple[np.ndarray, Section]] = {}
    for path, head in heads.items():
        own = (read_npy(path), {}) if head.startswith(b"\x93NUMPY") else _idx(path)
        read[path.name if short else str(path)] = own
    arrays = {name: array for name, (array, _) in read.items()}
    roles = _roles_of(arrays, test_images)
    section: Section = {}
    together = len({path.absolute().parent for path in paths}) == 1  # A mirror is one folder.
    if together and all(entry for _, entry in read.values()) and len(roles) == len(ROLES):
        size = max(arrays[roles[role]].dtype.itemsize for role in ("y_train", "y_test"))
        section = {"kind": "idx", "mirrors": [str(paths[0].absolute().parent)]}
        section |= {"label_bytes": size} if size > 1 else {}
        section["files"] = {IDX_ROLES[role]: read[name][1] for role, name in roles.items()}
    found = _split({role: arrays[name] for role, name in roles.items()}, test_images)
    return Found(found, roles | _same(roles), section)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror or error}") from error


def _fetched_by_keras(path: Path) -> str | None:
    """The dataset of Keras that a file is or is part of, by its size and checksum."""
    size = path.stat().st_size
    for name, (_, files) in KERAS_FILES.items():
        for file in files:
            if file.size == size:
                with path.open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256:
                        return name
    return None


def _of_keras(path: Path, name: str) -> Found:
    arrays = read_keras(name, path.absolute().parent)
    return Found(arrays, dict(zip(ROLES, ROLES, strict=True)), {"kind": "keras", "name": name})


def _of_npz(path: Path, test_images: int) -> Found:
    headers = npz_headers(path)
    shapes = {name: header.shape for name, header in headers.items() if header.shape}
    names = dict(zip(ROLES, ROLES, strict=True))
    if not set(ROLES) <= set(shapes):
        names = _roles_of(shapes, test_images)
    arrays = read_npz_arrays(path, names.values())
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    section: Section = {"kind": "npz", "path": str(path.absolute()), "sha256": sha256}
    section |= {"arrays": names} if list(names.values()) != list(ROLES) else {}
    found = _split({role: arrays[name] for role, name in names.items()}, test_images)
    said = {role: f"{path.name}: {name}" for role, name in (names | _same(names)).items()}
    return Found(found, said, section)


def _idx(path: Path) -> tuple[np.ndarray, Section]:
    """The array of an IDX file, gzipped or not, and its entry in a config."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            payload = stream.read(MOST_BYTES)
        array = decode_idx(payload, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise PayloadError(f"{path}: a damaged gzip file ({error}); get it anew") from error
    except IdxError as error:
        known = "IDX, npz and npy files, and what Keras fetches"
        raise IdxError(f"{path}: nothing that is known here; allowed: {known} (as IDX: {error.args[0]})") from error
    return array, {"name": path.name, "size": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}


def _roles_of(arrays: Mapping[str, np.ndarray | tuple[int, ...]], test_images: int) -> dict[str, str]:
    """Which array is for what, by its name and its axes; names by ``ROLES``.

    Raises:
        DatasetError: a role is not there, or two arrays may have it.
    """
    shapes = {name: tuple(getattr(array, "shape", array)) for name, array in arrays.items()}
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for name, shape in shapes.items():
        words = re.split(r"[^a-z0-9]+", "/".join(Path(name).with_suffix("").parts[-2:]).lower())
        kind = "x" if len(shape) in (3, 4) else "y"
        split = "test" if any(re.fullmatch(TEST, word) for word in words) else "train"
        found[f"{kind}_{split}"].append(name)
    wanted = ROLES[:2] if test_images else ROLES
    if [len(found[role]) for role in wanted] != [1] * len(wanted):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        ways = "name them so (x_train, y_train, x_test, y_test); where there are none to test on, --convert OUT.npz "
        ways += "--test-images N takes the last"
        raise DatasetError(f"it is not clear what each array is for: {listed}; {ways}")
    return {role: names[0] for role, names in found.items() if names}


def _split(arrays: dict[str, np.ndarray], test_images: int) -> dict[str, np.ndarray]:
    """The arrays of all roles; where there are none to test on, the last ones are taken from the others."""
    if "x_test" in arrays:
        if test_images:
            raise DatasetError(f"--test-images {test_images}; there are images to test on already")
        return arrays
    if not 0 < test_images < len(arrays["x_train"]) - 1:
        raise DatasetError(f"--test-images {test_images}; there are {len(arrays['x_train'])} images in all")
    parts = {f"{kind}_test": arrays[f"{kind}_train"][-test_images:] for kind in "xy"}
    return {role: own[:-test_images] for role, own in arrays.items()} | parts


def _same(names: Mapping[str, str]) -> dict[str, str]:
    """Names of the test arrays, where these are taken from the others."""
    return {f"{kind}_test": names[f"{kind}_train"] for kind in "xy" if f"{kind}_test" not in names}
