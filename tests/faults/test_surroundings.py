"""Where a study runs does not matter: odd paths and locales, one CPU, no shared memory, no home, others' settings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml

from studies import PRUNED, Study

COMMAND = ("--cores", "all")
DELETED = (
    "results/digits/weights/one_fewer/relu_momentum/filters-002_seeds-000-001.npz",
    "results/digits/one_fewer.csv",
)
OF_PRUNING = (
    PRUNED,
    "results/digits/pruning.csv",
)
NO_HOME = "/proc/no/home"  # nobody can make it, not even root
NO_SHARED_MEMORY = 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$@"'


@pytest.fixture
def remade(study):
    """A function: let a run train a network, make tables, draw figures; all must have the bytes of before."""
    undisturbed = study.contents("data", "results", "figures")

    def check(*arguments, deleted=DELETED, run_in=study, **environment):
        for path in deleted:
            (study.folder / path).unlink()
        run_in.snakemake(*COMMAND, *arguments, **environment)
        assert study.contents("data", "results", "figures") == undisturbed

    return check


def test_a_path_with_spaces_and_umlauts_the_c_locale_and_another_working_directory(study, remade, tmp_path):
    assert " " in study.folder.name
    assert not study.folder.name.isascii()
    elsewhere = Study(tmp_path / "elsewhere ü", tuple(str(study.folder / overlay) for overlay in study.overlays))
    elsewhere.folder.mkdir()
    where = ("--snakefile", str(study.folder / "Snakefile"), "--directory", str(study.folder))
    remade(*where, run_in=elsewhere, LANG="C", LC_ALL="C", LANGUAGE="")
    assert not list(elsewhere.folder.iterdir())


def test_a_study_is_made_in_the_folder_where_it_is_asked_for(study, tmp_path):
    elsewhere = Study(tmp_path / "elsewhere ü", tuple(str(study.folder / overlay) for overlay in study.overlays))
    elsewhere.folder.mkdir()
    where = ("--snakefile", str(study.folder / "Snakefile"), "--cores", "1", "--until", "fetch_dataset")
    elsewhere.snakemake(*where, LC_ALL="C")
    assert elsewhere.contents("data") == study.contents("data")


def test_one_cpu_and_no_home(study, remade, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(variable, raising=False)
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not bind processes to a CPU")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})  # inherited by what is started
    try:
        remade(HOME=NO_HOME, deleted=DELETED + OF_PRUNING)
    finally:
        os.sched_setaffinity(0, allowed)


def test_no_shared_memory(study, remade, with_own_mounts):
    study.under = (*with_own_mounts, "sh", "-c", NO_SHARED_MEMORY, "sh")
    assert subprocess.run([*study.under, "touch", "/dev/shm/file"], capture_output=True).returncode != 0  # noqa: S108 - nothing is made there
    remade()


def test_a_users_settings_of_keras_and_matplotlib_neither_break_a_job_nor_change_a_byte(study, remade, tmp_path):
    (tmp_path / ".keras").mkdir()
    settings = '{"backend": "torch", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1}'
    (tmp_path / ".keras" / "keras.json").write_text(settings, encoding="utf-8")
    (tmp_path / "matplotlibrc").write_text("backend: notabackend\nfont.size: 30\n", encoding="utf-8")
    variables = {"MATPLOTLIBRC": str(tmp_path), "HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    variables |= {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "TF_USE_LEGACY_KERAS": "1",
    }
    drawn = tuple(f"figures/digits/{name}.{suffix}" for name in ("one_fewer", "pruning") for suffix in ("png", "svg"))
    remade(deleted=DELETED + drawn, **variables)


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "50000 100000", "memory.max": "3221225472"},
        {"cpu/cpu.cfs_quota_us": "9", "cpu/cpu.cfs_period_us": "9", "memory/memory.limit_in_bytes": "3221225472"},
    ],
)
def test_the_processors_and_the_memory_of_a_container_count_and_not_those_of_the_machine(root, with_own_mounts, files):
    made = " && ".join(f"mkdir -p $(dirname {name}) && echo {text} > {name}" for name, text in files.items())
    shell = f'mount -t tmpfs none /sys/fs/cgroup && (cd /sys/fs/cgroup && {made}) && exec "$@"'
    program = f"import yte; print(yte.process_yaml(open({str(root / 'profiles' / 'default' / 'config.yaml')!r})))"
    command = [*with_own_mounts, "sh", "-c", shell, "sh", sys.executable, "-c", program]
    profile = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (profile["cores"], profile["resources"]) == (1, {"mem_mb": 3072})
