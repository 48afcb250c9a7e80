"""Where the time of a study went, by the benchmark files of its finished jobs.

    python tools/show_times.py benchmarks/mnist

A row a rule and, where it has a job for each, an architecture or the experiment that trained it; the longest first.
``cpu`` is less than ``time`` where a job waited for a core or a disk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd


def times(benchmarks: Path) -> pd.DataFrame:
    """Number, time and memory of the jobs of each kind, and of all."""
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule, *below = path.relative_to(benchmarks).with_suffix("").parts
        took = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        rows.append({"rule": rule, "of": below[0] if below else ""} | took[["s", "cpu_time", "max_rss"]].to_dict())
    if not rows:
        raise SystemExit(f"error: no benchmark files in {benchmarks}: they are written as the study runs")
    jobs = pd.DataFrame(rows).groupby(["rule", "of"])
    table = jobs.agg(
        jobs=("s", "size"),
        time_s=("s", "sum"),
        cpu_s=("cpu_time", "sum"),
        longest_s=("s", "max"),
        memory_mb=("max_rss", "max"),
    ).sort_values("time_s", ascending=False)
    table.loc[("all", ""), :] = [*table[["jobs", "time_s", "cpu_s"]].sum(), *table[["longest_s", "memory_mb"]].max()]
    table.insert(2, "percent", 100 * table["time_s"] / table.loc[("all", ""), "time_s"])
    return table.reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path, help="benchmarks/<dataset>")
    table = times(parser.parse_args().benchmarks)
    print(table.to_string(index=False, float_format="{:.0f}".format, formatters={"percent": "{:.1f}".format}))
