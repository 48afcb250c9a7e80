"""A Slurm of one node, for the tests that submit to it."""

from __future__ import annotations

import pytest
from one_node_slurm import PACKAGES, missing_programs, one_node_slurm


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands reach a running cluster of one node with two cores."""
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here; on Debian: apt-get install {' '.join(PACKAGES)}")
    with one_node_slurm(tmp_path_factory.mktemp("slurm"), cpus=2, memory_mb=16_000) as environment:
        yield environment


@pytest.fixture
def submit(slurm):
    """A function that runs a study's Snakemake through the profile for Slurm; what it printed."""

    def run(study, *arguments, exit_code=0):
        profile = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")
        return study.snakemake(*profile, *arguments, exit_code=exit_code, **slurm)

    return run
