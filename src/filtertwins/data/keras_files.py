"""The files that ``keras.datasets`` fetches: which they are, and how to read them without Keras.

They are known by the checksums of their bytes. The CIFAR archives hold pickles of NumPy arrays; these are read by an
unpickler that knows arrays only.
"""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from filtertwins.arrays import read_npz_arrays
from filtertwins.data.assembly import ROLES
from filtertwins.data.idx import PayloadError, decode_idx, find_verified, sized_payload
from filtertwins.sources import IdxFile


class KerasFile(IdxFile):
    """A file that Keras fetches, known by its bytes as they are."""

    unpacked: ClassVar[bool] = False


_GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_SUMS = {  # name, bytes and SHA-256 of each file
    "mnist": "mnist.npz 11490434 731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    "fashion_mnist": """
        train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
        train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
        t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
        t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
        """,
    "cifar10": """
        cifar-10-python.tar.gz 170498071 6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce
        """,
    "cifar100": """
        cifar-100-python.tar.gz 169001437 85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7
        """,
}
KERAS_FILES: dict[str, tuple[str, tuple[KerasFile, ...]]] = {
    name: (
        _TORONTO if name.startswith("cifar") else _GOOGLE,
        tuple(
            KerasFile(name=file, size=int(size), sha256=sha256)
            for file, size, sha256 in (line.split() for line in sums.strip().splitlines())
        ),
    )
    for name, sums in _SUMS.items()
}
"""The files that ``keras.datasets`` fetches: from where, and which."""

_NAMES = {  # what CIFAR's pickles may ask for, also under the name that NumPy 2 has for it
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


def keras_cache(environment: Mapping[str, str]) -> Path:
    """The folder where Keras keeps what it fetched."""
    home = environment.get("KERAS_HOME") or os.path.expanduser("~/.keras")  # noqa: PTH111 - see downloads.py
    return Path(home) / "datasets"


def keras_mirrors(name: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where a dataset's files may be: Keras's cache, and where Keras fetches them from."""
    cache = keras_cache(environment)
    folders = [cache / "fashion-mnist"] if name == "fashion_mnist" else [cache]
    return (*(str(folder) for folder in folders if folder.is_dir()), KERAS_FILES[name][0])


def read_keras(name: str, folder: Path) -> dict[str, np.ndarray]:
    """The four arrays of a dataset, by ``ROLES``, from files in a folder, which are verified first.

    Raises:
        PayloadError: a file is not there, or is not the one that Keras fetches.
    """
    paths = [_verified(folder, file) for file in KERAS_FILES[name][1]]
    if name == "mnist":
        return read_npz_arrays(paths[0], ROLES)
    if name == "fashion_mnist":
        sizes = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)
        return {role: _idx(path, size) for role, path, size in zip(ROLES, paths, sizes, strict=True)}
    return read_cifar(paths[0], name)


def read_cifar(path: Path, name: str) -> dict[str, np.ndarray]:
    """The four arrays of CIFAR's archive for Python, images with their channels last."""
    folder, train, test, key = {
        "cifar10": ("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch", b"labels"),
        "cifar100": ("cifar-100-python", ["train"], "test", b"fine_labels"),
    }[name]
    with tarfile.open(path) as archive:
        batches = {}
        for own in (*train, test):
            member = archive.extractfile(f"{folder}/{own}")
            if member is None:
                raise PayloadError(f"{path}: {folder}/{own} is no file in it")
            batches[own] = _ArraysAlone(io.BytesIO(member.read()), encoding="bytes").load()
    found: dict[str, np.ndarray] = {}
    for split, names in (("train", train), ("test", [test])):
        pixels = np.concatenate([batches[own][b"data"] for own in names])
        found[f"x_{split}"] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        found[f"y_{split}"] = np.concatenate([np.array(batches[own][key], np.uint8) for own in names])
    return found


def _verified(folder: Path, file: IdxFile) -> Path:
    path, reasons = find_verified(folder, file)
    if path is None:
        raise PayloadError("; ".join(reasons) or f"{folder / file.name}: no such file")
    return path


def _idx(path: Path, size: int) -> np.ndarray:
    with path.open("rb") as stream:
        return decode_idx(sized_payload(stream, size), path.name)


class _ArraysAlone(pickle.Unpickler):
    """Reads pickles of NumPy's arrays, and refuses those that ask for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise PayloadError(f"a pickle that asks for {module}.{name}; allowed are arrays alone")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
