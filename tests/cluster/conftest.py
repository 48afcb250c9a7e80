"""A Slurm of one node, for the tests that submit to it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

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


# Tells in what environment a command of the cluster runs, and runs to the end of its input: until the tests end.
WAIT = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"


@pytest.fixture(scope="session")
def cluster(root):
    """A Slurm of one node."""
    command = [root / "tools" / "one_node_slurm.sh", sys.executable, "-c", WAIT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        environment = process.stdout.readline()
        if not environment and process.wait() == 127:
            pytest.skip("Slurm is not installed here; on Debian: apt-get install slurmctld slurmd slurm-client munge")
        yield Cluster(json.loads(environment))
