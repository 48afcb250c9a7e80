"""Put the parts of a table together, in the order given."""

import pandas as pd

from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    write_table(pd.concat(map(read_csv, job.input), ignore_index=True), job.output[0])
