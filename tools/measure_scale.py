"""Measure how far the workflow goes on a cluster: what it takes to plan, submit and follow many chunks.

    python tools/measure_scale.py [--seeds-per-chunk 100 10 1] [--plan-only]

A synthetic study, 1,000 seeds of 100 conditions, goes through the profile for Slurm to a stand-in for Slurm, whose jobs
take no time and leave empty files. So what is measured is Snakemake's and this workflow's own share, which the machine
has to bear where Snakemake runs. It asks how the jobs are doing every second, so that few of the seconds are pauses.
For each way to cut the same runs into chunks, three rows:

    planned          a dry run
    all at once      every chunk is submitted as soon as can be, and seen to have ended
    500 at a time    the same, as the profile has it: at most 500 chunks wait or run

with the seconds until the last chunk is submitted and until Snakemake ends, its processor time and its most memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SEEDS = 1000
FILTERS = list(range(2, 52, 2))
ARCHITECTURES = ("question", "question_converged", "relu_3x1", "relu_5x5")

SBATCH = r"""#!{python}
import fcntl, pathlib, re, sys
here = pathlib.Path("{folder}")
options = " ".join(sys.argv)
submitted = sys.stdin.read() if "/dev/stdin" in options else options
for chunk in re.findall(r"train_chunk:architecture=(\w+),filters=(\d+),first=(\d+),last=(\d+)", submitted):
    for place in "results/digits/weights/%s.npz", "benchmarks/digits/train_chunk/%s.tsv":
        made = here / (place % "%s/filters-%s_seeds-%s-%s" % chunk)
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
tasks = re.search(r"--array=1-(\d+)", options)
with open(here / "queue", "a+") as queue:
    fcntl.flock(queue, fcntl.LOCK_EX)  # Snakemake submits from several threads
    queue.seek(0)
    job = len(queue.readlines()) + 1
    names = [f"{{job}}_{{task + 1}}" for task in range(int(tasks[1]))] if tasks else [job]
    queue.write("".join(f"{{name}}|COMPLETED\n" for name in names))
print(job)
"""
STAND_INS = {
    "sbatch": SBATCH,
    "squeue": "#!/bin/sh\nexec cat {folder}/queue\n",
    "scontrol": "#!/bin/sh\necho MinJobAge = 300 sec\n",
    "sinfo": "#!/bin/sh\necho all*\n",
} | dict.fromkeys(("sacct", "sacctmgr", "sshare", "scancel"), "#!/bin/sh\nexit 1\n")


def prepare(folder: Path, seeds_per_chunk: int) -> None:
    """Make a folder with the study's config and a stand-in for Slurm."""
    (folder / "bin").mkdir()
    for name, text in STAND_INS.items():
        (folder / "bin" / name).write_text(text.format(python=sys.executable, folder=folder), encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    experiments = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["experiments"]
    config = {
        "dataset": "digits",
        "seeds": SEEDS,
        "seeds_per_chunk": seeds_per_chunk,
        "architectures": {name: {"filters": FILTERS} for name in ARCHITECTURES},
        "experiments": dict.fromkeys(experiments),
        "pruning": None,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def snakemake(folder: Path, *arguments: str) -> str:
    """Run Snakemake in such a folder; what it took, as a part of a row."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", "--directory", str(folder)]
    command += ["--configfile", str(folder / "study.yaml"), *arguments]
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    start_s = submitted_s = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printed = []
    for line in process.stdout or ():
        printed.append(line)
        if "submitted" in line:
            submitted_s = time.monotonic()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("".join(printed[-50:]))
    end_s, processor_s = time.monotonic() - start_s, usage.ru_utime + usage.ru_stime
    return f"{submitted_s - start_s:9.0f} {end_s:9.0f} {processor_s:9.0f} {usage.ru_maxrss / 1024:9.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds-per-chunk", type=int, nargs="+", default=[100, 10], help="divisors of 1000 (100 10)")
    parser.add_argument("--plan-only", action="store_true", help="leave the last two rows out")
    arguments = parser.parse_args()
    follow = ("--until", "train_chunk", "--slurm-init-seconds-before-status-checks", "1")
    print("seeds a chunk   chunks                 submitted s     end s     CPU s        MB")
    for seeds_per_chunk in arguments.seeds_per_chunk:
        chunks = len(ARCHITECTURES) * len(FILTERS) * SEEDS // seeds_per_chunk
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            folder = Path(name)
            prepare(folder, seeds_per_chunk)
            snakemake(folder, "--until", "fetch_dataset")
            rows = {"planned": ("--dry-run", "--quiet")}
            if not arguments.plan_only:
                rows |= {"all at once": (*follow, "--jobs", "unlimited"), "500 at a time": follow}
            for label, options in rows.items():
                took = snakemake(folder, *options)
                print(f"{seeds_per_chunk:13} {chunks:8} {label:>15} {took}", flush=True)
                shutil.rmtree(folder / "results", ignore_errors=True)
                (folder / "queue").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
