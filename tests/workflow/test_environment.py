"""One set of versions: pyproject.toml says what is needed, the lock pins it, environment.yml repeats the pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict

import pytest
import write_environment
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13")
NEEDED_GIB = 6
UNREACHABLE = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "Network is unreachable")
IMPORTS = "import snakemake, pandas, sklearn, seaborn, pydantic"


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(root):
    """The lock's requirements without their hashes, in order."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")  # one line each
    return [line.split(" --hash")[0].strip() for line in lock.splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def environment(root):
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pip_list(environment):
    return next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))


@pytest.fixture
def clean_environment_python(tmp_path):
    """The Python of an empty virtual environment, which is removed afterwards."""
    free_gib = shutil.disk_usage(tmp_path).free / 2**30
    if free_gib < NEEDED_GIB:
        pytest.skip(f"an installation of everything needs {NEEDED_GIB} GiB free, and {free_gib:.1f} are")
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    yield folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    shutil.rmtree(folder)


def test_the_pins_of_the_environment_install_by_pip_as_conda_does_it(clean_environment_python, pip_list, tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(pip_list) + "\n", encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def python(*arguments):
        return subprocess.run(
            [str(clean_environment_python), *arguments],
            env=variables | {"PIP_NO_COMPILE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    installed = python("-m", "pip", "install", "--quiet", "-r", str(requirements))
    if installed.returncode and any(word in installed.stdout for word in UNREACHABLE):
        pytest.skip("pip cannot reach its package index")
    assert installed.returncode == 0, installed.stdout
    checked = python("-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout
    imported = python("-c", IMPORTS)
    assert imported.returncode == 0, imported.stdout


def test_the_environment_has_of_the_lock_what_the_study_needs_and_allows_the_same_pythons(
    root, environment, pip_list, pins, project
):
    """That nothing is missing, `pip check` tells after an installation."""
    texts = [(root / name).read_text(encoding="utf-8") for name in ("environment.yml", "requirements.lock")]
    needed = write_environment.of_the_study((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert texts[0] == write_environment.environment(texts[1], needed), "run `make lock`"
    assert set(pip_list) < set(pins)
    names = {canonicalize_name(Requirement(pin).name) for pin in pip_list}
    assert {canonicalize_name(Requirement(text).name) for text in needed} <= names
    assert not {"hypothesis", "mypy", "pip-audit", "pre-commit", "pytest", "ruff", "snakefmt", "pandas-stubs"} & names
    python = next(item for item in environment["dependencies"] if str(item).startswith("python"))
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(project["project"]["requires-python"])


def test_every_pin_is_exact_and_has_hashes(root, pins):
    lock = (root / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for pin in pins:
        assert [specifier.operator for specifier in Requirement(pin).specifier] == ["=="]
    assert len(pins) > 100
    for line in lock.splitlines():
        assert line.startswith("#") or re.search(r" --hash=sha256:[0-9a-f]{64}\b", line), line


@pytest.mark.parametrize("version", PYTHONS)
def test_every_dependency_is_satisfied_by_exactly_one_pin(root, project, pins, version):
    machine = {
        "python_version": version,
        "python_full_version": f"{version}.1",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }
    pinned = defaultdict(list)
    for pin in map(Requirement, pins):
        if pin.marker is None or pin.marker.evaluate(machine):
            pinned[canonicalize_name(pin.name)].append(next(iter(pin.specifier)).version)
    assert not {name: versions for name, versions in pinned.items() if len(versions) > 1}
    study = write_environment.of_the_study((root / "pyproject.toml").read_text(encoding="utf-8"))
    for text in [*study, *project["dependency-groups"]["dev"]]:
        needed = Requirement(text)
        versions = pinned[canonicalize_name(needed.name)]
        assert versions, f"{needed.name} is not in requirements.lock; run `make lock`"
        assert needed.specifier.contains(versions[0]), f"{text} is pinned to {versions[0]}; run `make lock`"


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml", "pyproject.toml", "Makefile"])
def test_no_file_about_the_installation_names_an_address(root, name):
    assert "://" not in (root / name).read_text(encoding="utf-8")
