"""The library's rooms: each imports only those before it, and only training imports TensorFlow."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys

import pytest

PACKAGE = "filtertwins"
# A room may import those before it.
ORDER = [
    *("names", "errors", "files", "arrays", "provenance", "guards", "mistakes", "extensions"),
    *("keras_names", "keras_layers", "layers", "sources", "architectures"),
    *("pruning_settings", "settings", "fixed", "labels"),
    *("needs", "bundles", "pruning_plan", "plan"),
    *("data", "measures", "networks", "inspect", "training", "experiments", "pruning"),
    *("tables", "claims", "figures", "page", "__main__"),
]
# Whatever the order: nothing that is measured knows of training, and figures nothing of claims.
NEVER = {name: {"training"} for name in ORDER[ORDER.index("training") + 1 :]}
NEVER["training"] = {"measures"}
NEVER["figures"] = {"training", "claims", "data", "networks", "experiments", "pruning"}
NEVER["inspect"] = {  # They need more to be installed.
    *("mistakes", "pruning_settings", "settings", "needs", "bundles", "pruning_plan", "plan", "data"),
}
NEVER["claims"] = {"training", "data", "networks", "experiments"}
TENSORFLOW = ("tensorflow", "keras")
IMPORT_ALL = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def library(root):
    return root / "src" / PACKAGE


def loaded_by(root, names):
    """The modules that importing some others loads, in a new interpreter."""
    head = f"import sys; sys.path[:0] = {[str(root / 'src'), str(root / 'scripts')]!r}"
    command = [sys.executable, "-c", f"{head}\n{IMPORT_ALL}", json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def modules(folder, prefix):
    """The names of all modules but training's, without importing any."""
    for module in pkgutil.iter_modules([str(folder)], prefix):
        if module.name != f"{PACKAGE}.training":
            yield module.name
            if module.ispkg:
                yield from modules(folder / module.name.removeprefix(prefix), f"{module.name}.")


def imports(path):
    """The full names of what a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: digests of code follow absolute imports only"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_importing_all_but_training_and_all_scripts_imports_no_tensorflow(root, library):
    names = [*modules(library, f"{PACKAGE}."), *sorted(path.stem for path in (root / "scripts").glob("*.py"))]
    assert {f"{PACKAGE}.tables", f"{PACKAGE}.figures.style", "train_networks"} <= set(names)
    loaded = loaded_by(root, names)
    assert set(names) <= loaded
    assert not {f"{PACKAGE}.training", *TENSORFLOW} & loaded


def test_naming_the_criteria_is_cheap(root):
    loaded = loaded_by(root, [f"{PACKAGE}.pruning.criteria"])
    assert not {"sklearn", "scipy.stats", "matplotlib"} & loaded


def test_the_command_loads_little_for_its_help(root):
    assert not {"numpy", "pandas", "matplotlib"} & loaded_by(root, [f"{PACKAGE}.__main__"])


def test_every_module_has_its_place(library):
    found = {module.name for module in pkgutil.iter_modules([str(library)])}
    assert found == set(ORDER), "give a new module its place in ORDER"


@pytest.mark.parametrize("name", ORDER)
def test_a_room_imports_only_those_before_it(library, name):
    allowed = {*ORDER[: ORDER.index(name) + 1]} - NEVER.get(name, set())
    files = [library / f"{name}.py"] if (library / f"{name}.py").exists() else sorted((library / name).rglob("*.py"))
    assert files
    for path in files:
        own = [each.split(".") for each in imports(path) if each.startswith(f"{PACKAGE}.")]
        rooms = {parts[1] for parts in own} & set(ORDER)
        assert rooms <= allowed, f"{path.relative_to(library)} imports {', '.join(sorted(rooms - allowed))}"
        if name != "training":
            assert not {each.split(".")[0] for each in imports(path)} & set(TENSORFLOW), path.relative_to(library)
