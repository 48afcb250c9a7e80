"""Compare what the jobs of chunks ask a cluster for with what they took, by the benchmark files of finished studies.

    python tools/check_resources.py benchmarks/mnist

A row a job, the tightest first: how many times the measured memory and minutes were asked for. Below 1, the job would
have been killed and tried again with twice as much: change ``src/filtertwins/needs.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from filtertwins.names import chunk_name  # noqa: E402
from filtertwins.needs import Need, asked_mem_mb, asked_minutes  # noqa: E402
from filtertwins.plan import Plan  # noqa: E402
from filtertwins.settings import load_settings  # noqa: E402

SNAKEMAKE_MB = 2 * 140  # the two that run a job on a node, which its benchmark does not see


def needs(plan: Plan) -> Iterator[tuple[str, Need]]:
    """The benchmark file and the need of each job that trains or prunes."""
    for bundle in plan.bundles():
        yield f"train_networks/{bundle.name}", plan.training_need(bundle)
    for name, network, first, seeds in plan.pruned_chunks():
        chunk = chunk_name(network.filters, first, seeds).removesuffix(".npz")
        yield f"prune_filters/{name}_{chunk}", plan.pruning_need(name, network, seeds)


def compared(plan: Plan, benchmarks: Path) -> Iterator[dict]:
    """What each benchmarked job took and asks for."""
    for job, need in needs(plan):
        path = benchmarks / f"{job}.tsv"
        if not path.exists():
            continue
        took = pd.read_csv(path, sep="\t").iloc[0]
        took_mb, asks_mb, asks_minutes = took["max_rss"] + SNAKEMAKE_MB, asked_mem_mb(need), asked_minutes(need)
        yield {
            "job": job,
            **{"took_mb": round(took_mb), "asks_mb": asks_mb, "memory_times": asks_mb / took_mb},
            **{"took_s": round(took["s"]), "estimated_s": round(need.seconds), "asks_minutes": asks_minutes},
            "time_times": asks_minutes * 60 / took["s"],
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path, help="benchmarks/<dataset>")
    benchmarks = parser.parse_args().benchmarks
    plan = Plan(load_settings(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))))
    table = pd.DataFrame(compared(plan, benchmarks))
    order = table[["memory_times", "time_times"]].min(axis=1).sort_values().index
    print(table.loc[order].to_string(index=False, float_format="{:.1f}".format))
