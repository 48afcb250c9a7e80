"""A job's code digest: it follows what the code says, in every module the job runs, and nothing else."""

from __future__ import annotations

import shutil

import pytest

from filtertwins.provenance import NOT_FOLLOWED, PACKAGE, code_digest

SCRIPT = """\
'''A script.'''
from filtertwins.first import value

print(value)
"""
MODULES = {
    "__init__.py": "",
    "first.py": "'''First.'''\nfrom filtertwins.second import number\n\nvalue = number + 1  # one more\n",
    "second.py": "import filtertwins.room.third\n\nnumber = 1\n",
    "apart.py": "number = 5\n",
    "settings.py": "limit = 1\n",
    "downloads.py": "limit = 1\n",
    "room/__init__.py": "'''A package.'''\n",
    "room/third.py": "def f():\n    '''F.'''\n    from filtertwins import late\n    return late\n",
    "late.py": "import json\n",
    "room/unused.py": "number = 7\n",
}


class Tree:
    """A small package and a script; each change is made in a new copy, as a job would find it in a new process."""

    def __init__(self, folder, changes):
        self.source = folder / "src"
        self.script = folder / "scripts" / "run.py"
        for name, text in (MODULES | changes).items():
            path = self.script if name == "script" else self.source / PACKAGE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    @property
    def digest(self):
        return code_digest(self.script, self.source)


@pytest.fixture
def digest_with(tmp_path):
    """A function: the digest of the small tree with some files changed."""
    count = iter(range(1000))
    return lambda **changes: (
        Tree(
            tmp_path / str(next(count)),
            {"script": SCRIPT}
            | {name.replace("__", "/").replace("_py", ".py"): text for name, text in changes.items()},
        ).digest
    )


@pytest.fixture
def real(root, tmp_path):
    """A function: the digest of a script of the real tree, in a copy with a line appended to some files."""
    count = iter(range(1000))

    def digest(script, *changed, line="CHANGED = True"):
        folder = tmp_path / str(next(count))
        for name in ("src", "scripts"):
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in changed:
            with (folder / "src" / PACKAGE / name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{line}\n")
        return code_digest(folder / "scripts" / f"{script}.py", folder / "src")

    return digest


def modules_under(root, name):
    """The files of a module or package, relative to the library's folder."""
    library = root / "src" / PACKAGE
    files = [library / f"{name}.py", *(library / name).rglob("*.py")]
    return [path.relative_to(library).as_posix() for path in files if path.is_file()]


def test_the_same_code_has_the_same_digest_wherever_it_lies(digest_with):
    assert digest_with() == digest_with()
    assert len(digest_with()) == 16


@pytest.mark.parametrize(
    "first",
    [
        "'''First.'''\nfrom filtertwins.second import number\n\nvalue = number + 1\n",
        "'''Reworded,\n\nat length.'''\nfrom filtertwins.second import number\n\nvalue = number + 1\n",
        "from filtertwins.second import number\n\nvalue = number + 1\n",
        "from filtertwins.second import number\n\n\n\nvalue = (\n    number\n    + 1\n)\n# end\n",
    ],
)
def test_comments_docstrings_and_layout_do_not_count(digest_with, first):
    assert digest_with(first_py=first) == digest_with()


def test_docstrings_of_functions_and_classes_do_not_count(digest_with):
    def digest(docstring):
        return digest_with(
            second_py=f"class A:\n    {docstring}\n    def f(self):\n        {docstring}\n        pass\n"
        )

    assert digest("'''Yes.'''") == digest("'''No.'''")


def test_a_string_that_is_no_docstring_counts(digest_with):
    assert digest_with(first_py="value = 'a'\n") != digest_with(first_py="value = 'b'\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script", SCRIPT + "print(2)\n"),
        ("first_py", MODULES["first.py"].replace("+ 1", "+ 2")),
        ("second_py", MODULES["second.py"].replace("= 1", "= 2")),
        ("room__third_py", MODULES["room/third.py"] + "x = 1\n"),
        ("late_py", "import json\nx = 1\n"),
    ],
)
def test_every_module_that_the_script_runs_counts(digest_with, name, text):
    assert digest_with(**{name: text}) != digest_with()


def test_the_packages_of_an_imported_module_count(tmp_path):
    before = Tree(tmp_path / "a", {"script": SCRIPT}).digest
    assert Tree(tmp_path / "b", {"script": SCRIPT, "__init__.py": "x = 1\n"}).digest != before
    assert Tree(tmp_path / "c", {"script": SCRIPT, "room/__init__.py": "x = 1\n"}).digest != before


@pytest.mark.parametrize("name", ["apart_py", "room__unused_py"])
def test_modules_that_the_script_does_not_import_do_not_count(digest_with, name):
    assert digest_with(**{name: "number = 99\n"}) == digest_with()


@pytest.mark.parametrize("name", ["settings", "downloads"])
def test_settings_and_downloads_do_not_count(digest_with, name):
    importing = SCRIPT.replace("value\n", f"value\nfrom filtertwins import {name}\n", 1)
    before = digest_with(script=importing)
    assert digest_with(script=importing, **{f"{name}_py": "limit = 2\n"}) == before
    assert before != digest_with()  # but the script itself does


def test_modules_that_import_each_other_are_read_once(digest_with):
    circle = {"second_py": "import filtertwins.first\n\nnumber = 1\n"}
    assert digest_with(**circle) != digest_with()


def test_only_modules_whose_effect_reaches_jobs_otherwise_are_not_followed(root):
    assert {f"{PACKAGE}.settings", f"{PACKAGE}.downloads"} == NOT_FOLLOWED
    for name in NOT_FOLLOWED:
        assert (root / "src" / name.replace(".", "/")).with_suffix(".py").is_file()


def test_no_figure_depends_on_training(real, root):
    training = modules_under(root, "training")
    assert len(training) >= 4
    scripts = sorted(path.stem for path in (root / "scripts").glob("plot_*.py"))
    assert len(scripts) >= 4
    for script in scripts:
        assert real(script, *training) == real(script), script


def test_no_table_depends_on_training_or_figures(real, root):
    others = modules_under(root, "training") + modules_under(root, "figures")
    for script in ("collect_runs", "collect_kernels", "measure_redundancy", "summarise_study"):
        assert real(script, *others) == real(script), script


def test_training_depends_on_nothing_that_comes_after_it(real, root):
    after = [
        name
        for room in ("figures", "redundancy", "nulls", "clusters", "statistics", "tables", "summary", "plan")
        for name in modules_under(root, room)
    ]
    assert len(after) > 10
    assert real("train_chunk", *after) == real("train_chunk")


def test_training_depends_on_each_of_its_modules(real, root):
    before = real("train_chunk")
    for name in (*modules_under(root, "training"), "weights.py", "files.py", "datasets.py"):
        assert real("train_chunk", name) != before, name
        assert real("train_chunk", name, line="# a comment") == before, name


def test_each_figure_depends_on_its_own_module_and_on_no_other_figure(real, root):
    scripts = {path.stem for path in (root / "scripts").glob("plot_*.py")}
    changed = {script: real(script) for script in scripts}
    for script in scripts:
        module = f"figures/{script.removeprefix('plot_')}.py"
        assert {name for name in scripts if real(name, module) != changed[name]} == {script}


def test_every_python_reads_the_same_digest(tmp_path):
    """Golden: results must not go stale with another version of Python."""
    script = tmp_path / "script.py"
    script.write_text(
        "class A:\n    x: int = 1\n\n    async def f(self, a, *b, c=None, **d):\n"
        '        return f"{a!r}" if b else [e for e in d if e]\n'
    )
    assert code_digest(script, tmp_path) == "a18fe7823c3ad914"
