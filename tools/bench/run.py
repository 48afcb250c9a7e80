"""Train the same work by this project and by others, in turns, and print what each takes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

import numpy as np  # noqa: E402
import project  # noqa: E402
from processes import Worker  # noqa: E402
from work import Work  # noqa: E402
import yaml  # noqa: E402

from filtertwins.plan import Plan  # noqa: E402
from filtertwins.provenance import code_digest  # noqa: E402
from filtertwins.settings import load_settings  # noqa: E402

CONDITIONS = {  # steps
    ("question", 1): 300,
    ("question", 16): 300,
    ("question", 128): 200,
    ("relu_3x1", 16): 300,
    ("relu_5x5", 32): 300,
}
WARM = 20
SEEDS = 10
WORTH = 2000

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dataset", default="mnist")
    a = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"dataset": a.dataset}
    plan = Plan(load_settings(config), code_digest(ROOT / "scripts/fetch_dataset.py", ROOT / "src"))
    dataset = plan.dataset_file(Path("data"))
    subprocess.run([sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all", "--config", f"dataset={a.dataset}", "--", str(dataset)], check=True, cwd=ROOT)
    workers = {"keras arrays": Worker("keras_fit.py", "arrays"), "keras tf_data": Worker("keras_fit.py", "tf_data")}
    for r in range(a.rounds):
        for (name, filters), steps in CONDITIONS.items():
            condition = plan.condition(name, filters, 0, SEEDS - 1)
            condition["model"]["steps"] = steps
            work = Work(str(ROOT / dataset), condition, WARM)
            fits = []
            for who, w in workers.items():
                t = w.train(work.of_seeds([r]))
                fits.append((t.wall_s + (WORTH - steps) * t.step_s) / WORTH)
                print(f"{r} {name} {filters} {who:20} step {1e3*t.step_s:.3f} whole {1e3*(t.wall_s+(WORTH-steps)*t.step_s)/WORTH:.3f} ms, {t.accuracies}", flush=True)
            s = time.time()
            t = project.train(work, cores)
            n = len(t.accuracies)
            mine = (t.wall_s + (WORTH - steps) * t.step_s) / WORTH / n
            print(f"{r} {name} {filters} keras fit / project: steps {min(fits)/t.step_s*n:.1f}, whole process {min(fits)/mine:.1f}", flush=True)
            print(f"{r} {name} {filters} {'project':20} step {1e3*t.step_s/n:.3f} whole {1e3*(t.wall_s+(WORTH-steps)*t.step_s)/WORTH/n:.3f} ms, {t.accuracies[r]} {time.time()-s:.0f}s", flush=True)
    for w in workers.values():
        w.close()

main()
