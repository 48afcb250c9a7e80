"""Compare what training jobs ask a cluster for with what they took, by the benchmark files of finished studies.

    python tools/check_resources.py benchmarks/mnist [--configfile config/paper.yaml]

A row a chunk, the tightest first: how many times the measured memory and minutes were asked for. Below 1, the job
would have been killed and tried again with twice as much: change ``training_mem_mb`` and ``training_minutes`` in
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

SNAKEMAKE_MB = 2 * 140  # the two that run a job on a node, which its benchmark does not see


def laid_over(base: dict, overlay: dict) -> dict:
    """A config with another laid over it, as Snakemake does."""
    both = base | overlay
    return both | {
        key: laid_over(base[key], overlay[key])
        for key in base.keys() & overlay.keys()
        if isinstance(base[key], dict) and isinstance(overlay[key], dict)
    }


def compared(plan: Plan, benchmarks: Path) -> Iterator[dict]:
    """What each benchmarked chunk took and asks for, of those that are still in the plan."""
    for path in sorted((benchmarks / "train_chunk").rglob("*.tsv")):
        architecture = path.parent.relative_to(benchmarks / "train_chunk").as_posix()
        chunk = [int(number) for number in re.findall(r"\d+", path.stem)]
        took = pd.read_csv(path, sep="\t").iloc[0]
        try:
            need = plan.training_mem_mb(architecture, *chunk), plan.training_minutes(architecture, *chunk)
        except KeyError:
            continue
        mem_mb, minutes = asked_mem_mb(need[0]), asked_minutes(need[1])
        yield {
            "chunk": f"{architecture} {path.stem}",
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
    table = pd.DataFrame(compared(Plan(load_settings(config)), arguments.benchmarks))
    order = table[["memory_times", "time_times"]].min(axis=1).sort_values().index
    print(table.loc[order].to_string(index=False, float_format="{:.1f}".format))
    memory, time = table[["memory_times", "time_times"]].min()
    print(f"\nasked for at least {memory:.1f} times the memory and {time:.1f} times the time")


if __name__ == "__main__":
    main()
