"""A Slurm of one node, for the tests that submit to it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import pytest
from one_node_slurm import PACKAGES, missing_programs, one_node_slurm

from studies import clean_environment

# Snakemake asks how the jobs are doing after two seconds, and then every ten seconds more rarely.
PROFILE = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")


@dataclass
class Cluster:
    """A running Slurm."""

    environment: dict[str, str]  # in which its commands reach it

    def submit(self, study, *arguments, exit_code=0):
        """Run a study's Snakemake through the profile for Slurm; what it printed."""
        return study.snakemake(*PROFILE, *arguments, exit_code=exit_code, **self.environment)

    def start(self, study, *arguments):
        """The same in a process group of its own, without waiting for it; the process."""
        return subprocess.Popen(
            study.command(*PROFILE, *arguments),
            cwd=study.folder,
            env=clean_environment() | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def jobs(self, states, show="%i"):
        """The jobs in some states; of each, what is to be shown, in squeue's language."""
        command = ["squeue", "--noheader", f"--states={states}", f"--format={show}"]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Slurm of one node."""
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here; on Debian: apt-get install {' '.join(PACKAGES)}")
    with one_node_slurm(tmp_path_factory.mktemp("slurm"), cpus=os.cpu_count() or 2, memory_mb=16_000) as environment:
        yield Cluster(environment)
