"""`filtertwins inspect`: what it prints, writes and returns."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from inspected import convolution, network, random_kernels, with_twins

from filtertwins.__main__ import main
from filtertwins.inspect import readers
from filtertwins.inspect.model import LeftOut, Model, ModelError
from filtertwins.inspect.report import inspect_models
from model_files import npz_file, onnx_file, onnx_node, safetensors_file, torch_legacy, torch_zip

READ = readers.read_model

ABSENT = (
    "tensorflow",
    "keras",
    "snakemake",
    "pydantic",
    "yaml",
    "pooch",
    "requests",
    "jinja2",
)
FILES = {"changes.csv", "kernels.pdf", "kernels.png", "kernels.svg", "layers.csv", "left_out.csv", "pairs.csv"}
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({absent!r}))  # Importing one of these fails.
from filtertwins.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def files(rng, monkeypatch):
    """Model files by name, as the readers would find them."""
    kernels = random_kernels(rng)
    twins = convolution(with_twins(kernels, rng), name="conv_<1>")
    models = {
        "twins": Model("twins", "arrays", (twins,), (LeftOut("dense", "It is no convolution."),)),
        "plain": network(convolution(kernels, name="conv_<1>"), path="plain"),
        "none": network(path="none"),
    }

    def read_model(path):
        if path.name not in models:
            raise ModelError(f"{path}: it is no model file")
        return models[path.name]

    monkeypatch.setattr(readers, "read_model", read_model, raising=False)


def test_a_table_is_printed_and_progress_goes_to_the_other_stream(capsys):
    assert main(["inspect", "twins", "plain"]) == 0
    out, err = capsys.readouterr()
    assert "twins beyond its shape" in out
    assert "conv_<1>  0      47" in out
    assert "It is no convolution." in out
    assert "What one network cannot tell" in out
    assert err.splitlines() == ["twins: conv_<1> (1 of 1)", "plain: conv_<1> (1 of 1)"]


def test_json_alone_is_on_standard_output_and_a_seed_repeats_every_byte(capsys):
    texts = []
    for seed in (1, 1, 2):
        assert main(["inspect", "twins", "--json", "-", "--seed", str(seed)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert json.loads(texts[0])["layers"][0]["verdict"] == "twins"


def test_exit_codes_say_twins_and_bad_files_of_which_the_others_are_inspected(capsys):
    assert main(["inspect", "twins", "--fail-on", "twins"]) == 1
    assert main(["inspect", "none", "--fail-on", "twins"]) == 0
    assert "No convolution was found." in capsys.readouterr().out
    assert main(["inspect", "broken", "twins", "--fail-on", "twins", "--json", "-"]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines()[0] == "error: broken: it is no model file"
    report = json.loads(out)
    assert report["files"] == ["twins"]
    assert report["left_out"][0]["file"] == "broken"
    for wrong in ([], ["twins", "--draws", "38"], ["twins", "--seed", "-1"]):
        with pytest.raises(SystemExit, match="2"):
            main(["inspect", *wrong])


@pytest.mark.parametrize(
    "arguments", [["plain", "twins"], ["twins", "--before", "plain"], ["plain", "twins", "--before", "./plain"]]
)
def test_what_training_changed(capsys, arguments):
    main(["inspect", *arguments])
    out = capsys.readouterr().out
    assert "What training changed" in out
    assert "alike" in out


def test_the_folder_has_tables_json_a_page_and_a_figure_the_same_bytes_twice(capsys, tmp_path):
    contents = []
    for name in ("a", "b"):
        assert main(["inspect", "plain", "twins", "--out", str(tmp_path / name)]) == 0
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == FILES | {"report.json", "report.html"}
    layers = pd.read_csv(tmp_path / "a" / "layers.csv")
    assert layers["verdict"].tolist() == ["alike", "twins"]
    assert (layers["isotropic_p_value"] <= 1).all()
    page = contents[0]["report.html"].decode()
    assert "conv_&lt;1&gt;" in page
    assert "conv_<1>" not in page
    assert "data:image/png" in page
    assert "as alike as its shape makes them: 1, undecidable: 0." in page
    assert "http" not in page


def test_a_file_that_cannot_be_written_is_a_line(capsys, tmp_path):
    (tmp_path / "taken").touch()
    assert main(["inspect", "twins", "--out", str(tmp_path / "taken")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_planted_twins_are_found_in_every_format_with_equal_numbers(rng, tmp_path):
    kernels = with_twins(random_kernels(rng, channels=3, filters=64), rng).astype("f4")
    arrays = {"conv.weight": kernels, "conv.bias": np.zeros(64, "f4")}
    nodes = [onnx_node("Conv", ["x", *arrays], "y"), onnx_node("Gelu", ["y"], "z")]
    contents = [npz_file(arrays), safetensors_file(arrays), torch_zip(arrays), torch_legacy(arrays)]
    found = []
    for place, content in enumerate([*contents, onnx_file(nodes, arrays)]):
        (tmp_path / f"{place}").write_bytes(content)
        (layer,) = inspect_models([READ(tmp_path / f"{place}")]).layers
        assert layer.verdict == "twins"
        assert [pair.merge for pair in layer.pairs[:3]] == ["yes"] * 3
        found.append((layer.test, layer.p_value, layer.isotropic_p_value, layer.pairs, layer.share, layer.null_share))
    assert all(numbers == found[0] for numbers in found)


FIGURES = ("matplotlib", "pandas", "seaborn")


@pytest.mark.parametrize(("absent", "drawn"), [(ABSENT, True), ((*ABSENT, *FIGURES), False)])
def test_nothing_of_the_study_needs_to_be_installed(root, rng, tmp_path, absent, drawn):
    np.savez(tmp_path / "model.npz", **{"conv.weight": with_twins(random_kernels(rng, channels=3, filters=64), rng)})
    command = [sys.executable, "-c", WITHOUT.format(absent=absent), "inspect", "model.npz", "--out", "out"]
    environment = {"PYTHONPATH": str(root / "src"), "MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Nearest pairs of twins" in done.stdout
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "kernels.pdf").exists() == drawn
    assert ("pip install '.[figure]'" in done.stderr) == (not drawn)
