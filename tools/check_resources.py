"""Compare what the jobs of chunks ask a cluster for with what they took, by the benchmark files of finished studies.

    python tools/check_resources.py benchmarks/mnist [--configfile config/paper.yaml]

A row a job, the tightest first: how many times the measured memory and minutes were asked for. Below 1, the job would
have been killed and tried again with twice as much: change the functions named in ``NEEDS`` in
``src/filtertwins/plan.py``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from filtertwins.plan import Plan, asked_mem_mb, asked_minutes  # noqa: E402
from filtertwins.settings import load_settings  # noqa: E402

NEEDS = {  # of each rule
    "train_chunk": (Plan.training_mem_mb, Plan.training_minutes),
    "measure_importance": (Plan.importance_mem_mb, Plan.importance_minutes),
    "prune_filters": (Plan.pruning_mem_mb, Plan.pruning_minutes),
}
SNAKEMAKE_MB = 2 * 140  # the two that run a job on a node, which its benchmark does not see


def laid_over(base: dict, overlay: dict) -> dict:
    """A config with another laid over it, as Snakemake does."""
    both = base | overlay
    return both | {
        key: laid_over(base[key], overlay[key])
        for key in base.keys() & overlay.keys()
        if isinstance(base[key], dict) and isinstance(overlay[key], dict)
    }


def compared(plan: Plan, rule: str, benchmarks: Path) -> Iterator[dict]:
    """What each benchmarked job of a rule took and asks for, of those whose chunk is still in the plan."""
    needed_mb, needed_minutes = NEEDS[rule]
    for path in sorted((benchmarks / rule).rglob("*.tsv")):
        architecture = path.parent.relative_to(benchmarks / rule).as_posix()
        filters, *_, first, last = (int(number) for number in re.findall(r"\d+", path.stem))
        took = pd.read_csv(path, sep="\t").iloc[0]
        try:
            need = [part(plan, architecture, filters, first, last) for part in (needed_mb, needed_minutes)]
        except KeyError:
            continue
        mem_mb, minutes = asked_mem_mb(need[0]), asked_minutes(need[1])
        yield {
            "job": f"{rule} {architecture} {path.stem}",
            "took_mb": round(took["max_rss"]) + SNAKEMAKE_MB,
            "asks_mb": mem_mb,
            "memory_times": mem_mb / (took["max_rss"] + SNAKEMAKE_MB),
            "took_s": round(took["s"]),
            "asks_minutes": minutes,
            "time_times": minutes * 60 / took["s"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path, help="benchmarks/<dataset>")
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="laid over config/config.yaml")
    arguments = parser.parse_args()
    config: dict = {}
    for path in (ROOT / "config" / "config.yaml", *arguments.configfile):
        config = laid_over(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    plan = Plan(load_settings(config))
    table = pd.DataFrame(row for rule in NEEDS for row in compared(plan, rule, arguments.benchmarks))
    order = table[["memory_times", "time_times"]].min(axis=1).sort_values().index
    print(table.loc[order].to_string(index=False, float_format="{:.1f}".format))
    memory, time = table[["memory_times", "time_times"]].min()
    print(f"\nasked for at least {memory:.1f} times the memory and {time:.1f} times the time")


if __name__ == "__main__":
    main()
