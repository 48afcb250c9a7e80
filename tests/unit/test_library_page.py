"""The examples of docs/library.md run as they stand."""

from __future__ import annotations

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from inspected import random_kernels, with_twins

from model_files import npz_file


class Convolution:
    """Stands for a layer of Keras and for a module of torch."""

    name = "conv1"

    def __init__(self, kernels):
        values = SimpleNamespace(numpy=lambda: kernels)
        self.kernel = values
        self.weight = SimpleNamespace(detach=lambda: values)


@pytest.fixture
def names(rng, tmp_path, monkeypatch):
    """What the page takes for given: arrays, models of both frameworks, files of six seeds."""
    for seed in range(6):
        (tmp_path / f"seed{seed}.keras").write_bytes(npz_file({"conv.weight": random_kernels(rng, 64)}))
    monkeypatch.chdir(tmp_path)
    kernels = with_twins(random_kernels(rng, 64), rng)
    keras, torch = ModuleType("keras"), ModuleType("torch")
    keras.layers = torch.nn = SimpleNamespace(Conv2D=Convolution, Conv2d=Convolution)
    model = SimpleNamespace(
        layers=[Convolution(kernels.transpose(2, 3, 1, 0)), "dense"],
        named_modules=lambda: [("conv1", Convolution(kernels)), ("fc", "dense")],
    )
    arrays = {"kernels": kernels.transpose(2, 3, 1, 0), "biases": np.zeros(64)}
    return arrays | {"keras": keras, "torch": torch, "model": model}


def test_every_example_of_the_page_runs(root, names):
    examples = re.findall(r"```python\n(.*?)```", (root / "docs" / "library.md").read_text(), re.DOTALL)
    assert len(examples) == 4
    reports = []
    for example in examples:
        *_, last = re.sub(r" +#.*", "", example).strip().splitlines()
        exec(example, names)  # noqa: S102
        reports.append(names["report"])
        names["last"] = eval(last, names)  # noqa: S307
        reports[-1] = names["last"] if hasattr(names["last"], "layers") else reports[-1]
    assert [report.layers[0].verdict for report in reports] == ["twins", "twins", "twins", "alike"]
    assert reports[0].layers[0].test == reports[1].layers[0].test == reports[2].layers[0].test
    assert names["last"][0]["files"] == 6


def test_the_library_needs_no_pandas(monkeypatch, names):
    monkeypatch.setitem(sys.modules, "pandas", None)
    from filtertwins.inspect.report import inspect_arrays

    report = inspect_arrays({"conv1": names["kernels"]})
    assert report.tables()["layers"][0]["verdict"] == "twins"
