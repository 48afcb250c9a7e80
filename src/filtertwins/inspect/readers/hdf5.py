"""HDF5 files, read by a process of its own, which may fail on a damaged file without harm."""

from __future__ import annotations

import atexit
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import filtertwins
from filtertwins.inspect.model import ModelError
from filtertwins.inspect.readers.bounded import Tensor, as_array
from filtertwins.inspect.readers.findings import Findings


@dataclass(frozen=True)
class Arrays:
    """The arrays of an HDF5 file by their paths, and those attributes of its groups that are texts."""

    tensors: list[Tensor]
    texts: dict[tuple[str, str], str]  # by path and attribute


_workers: list[subprocess.Popen[bytes]] = []  # none, or the one that answers


def arrays_of(source: Path | bytes, findings: Findings) -> Arrays:
    """The arrays of an HDF5 file, or of the content of one.

    Raises:
        ModelError: it is damaged, or has links, arrays that are stored elsewhere, or such that say to be too large.
    """
    request = {
        "path": None if isinstance(source, bytes) else str(source.absolute()),
        "bytes": len(source) if isinstance(source, bytes) else source.stat().st_size,
    }
    try:
        to_worker, from_worker = _worker()
        to_worker.write(json.dumps(request).encode() + b"\n" + (source if isinstance(source, bytes) else b""))
        to_worker.flush()
        said = json.loads(from_worker.readline())
        tensors = [_tensor(from_worker, *each) for each in said.get("tensors", ())]
    except (OSError, ValueError) as error:
        stop()
        raise ModelError("the library for HDF5 fails on it: it is damaged, or meant to do harm; get it anew") from error
    if "error" in said:
        raise ModelError(said["error"])
    for name, first in said["aliases"]:
        findings.leave_out(name, f"It is an alias of {first}.")
    return Arrays(tensors, {(path, name): text for path, name, text in said["texts"]})


def _tensor(answer: IO[bytes], name: str, shape: list[int], refusal: str, dtype: str) -> Tensor:
    if refusal:
        return Tensor(name, tuple(shape), refusal=refusal)
    size = math.prod(shape) * int(dtype[2:])
    content = answer.read(size)
    if len(content) != size:
        raise ValueError("the answer is cut off")
    return Tensor(name, tuple(shape), partial(as_array, name, content, dtype, shape))


def _worker() -> tuple[IO[bytes], IO[bytes]]:
    """Where to ask the process that reads, and where it answers; it is started at the first question."""
    if _workers and _workers[0].poll() is not None:
        stop()
    if not _workers:
        place = str(Path(filtertwins.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "filtertwins.inspect.readers.hdf5_worker"]
        environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        _workers.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment))  # noqa: S603
    return cast(IO[bytes], _workers[0].stdin), cast(IO[bytes], _workers[0].stdout)


@atexit.register
def stop() -> None:
    """End the process that reads, if there is one."""
    while _workers:
        worker = _workers.pop()
        worker.kill()
        worker.communicate()
