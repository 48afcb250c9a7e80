"""Run a command on a Slurm cluster of one node, this machine, that lasts as long as the command.

    python tools/one_node_slurm.py -- snakemake --workflow-profile profiles/slurm ...

To see a submission before trying a real cluster, and for the tests. Needs Debian's packages slurmctld, slurmd,
slurm-client and munge, or another system's Slurm 22.05 or later. Nothing of the machine's own Slurm is touched: key, ports and folders are new, and only the
processes started here are stopped.
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
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")  # Debian's
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scontrol")
SYSTEM = "/usr/sbin:/usr/local/sbin:/sbin"  # where daemons lie, and not on every user's path
PATIENCE_S = 60

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
# Without control groups, memory is enforced by looking every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
ReturnToService=2
KillWait=5
# Finished jobs are forgotten after this many seconds: squeue must have seen them by then.
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs():
    """What of Slurm is not installed here."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM}"
    return [program for program in PROGRAMS if not shutil.which(program, path=path)]


def free_ports(count):
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def one_node_slurm(folder, *, cpus=2, memory_mb=16_000):
    """A running cluster of one node.

    Args:
        folder: a new or empty folder for its key, sockets, state and logs. Short: a socket's path has 107 characters at most.
        cpus, memory_mb: what the node offers, whatever the machine has.

    Yields:
        The environment in which sbatch, squeue and the like talk to it.
    """
    folder = Path(folder)
    for name in ("bin", "state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # munged insists
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    controller_port, node_port = free_ports(2)
    configuration = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            host=host,
            user=getpass.getuser(),
            cpus=cpus,
            memory_mb=memory_mb,
            controller_port=controller_port,
            node_port=node_port,
        ),
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    path = f"{environment.get('PATH', '')}:{SYSTEM}"
    # Snakemake's job step drops all variables of Slurm's, SLURM_CONF among them, before it calls srun.
    srun = folder / "bin" / "srun"
    srun.write_text(
        f"#!/bin/sh\nSLURM_CONF={shlex.quote(str(configuration))} exec {shutil.which('srun', path=path)} \"$@\"\n",
        encoding="utf-8",
    )
    srun.chmod(0o755)
    environment |= {"SLURM_CONF": str(configuration), "PATH": f"{srun.parent}:{path}"}
    processes = []

    def start(*command):
        with (folder / f"{command[0]}.out").open("w") as output:
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the command, which then still needs its cluster
                )
            )

    def wait_until(ready, what):
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            ended = [process for process in processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = [
                    f"--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-3000:]}"
                    for path in sorted(folder.glob("*.out")) + sorted(folder.glob("*.log"))
                ]
                raise RuntimeError("\n".join([f"the {what} did not start", *logs]))
            time.sleep(0.1)

    def node_is_idle():
        shown = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        return shown.stdout.strip() == "idle"

    try:
        start(
            "munged",
            "--foreground",
            "--force",  # the folder may be closed to other users, who need not reach it
            f"--key-file={key}",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
            "--num-threads=2",
        )
        wait_until((folder / "munge.socket").exists, "authentication service")
        start("slurmctld", "-D", "-f", str(configuration))
        start("slurmd", "-D", "-f", str(configuration))
        wait_until(node_is_idle, "cluster")
        yield environment
    finally:
        subprocess.run(
            ["scancel", f"--user={getpass.getuser()}", "--signal=KILL"],
            env=environment, capture_output=True, timeout=PATIENCE_S, check=False,
        )
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="cores that the node offers")
    parser.add_argument("--memory-mb", type=int, default=16_000, help="memory that the node offers")
    parser.add_argument("command", nargs="+", help="the command, after --")
    arguments = parser.parse_args()
    missing = missing_programs()
    if missing:
        sys.exit(f"error: {', '.join(missing)} not found; on Debian: apt-get install slurmctld slurmd slurm-client munge")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        with one_node_slurm(Path(folder), cpus=arguments.cpus, memory_mb=arguments.memory_mb) as environment:
            sys.exit(subprocess.run(arguments.command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
