"""What a job depends on, as digests: its code, and plain data.

Snakemake compares file times. After a fresh clone every file is new, so code must not be a job's input. Its digest
is a parameter instead: a job is stale when the code it runs says something else, whatever the files' times.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "filtertwins"
NOT_FOLLOWED = frozenset(
    {
        f"{PACKAGE}.settings",  # what these decide reaches a job as values, in its parameters
        f"{PACKAGE}.architectures",
        f"{PACKAGE}.sources",
        f"{PACKAGE}.data.downloads",  # what it fetches is verified by checksums, which are parameters too
    }
)


def code_digest(script: Path, source: Path, modules: Iterable[str | Path] = ()) -> str:
    """Digest of a script and of every module of the package that it imports, directly or not.

    Comments, docstrings and layout don't count.

    Args:
        script: a Python file.
        source: the folder that holds the package.
        modules: further modules that the script imports while it runs: names, and files outside of the package.
    """
    seen: dict[Path, str] = {}
    queue = [script]
    for name in modules:
        queue += [name] if isinstance(name, Path) else _module_files(name, source)
    while queue:
        path = queue.pop()
        if path not in seen:
            meaning, imported = _read(path)
            seen[path] = meaning
            queue += [file for name in imported for file in _module_files(name, source)]
    whole = "\n".join(sorted(f"{path.name} {meaning}" for path, meaning in seen.items()))
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


@cache
def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """The digest of what a file says, and the package's modules it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    own = sorted({name for name in imported if name.split(".")[0] == PACKAGE} - NOT_FOLLOWED)
    return hashlib.sha256(_meaning(tree).encode()).hexdigest(), tuple(own)


def _meaning(node: Any) -> str:
    """A syntax tree as text, alike in every version of Python that reads the code alike (``ast.dump`` is not)."""
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_meaning(value)}"
            for name, value in ast.iter_fields(node)
            if isinstance(node, ast.Constant) or (value is not None and value != [])
        ]
        return f"{type(node).__name__}({', '.join(fields)})"
    return f"[{', '.join(map(_meaning, node))}]" if isinstance(node, list) else repr(node)


def _module_files(name: str, source: Path) -> list[Path]:
    """The files that importing a module runs: its packages' and its own. Empty for names that aren't modules."""
    parts = name.split(".")
    packages = [source.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    module = source.joinpath(*parts).with_suffix(".py")
    return [path for path in (*packages, module) if path.is_file()]


def as_json(values: Any) -> str:
    """Plain data as text, which Snakemake compares to see whether a job is stale. The order of keys is kept."""
    return json.dumps(values, default=list)


def digest(values: Any) -> str:
    """A short digest of plain data."""
    return hashlib.sha256(as_json(values).encode()).hexdigest()[:12]
