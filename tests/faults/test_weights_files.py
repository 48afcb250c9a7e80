"""A damaged weights file in a study: the message names it and its way out works; and nothing can unpickle anything."""

from __future__ import annotations

import ast

CHUNK = "results/digits/weights/question/filters-002_seeds-000-001.npz"
TABLE = "results/digits/runs.csv"


def test_the_way_out_in_the_message_works(study):
    undisturbed = study.contents("results", "figures")
    path = study.folder / CHUNK
    path.write_bytes(path.read_bytes()[:-1000])
    (study.folder / TABLE).unlink()
    output = study.snakemake("--cores", "2", TABLE, exit_code=1)
    assert f"error: {CHUNK}: found bytes that are not a whole npz file" in output
    assert "delete it and run again" in output
    assert "Traceback" not in output
    path.unlink()
    study.snakemake("--cores", "2", TABLE)
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
