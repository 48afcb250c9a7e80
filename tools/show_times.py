"""Where the time of a study went, by the benchmark files of its finished jobs.

    python tools/show_times.py benchmarks/mnist

A row a rule and, where it has a job for each, an architecture or the experiment that trained it; the longest first.
``cpu`` is less than ``time`` where a job waited for a core or a disk. Quick rules, such as those of figures, leave no
such file.
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
    jobs = pd.DataFrame(rows)
    kinds = jobs.groupby(["rule", "of"])
    table = kinds.agg(
        jobs=("s", "size"),
        time_s=("s", "sum"),
        cpu_s=("cpu_time", "sum"),
        longest_s=("s", "max"),
        memory_mb=("max_rss", "max"),
    ).sort_values("time_s", ascending=False)
    all_jobs = table.agg({"jobs": "sum", "time_s": "sum", "cpu_s": "sum", "longest_s": "max", "memory_mb": "max"})
    table.loc[("all", ""), :] = all_jobs
    return table.assign(share=100 * table["time_s"] / all_jobs["time_s"]).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path, help="benchmarks/<dataset>")
    table = times(parser.parse_args().benchmarks)
    print(
        pd.DataFrame(
            {
                "rule": table["rule"],
                "": table["of"],
                "jobs": table["jobs"].astype(int),
                "time (s)": table["time_s"].round().astype(int),
                "% of all": table["share"].round(1),
                "cpu (s)": table["cpu_s"].round().astype(int),
                "longest (s)": table["longest_s"].round().astype(int),
                "memory (MB)": table["memory_mb"].round().astype(int),
            }
        ).to_string(index=False)
    )


if __name__ == "__main__":
    main()
