#!/usr/bin/env bash
# Run a command on a Slurm cluster of one node, this machine, that lasts as long as the command.
#
#     tools/one_node_slurm.sh snakemake --workflow-profile profiles/slurm ...
#
# To see a submission before trying a real cluster, and for the tests. Needs Debian's packages slurmctld, slurmd,
# slurm-client and munge, or those of Slurm 22.05 or later elsewhere; not root. The node offers all cores, and 16 GB of
# memory whatever the machine has. A Slurm that the machine may have is not touched: key, ports and folders are new, and
# only the processes started here are stopped. Where Slurm is not installed, the exit code is 127.
set -euo pipefail

PATH+=:/usr/local/sbin:/usr/sbin:/sbin # Daemons are not on every user's path.
for program in slurmctld slurmd munged sbatch scancel scontrol sinfo squeue srun; do
  command -v "$program" > /dev/null && continue
  echo "error: $program not found; on Debian: apt-get install slurmctld slurmd slurm-client munge" >&2
  exit 127
done
unset "${!SLURM_@}" "${!SBATCH_@}"
folder=$(mktemp --directory --tmpdir slurm-XXXXXX)
export SLURM_CONF=$folder/slurm.conf
user=$(id --user --name)
read -r controller_port node_port < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))') # Nobody listens on these.

mkdir "$folder/bin" "$folder/state" "$folder/spool"
(umask 077 && head --bytes=128 /dev/urandom > "$folder/munge.key")
# Snakemake's job step drops all variables of Slurm's, SLURM_CONF among them, before it calls srun.
printf '#!/bin/sh\nexec env SLURM_CONF=%q %q "$@"\n' "$SLURM_CONF" "$(command -v srun)" > "$folder/bin/srun"
chmod +x "$folder/bin/srun"
cat > "$SLURM_CONF" << END
ClusterName=onenode
SlurmctldHost=$(hostname --short)(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
# Every machine can do without control groups, a container too. Memory is then enforced by a look every second.
ProctrackType=proctrack/linuxproc
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
NodeName=$(hostname --short) NodeAddr=127.0.0.1 CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END

comes_true() { # a condition, within two minutes
  for ((tries = 0; tries < 1200; tries++)); do
    eval "$1" && return
    sleep 0.1
  done
  return 1
}

daemons=()
stop() {
  trap '' INT TERM
  if [[ ${#daemons[@]} == 3 ]]; then
    scancel --user="$user" && comes_true '[[ -z $(squeue --noheader --states=running,completing) ]]' || true
  fi
  for daemon in "${daemons[@]}"; do # the last one first
    kill "$daemon" && wait "$daemon" || true
  done 2> /dev/null
  rm --recursive --force "$folder"
}
trap stop EXIT

start() { # start <daemon> <condition that says it is up> <its options>
  # Ctrl-C does not reach it in a session of its own. The kernel stops it if this script is killed.
  setsid setpriv --pdeathsig TERM "$1" "${@:3}" > "$folder/$1.out" 2>&1 &
  daemons=($! "${daemons[@]}")
  comes_true "$2 || ! kill -0 $!" 2> /dev/null && eval "$2" && return
  tail --lines=30 "$folder"/*.out >&2
  echo "error: $1 did not start" >&2
  exit 1
}
# Munge is forced to accept a folder that is closed to other users, who need not reach it.
start munged '[[ -S $folder/munge.socket ]]' --foreground --force --num-threads=2 --key-file="$folder/munge.key" \
  --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" --seed-file="$folder/munged.seed"
start slurmctld '[[ $(scontrol ping) == *UP* ]]' -D
start slurmd '[[ $(sinfo -ho %T) == idle ]]' -D

PATH=$folder/bin:$PATH env --default-signal=INT "$@" <&0 & # Bash has commands in the background ignore Ctrl-C.
command=$!
trap : INT # The command gets it too, and stops.
trap 'kill "$command"' TERM
while code=0 && { wait "$command" || code=$?; } && kill -0 "$command" 2> /dev/null; do :; done
exit "$code"
