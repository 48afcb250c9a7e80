"""Weights that are not what was written: refused by name, and nothing is ever unpickled."""

from __future__ import annotations

import ast
import json
import pickle
import shutil

import numpy as np
import pytest

from filtertwins.files import read_npz, write_npz
from filtertwins.networks.weights import load_chunk
from studies import PRUNED, options_of_pruning

FOLDER = "results/digits/weights/question"
CHUNK = f"{FOLDER}/filters-002_seeds-000-001.npz"
TABLE = "results/digits/runs.csv"
COMMAND = ("--cores", "2", TABLE)


class Exploding:
    """What would leave a trace if it were unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def truncate(path, _trace):
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path, _trace):
    path.write_bytes(b"")


def flip_a_bit(path, _trace):
    content = bytearray(path.read_bytes())
    content[content.index(read_npz(path)["kernels"].tobytes())] ^= 1
    path.write_bytes(content)


def hold_objects(path, trace):
    np.savez(path, **(read_npz(path) | {"seeds": np.array([Exploding(trace), 1], dtype=object)}), allow_pickle=True)


def be_a_pickle(path, trace):
    path.write_bytes(pickle.dumps(Exploding(trace)))


def have_another_shape(path, _trace):
    arrays = read_npz(path)
    write_npz(path, arrays | {"biases": arrays["biases"][:, :1]})


def be_wider_throughout(path, _trace):
    """All arrays fit each other, but not what the file says was trained."""
    arrays, wide = read_npz(path), read_npz(path.with_name("filters-003_seeds-000-001.npz"))
    write_npz(path, wide | {"condition": arrays["condition"]})


def be_another_condition(path, _trace):
    shutil.copy(path.with_name("filters-003_seeds-000-001.npz"), path)


def be_compressed(path, _trace):
    np.savez_compressed(path, **read_npz(path))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "not a whole npz file"),
        (empty, "not a whole npz file"),
        (flip_a_bit, "array 'kernels': found bytes that are not a whole array (Bad CRC-32"),
        (hold_objects, "array 'seeds': found bytes that are not a whole array (object arrays are pickled"),
        (be_a_pickle, "not a whole npz file"),
        (have_another_shape, "array 'biases': found shape (2, 1), expected (seed=2, filter=2)"),
        (be_wider_throughout, "array 'kernels': found shape (2, 3, 1, 3), expected (2, 3, 1, 2)"),
        (be_another_condition, "networks of another condition: filters = 3, expected 2"),
        (be_compressed, "not a whole npz file (compressed, or members longer than the file)"),
    ],
)
def test_damaged_weights_are_refused_by_name_and_nothing_is_unpickled(finished_study, tmp_path, damage, words):
    study, _ = finished_study
    weights = tmp_path / "weights"
    shutil.copytree(study.folder / FOLDER, weights / "question")
    path, trace = weights / "question" / "filters-002_seeds-000-001.npz", tmp_path / "unpickled"
    damage(path, trace)
    wanted = '{"architectures": {"question": [1, 2, 3]}, "chunks": [[0, 2]]}'
    done = study.script("collect_runs", "--weights", weights, "--study", wanted, "--output", tmp_path / "runs.csv")
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"error: {path}: ")
    assert words in message
    assert "run again" in message
    assert not trace.exists()
    assert not (tmp_path / "runs.csv").exists()


@pytest.mark.parametrize(
    ("script", "damage"),
    [
        ("measure_importance", flip_a_bit),
        ("measure_importance", be_another_condition),
        ("prune_filters", hold_objects),
        ("prune_filters", be_another_condition),
        ("delete_weights", be_another_condition),
    ],
)
def test_pruning_refuses_damaged_weights_by_name(finished_study, tmp_path, script, damage):
    study, _ = finished_study
    for name in ("filters-002_seeds-000-001.npz", "filters-003_seeds-000-001.npz"):
        shutil.copy(study.folder / FOLDER / name, tmp_path)
    path, trace, output = tmp_path / "filters-002_seeds-000-001.npz", tmp_path / "unpickled", tmp_path / "output"
    options = options_of_pruning(script, path, json.dumps(load_chunk(path).condition))
    damage(path, trace)
    done = study.script(script, "--dataset", study.dataset, *options, "--output", output)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {path}: ")
    assert "Traceback" not in done.stderr
    assert not trace.exists()
    assert not output.exists()


def test_tables_of_pruning_that_are_cut_off_are_refused_by_name(finished_study, tmp_path):
    study, _ = finished_study
    tables = [tmp_path / name for name in ("importance_seeds-000-001.csv", "kept-002_seeds-000-001.csv")]
    importance, kept = tables
    for table in tables:
        table.write_bytes((study.folder / PRUNED / table.name).read_bytes()[:-30])
    condition = json.dumps(load_chunk(study.folder / CHUNK).condition)
    options = options_of_pruning("prune_filters", CHUNK, condition, importance=importance)
    pruning = study.script("prune_filters", "--dataset", study.dataset, *options, "--output", tmp_path / "output")
    whole = study.folder / PRUNED / kept.name
    collecting = study.script("collect_rows", "--parts", whole, kept, "--output", tmp_path / "output")
    for done, table in ((pruning, importance), (collecting, kept)):
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"error: {table}: the last line has no end, so the file is cut off; delete it and run again"
        )
    assert sorted(tmp_path.iterdir()) == tables


def test_the_way_out_in_the_message_works(study):
    undisturbed = study.contents("results", "figures")
    truncate(study.folder / CHUNK, None)
    (study.folder / TABLE).unlink()
    output = study.snakemake(*COMMAND, exit_code=1)
    assert f"error: {CHUNK}: found bytes that are not a whole npz file" in output
    assert "delete it and run again" in output
    assert "Traceback" not in output
    (study.folder / CHUNK).unlink()
    study.snakemake(*COMMAND)
    assert study.contents("results", "figures") == undisturbed


def test_nothing_in_the_library_or_the_scripts_can_unpickle(root):
    unpicklers = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for path in [*(root / "src").rglob("*.py"), *(root / "scripts").glob("*.py"), *(root / "workflow").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not {str(name).split(".")[0] for name in names} & unpicklers, path
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"load_model", "read_pickle"}, path
                assert ast.unparse(node) not in {"np.load", "numpy.load", "torch.load"}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path


def test_a_pickle_would_leave_its_trace(tmp_path):
    pickle.loads(pickle.dumps(Exploding(tmp_path / "unpickled"))).close()  # noqa: S301 - its own
    assert (tmp_path / "unpickled").exists()
