"""The library's rooms: each imports only those above it, and only training imports TensorFlow."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys

import pytest

PACKAGE = "filtertwins"
# From the top: a room may import those of earlier lines.
LAYERS = [
    {"errors"},
    {"guards", "files", "settings", "provenance"},
    {"weights", "idx", "records"},
    {"plan", "downloads", "datasets"},
    {"redundancy"},
    {"forward"},
    {"nulls", "clusters", "statistics", "feature_maps", "merging"},
    {"tables", "summary", "excess"},
    {"experiments", "pruning"},
    {"claims"},
    {"answer", "figures"},
    {"training"},
]
ROOMS = set().union(*LAYERS)
# And whatever the order: figures, claims and tests against chance read tables, not weights; figures and claims know
# nothing of each other; and training knows nothing of what is measured later.
WEIGHTS = {"weights", "datasets", "training", "tables", "forward", "pruning"}
NEVER = {
    "figures": WEIGHTS | {"experiments", "claims"},
    "claims": WEIGHTS | {"experiments"},
    "answer": WEIGHTS | {"experiments"},
    "excess": WEIGHTS,
    "training": {"redundancy", "nulls", "clusters", "statistics", "tables", "summary", "figures", "plan"}
    | {"forward", "merging", "excess", "experiments", "pruning", "claims", "answer"},
}
TENSORFLOW = ("tensorflow", "keras")
WITH_TENSORFLOW = ("train_chunk", "prune_filters", "delete_weights", "measure_cost")  # scripts
IMPORT_ALL = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""
HELP_OF_ALL = """
import contextlib, io, json, runpy, sys
for script in json.loads(sys.argv[1]):
    sys.argv = [script, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            assert not end.code, script
    assert "usage:" in shown.getvalue(), script
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def library(root):
    return root / "src" / PACKAGE


def run_fresh(root, program, argument):
    """What a program prints, in a new interpreter."""
    path = [str(root / "src"), str(root / "scripts")]
    head = f"import sys; sys.path[:0] = {path!r}"
    done = subprocess.run(
        [sys.executable, "-c", f"{head}\n{program}", json.dumps(argument)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def modules(folder, prefix):
    """The names of all modules but training's, without importing any."""
    for module in pkgutil.iter_modules([str(folder)], prefix):
        if module.name != f"{PACKAGE}.training":
            yield module.name
            if module.ispkg:
                yield from modules(folder / module.name.removeprefix(prefix), f"{module.name}.")


def room(name):
    return name.split(".")[1]


def imported_rooms(path):
    """The rooms that a file imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {room(name) for name in names if name.startswith(f"{PACKAGE}.")} & ROOMS
    return rooms


def files_of(library, name):
    return [library / f"{name}.py"] if (library / f"{name}.py").exists() else sorted((library / name).rglob("*.py"))


def test_importing_all_but_training_imports_no_tensorflow(root, library):
    names = list(modules(library, f"{PACKAGE}."))
    assert {f"{PACKAGE}.tables", f"{PACKAGE}.figures.style", f"{PACKAGE}.settings"} <= set(names)
    loaded = run_fresh(root, IMPORT_ALL, names)
    assert set(names) <= loaded
    assert not set(TENSORFLOW) & loaded


def test_training_is_imported_without_what_keras_plots_and_wraps_with(root):
    imported = run_fresh(root, IMPORT_ALL, [f"{PACKAGE}.training"])
    assert "keras" in imported
    assert not {"sklearn", "matplotlib"} & imported
    # And after it, or before, they are there as ever.
    for order in ([f"{PACKAGE}.training", "sklearn", "matplotlib"], ["sklearn", "matplotlib", f"{PACKAGE}.training"]):
        assert {"sklearn", "matplotlib"} <= run_fresh(root, IMPORT_ALL, order)


def test_only_scripts_that_train_or_time_networks_import_tensorflow(root):
    scripts = sorted(str(path) for path in (root / "scripts").glob("*.py") if path.stem not in WITH_TENSORFLOW)
    assert len(scripts) >= 9
    loaded = run_fresh(root, HELP_OF_ALL, scripts)
    assert f"{PACKAGE}.tables" in loaded
    assert f"{PACKAGE}.figures.output" in loaded
    assert not {f"{PACKAGE}.training", *TENSORFLOW} & loaded


def test_every_module_has_its_place(library):
    found = {module.name for module in pkgutil.iter_modules([str(library)])}
    assert found == ROOMS, "give a new module its place in LAYERS"


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_imports_only_those_above_it(library, name):
    above = set().union(*LAYERS[: next(i for i, layer in enumerate(LAYERS) if name in layer)])
    for path in files_of(library, name):
        below = imported_rooms(path) - above - ({name} if path.parent != library else set())
        assert not below, f"{path.relative_to(library)} imports {', '.join(sorted(below))}"
        assert not imported_rooms(path) & NEVER.get(name, set()), path.relative_to(library)


def test_tensorflow_is_named_in_training_only(library):
    for path in library.rglob("*.py"):
        if path.is_relative_to(library / "training"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & set(TENSORFLOW), path.relative_to(library)


def test_imports_are_absolute_so_that_code_digests_follow_them(root):
    for path in [*(root / "src").rglob("*.py"), *(root / "scripts").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path.relative_to(root)


def test_every_script_belongs_to_a_rule_of_its_name(root):
    rules = "\n".join(path.read_text(encoding="utf-8") for path in (root / "workflow" / "rules").rglob("*.smk"))
    for path in (root / "scripts").glob("*.py"):
        figure = path.stem.removeprefix("plot_")
        assert f"rule {path.stem}:" in rules or f'"{figure}"' in rules, path.stem
