"""Files beside a config, each an ordinary Python module, that add criteria, measures, tests of claims and figures.

What there is of a kind is in a :class:`Registry`. The same decorators fill it for the package and for such a file. With
what a file has added goes the name by which the config calls it, so that only the jobs that use a file depend on it.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from filtertwins.errors import Job, StudyError
from filtertwins.mistakes import NULLS

T = TypeVar("T")

_REGISTRIES: dict[str, Registry[Any]] = {}
_LOADED: dict[str, Path] = {}
_loading: list[str] = []  # the file that is being loaded, as the config calls it


class Registry(dict[str, T]):
    """What there is of one kind, by name.

    Args:
        kind: in words, such as "criterion".
        taken: names that mean something else already.
    """

    def __init__(self, kind: str, taken: Collection[str] = ()) -> None:
        super().__init__()
        self.kind, self.taken = kind, taken
        self.added: dict[str, str] = {}  # what files beside a config have added, by name, and which file did
        _REGISTRIES[kind] = self

    def enter(self, function: Callable[..., Any], item: T) -> None:
        """Enter an item under the name of a function.

        Raises:
            StudyError: that is no name, or it is taken.
        """
        name = getattr(function, "__name__", "")
        if not (name.isidentifier() and name.isascii() and name[0].isalpha()):
            raise StudyError(f"a {self.kind} is a function with a name; {name or function!r} is none")
        if name in self or name in self.taken:
            raise StudyError(f"the {self.kind} {name}: the name is taken; give yours another one")
        self[name] = item
        if _loading:
            self.added[name] = _loading[-1]


def added(kind: str) -> dict[str, str]:
    """What files beside the config have added of a kind, by name, and which file did."""
    return _REGISTRIES[kind].added if kind in _REGISTRIES else {}


def entries(kind: str) -> dict[str, Any]:
    """The same, with what was entered."""
    return {name: _REGISTRIES[kind][name] for name in added(kind)}


def files(*kinds: str, among: Collection[str] | None = None) -> list[str]:
    """The files that have added something of some kinds, or of these names only."""
    found = [added(kind).items() for kind in kinds]
    return sorted({file for own in found for name, file in own if among is None or name in among})


def own_figures(tables: Collection[str]) -> dict[str, dict[str, tuple[list[str], list[str]]]]:
    """The figures that files have added, each under a heading of its own, with the tables it needs and can do without.

    Raises:
        StudyError: one needs a table that is not among those of the study.
    """
    for own in entries("figure").values():
        own.require(tables)
    return {
        f"8 Own {name.replace('_', ' ')}": {name: (list(own.tables), list(own.optional))}
        for name, own in entries("figure").items()
    }


def tables_of(module: Path) -> tuple[list[str], list[str]]:
    """The tables that a figure's function ``draw`` needs, and those that it can do without; its module is not run."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    (draw,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "draw")
    names = [own.arg for own in draw.args.args]
    needed = len(names) - len(draw.args.defaults)
    return names[:needed], names[needed:]


def require_parameters(kind: str, function: Callable[..., Any], positional: Collection[str] | int) -> list[str]:
    """Check that a function takes what it will be given: so many arguments, or some of the names that there are.

    Returns:
        The names of its positional parameters.

    Raises:
        StudyError: it takes something else.
    """
    parameters = inspect.signature(function).parameters.values()
    found = [own.name for own in parameters if own.kind is own.POSITIONAL_OR_KEYWORD]
    allowed = positional if isinstance(positional, int) else f"some of {', '.join(positional)}"
    fits = len(found) == positional if isinstance(positional, int) else found and set(found) <= set(positional)
    if not fits or len(found) < len(parameters):
        shown = ", ".join(map(str, parameters))
        raise StudyError(f"the {kind} {function.__name__}({shown}): its parameters must be {allowed}")
    return found


def files_beside(key: str, value: object, configs: Sequence[Path], root: Path) -> dict[str, Path]:
    """The files that a key of the config names, by the names that it has for them.

    Names are from the folder of the config file that says so. What is not there is looked for in the repository, and
    then in the working folder, where the command line's names are from.

    Args:
        key: of the config.
        value: what it says: a name, or a list of them. Anything else is for the settings to refuse.
        configs: the config files, the first one last.
        root: the repository.

    Raises:
        StudyError: there is no such file.
    """
    names = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    named = [name for name in names if isinstance(name, str) and name not in NULLS]
    found = {}
    if named:
        folders = [path.resolve().parent for path in configs if read_config(path).get(key) == value][:1]
        for name in named:
            places = [folder / name for folder in (*folders, root, Path.cwd())]
            if not (there := [place for place in places if place.is_file()]):
                raise StudyError(
                    f"{key}: {name!r} is no file in {places[0].parent}; give its path from the folder of the config"
                    " file that names it, or an absolute one"
                )
            found[name] = there[0]
    return found


def read_config(path: Path) -> Mapping[str, Any]:
    """What a config file says, read by the fast loader where there is one; nothing if it is no section."""
    plain = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - it is safe
    return plain if isinstance(plain, Mapping) else {}


def load(name: str, path: Path) -> None:
    """Run a file, which enters what it adds; a file that was run before is not run again.

    Args:
        name: what the config calls it.
        path: where it is.

    Raises:
        StudyError: it can't be run, or adds what can't be added; the message is one line.
    """
    if path in _LOADED.values():
        return
    where = f"{name} in {path.parent}"
    specification = importlib.util.spec_from_file_location(f"extension_{len(_LOADED)}_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise StudyError(f"{where}: the name of a Python file ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # Dataclasses look their module up.
    _loading.append(name)
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise StudyError(_in_a_line(where, path, error)) from None
    finally:
        _loading.pop()
    _LOADED[name] = path


def _in_a_line(where: str, path: Path, error: BaseException) -> str:
    """What went wrong in a file, and in which of its lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines, error = [error.lineno], SyntaxError(error.msg)
    line = f", line {lines[-1]}" if lines and lines[-1] else ""
    kind = "" if isinstance(error, StudyError) else f"{type(error).__name__}: "
    return " ".join(f"{where}{line}: {kind}{error}".split())


def load_all(config: Mapping[str, Any], configs: Sequence[Path], root: Path) -> dict[str, dict[str, str]]:
    """Run a config's extensions. Where they and its claims are, by key and by the names that the config has for them.

    Arguments as for :func:`files_beside`.

    Raises:
        StudyError: a file is not there, or can't be run.
    """
    found = {key: files_beside(key, config.get(key), configs, root) for key in ("claims", "extensions")}
    for name, path in found["extensions"].items():
        load(name, path)
    return {key: {name: str(path) for name, path in own.items()} for key, own in found.items()}


def load_for(job: Job) -> None:
    """Run the files that a job uses."""
    for name in getattr(job.params, "extensions", ()):
        load(name, Path(job.config["extensions"][name]))


def named(modules: Collection[str]) -> dict[str, list[str]]:
    """The parameter by which a job asks :func:`load_for` for those modules that are such files, if any are."""
    own = sorted(_LOADED.keys() & set(modules))
    return {"extensions": own} if own else {}


def located(modules: Collection[str]) -> list[str | Path]:
    """The modules with the places of those that are such files."""
    return [_LOADED.get(name, name) for name in modules]
