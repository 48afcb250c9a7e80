"""Run a command on a Slurm cluster of one node, this machine, that lasts as long as the command.

    python tools/one_node_slurm.py -- snakemake --workflow-profile profiles/slurm ...

To see a submission before trying a real cluster, and for the tests. Needs Debian's packages slurmctld, slurmd,
slurm-client and munge, or those of Slurm 22.05 or later elsewhere; not root. A Slurm that the machine may have is not
touched: key, ports and folders are new, and only the processes started here are stopped.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")  # Debian's
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"  # daemons are not on every user's path
PATIENCE_S = 120

CONFIGURATION = """\
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
# Neither control groups nor a database: what every machine can do, a container too.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
# Without control groups, memory is enforced by a look every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0
ReturnToService=2
KillWait=5
MinJobAge=3600
# Patience, where all cores are busy: otherwise messages get lost, jobs count as not started, and the node as broken.
MessageTimeout=60
TCPTimeout=30
BatchStartTimeout=300
UnkillableStepTimeout=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """What of Slurm is not installed here."""
    return [program for program in PROGRAMS if not shutil.which(program, path=PATH)]


@contextmanager
def one_node_slurm(folder: Path, *, cpus: int, memory_mb: int) -> Iterator[dict[str, str]]:
    """A running cluster of one node.

    Args:
        folder: a new or empty folder for its key, sockets, state and logs; its path has less than 90 characters, as a
            socket's cannot have more than 107.
        cpus: that the node offers, whatever the machine has.
        memory_mb: likewise.

    Yields:
        the environment in which sbatch, squeue and the like talk to it.

    Raises:
        RuntimeError: it did not start; with the logs.
    """
    configuration = _configure(folder, cpus, memory_mb)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    environment |= {"SLURM_CONF": str(configuration), "PATH": f"{folder / 'bin'}:{PATH}"}

    def output_of(*command: str) -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.stdout.strip()

    def no_job_is_left() -> bool:
        return not output_of("squeue", "--noheader", "--states=running,completing")

    with ExitStack() as daemons:

        def start(name: str, *options: str, until: Callable[[], bool]) -> None:
            command = [shutil.which(name, path=PATH) or name, *options]
            process = daemons.enter_context(_daemon(command, environment, folder / f"{name}.out"))
            if not _comes_true(until, while_=lambda: process.poll() is None):
                logs = [f"{log}:\n{log.read_text(errors='replace')[-3000:]}" for log in sorted(folder.glob("*.[ol]*"))]
                raise RuntimeError("\n".join([f"{name} did not start", *logs]))

        start(
            "munged",
            "--foreground",
            "--force",  # the folder may be closed to other users, who need not reach it
            f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
            "--num-threads=2",
            until=(folder / "munge.socket").exists,
        )
        start("slurmctld", "-D", "-f", str(configuration), until=lambda: "UP" in output_of("scontrol", "ping"))
        start("slurmd", "-D", "-f", str(configuration), until=lambda: output_of("sinfo", "-ho", "%T") == "idle")
        try:
            yield environment
        finally:
            output_of("scancel", f"--user={getpass.getuser()}")
            _comes_true(no_job_is_left)


def _configure(folder: Path, cpus: int, memory_mb: int) -> Path:
    """Write all that the cluster needs into its folder; the path of slurm.conf."""
    for name in ("bin", "state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    controller_port, node_port = _free_ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            cpus=cpus,
            memory_mb=memory_mb,
            controller_port=controller_port,
            node_port=node_port,
        ),
        encoding="utf-8",
    )
    # Snakemake's job step drops all variables of Slurm's, SLURM_CONF among them, before it calls srun.
    srun = folder / "bin" / "srun"
    command = shlex.join(["env", f"SLURM_CONF={configuration}", shutil.which("srun", path=PATH) or "srun"])
    srun.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    srun.chmod(0o755)
    return configuration


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(command: list[str], environment: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped in the end, also if this one is killed (by the kernel, where `setpriv` can ask for it).

    In a session of its own: Ctrl-C is for the command that uses it.
    """
    if setpriv := shutil.which("setpriv"):
        command = [setpriv, "--pdeathsig", "TERM", *command]
    with output.open("w") as stream:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _comes_true(condition: Callable[[], bool], while_: Callable[[], bool] = lambda: True) -> bool:
    """Wait for a condition, for two minutes at most."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (true := condition()) and while_() and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return true


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="cores that the node offers (all of these)")
    parser.add_argument("--memory-mb", type=int, default=16_000, help="memory that the node offers (16000)")
    parser.add_argument("command", nargs="+", help="the command, after --")
    arguments = parser.parse_args()
    if missing := missing_programs():
        sys.exit(f"error: {', '.join(missing)} not found; on Debian: apt-get install {' '.join(PACKAGES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        one_node_slurm(Path(folder), cpus=arguments.cpus, memory_mb=arguments.memory_mb) as environment,
    ):
        try:
            exit_code = subprocess.run(arguments.command, env=environment, check=False).returncode
        except KeyboardInterrupt:  # the command got it too, and has stopped
            exit_code = 130
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
