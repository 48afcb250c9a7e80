"""Test every condition's redundancy against chance, over seeds."""

import pandas as pd

from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv
from filtertwins.tables.excess import excess_by_threshold_table, excess_table
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    redundancy = pd.concat(map(read_csv, job.input.redundancy), ignore_index=True)
    curves = pd.concat(map(read_csv, job.input.near_duplicates), ignore_index=True)
    write_table(excess_table(redundancy), job.output.excess)
    write_table(excess_by_threshold_table(curves), job.output.excess_by_threshold)
