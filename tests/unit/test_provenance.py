"""A job's code digest: it follows what the code says, in every module the job runs, and nothing else."""

from __future__ import annotations

from itertools import count

import pytest

from filtertwins.provenance import NOT_FOLLOWED, PACKAGE, code_digest

TREE = {
    "scripts/run.py": "'''A script.'''\nfrom filtertwins.first import value\nfrom filtertwins import settings\n",
    "src/filtertwins/__init__.py": "",
    "src/filtertwins/first.py": "'''First.'''\nfrom filtertwins.second import number\n\nvalue = number + 1\n",
    "src/filtertwins/second.py": "import filtertwins.room.third\nimport filtertwins.data.downloads\n\nnumber = 1\n",
    "src/filtertwins/apart.py": "import filtertwins.first\n\nnumber = 5\n",
    "src/filtertwins/settings.py": "limit = 1\n",
    "src/filtertwins/data/__init__.py": "",
    "src/filtertwins/data/downloads.py": "limit = 1\n",
    "src/filtertwins/room/__init__.py": "'''A package.'''\n",
    "src/filtertwins/room/third.py": "def f():\n    '''F.'''\n    from filtertwins import late\n    return late\n",
    "src/filtertwins/late.py": "import filtertwins.first\n",
    "src/filtertwins/room/unused.py": "number = 7\n",
}


@pytest.fixture
def digest(tmp_path):
    """A function: the digest of the small tree with some files changed, in a new copy each time."""
    numbers = count()

    def with_changes(changes=(), modules=()):
        folder = tmp_path / str(next(numbers))
        for name, text in (TREE | dict(changes)).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return code_digest(folder / "scripts" / "run.py", folder / "src", modules)

    return with_changes


def test_comments_docstrings_layout_and_place_do_not_count(digest):
    reworded = (
        "'''Reworded,\n\nat length.'''\nfrom filtertwins.second import number\n\n\nvalue = (\n    number\n    + 1\n)\n"
    )
    assert len(digest()) == 16
    assert digest({"src/filtertwins/first.py": reworded}) == digest()
    assert (
        digest({"src/filtertwins/room/third.py": TREE["src/filtertwins/room/third.py"].replace("F.", "G.")}) == digest()
    )


@pytest.mark.parametrize(
    "name", [name for name in TREE if not any(part in name for part in ("apart", "unused", "settings", "data"))]
)
def test_every_module_that_the_script_runs_counts(digest, name):
    assert digest({name: TREE[name] + "x = 'a string that is no docstring'\n"}) != digest()


@pytest.mark.parametrize("name", ["apart.py", "room/unused.py", "settings.py", "data/downloads.py"])
def test_modules_that_it_does_not_run_or_whose_effect_reaches_jobs_otherwise_do_not_count(digest, root, name):
    assert digest({f"src/filtertwins/{name}": "number = 99\n"}) == digest()
    for module in NOT_FOLLOWED:
        assert (root / "src" / module.replace(".", "/")).with_suffix(".py").is_file()


def test_modules_that_a_script_imports_by_name_count_where_they_are_given(digest):
    changed = {"src/filtertwins/apart.py": "number = 6\n"}
    assert digest(changed, [f"{PACKAGE}.apart"]) != digest((), [f"{PACKAGE}.apart"]) != digest()


def test_every_python_reads_the_same_digest(tmp_path):
    """Golden: results must not go stale with another version of Python."""
    script = tmp_path / "script.py"
    script.write_text(
        "class A:\n    x: int = 1\n\n    async def f(self, a, *b, c=None, **d):\n"
        '        return f"{a!r}" if b else [e for e in d if e]\n'
    )
    assert code_digest(script, tmp_path) == "a18fe7823c3ad914"
