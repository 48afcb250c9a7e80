"""Readers of model files. Nothing in a file is run, nothing outside it is read, and nothing small becomes large."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from filtertwins.inspect.model import Model, ModelError
from filtertwins.inspect.readers import keras_files, numpy_files, onnx, safetensors, saved_model, torch_files
from filtertwins.inspect.readers.bounded import file_bytes, open_archive
from filtertwins.inspect.readers.findings import Findings

FORMATS = "Keras (.keras, .h5), SavedModel, ONNX, safetensors, PyTorch (.pt, .pth), NumPy (.npz, .npy)"


def read_model(path: Path) -> Model:
    """Read the convolutions of a model file, or of a SavedModel's folder. The content tells the format.

    Raises:
        ModelError: it is of no known format, is damaged, or holds what is refused.
    """
    path = Path(path)
    findings = Findings()
    try:
        with np.errstate(all="ignore"):  # What is infinite or no number is left out, and needs no warning.
            return findings.model(str(path), _read(path, findings))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except OSError as error:
        if error.filename is None:  # HDF5 says so of a damaged file
            raise ModelError(f"{path}: it is damaged ({_short(error)}); get it anew") from error
        raise ModelError(f"{path}: {error.strerror}; name a file that can be read") from error
    except ImportError:  # This is no fault of the file.
        raise
    except Exception as error:  # A damaged file fails in any of many ways, which all are signs of damage.
        raise ModelError(f"{path}: it is damaged ({_short(error)}); get it anew") from error


def _short(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) < 200 else f"{words[:200]} ..."


def _read(path: Path, findings: Findings) -> str:
    """List what a file holds; returns its format's name."""
    if path.is_dir():
        return saved_model.read_folder(path, findings)
    content = file_bytes(path)
    start = bytes(content[:8])
    if start.startswith(b"PK\3\4"):
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, findings)
    if start == b"\x89HDF\r\n\x1a\n":
        return keras_files.read_hdf5(path, findings)
    if start.startswith(numpy_files.MAGIC):
        return numpy_files.read_npy(content, findings)
    if bytes(content[-8:]) == saved_model.MAGIC and len(content) >= 48:
        return saved_model.read_checkpoint(path, content, findings)
    if safetensors.is_safetensors(content):
        return safetensors.read_safetensors(content, findings)
    if torch_files.is_legacy(content):
        return torch_files.read_legacy(content, findings)
    if onnx.is_onnx(content):
        return onnx.read_onnx(content, path.parent, findings)
    if (path.parent / "variables" / "variables.index").is_file() and path.name == "saved_model.pb":
        return saved_model.read_folder(path.parent, findings)
    raise ModelError(f"it is of none of the formats that are read: {FORMATS}")


def _read_zip(archive: zipfile.ZipFile, findings: Findings) -> str:
    members = open_archive(archive)
    if "config.json" in members and "model.weights.h5" in members:
        return keras_files.read_archive(archive, members, findings)
    if any(name.endswith("data.pkl") for name in members):
        return torch_files.read_zip(archive, members, findings)
    if members and all(name.endswith(".npy") for name in members):
        return numpy_files.read_npz(archive, members, findings)
    raise ModelError(f"it is a zip file of none of the formats that are read: {FORMATS}")
