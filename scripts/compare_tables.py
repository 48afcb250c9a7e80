"""Make a table of other tables, by a function of the library."""

import importlib

from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    compare = getattr(importlib.import_module(job.params.module), job.params.function)
    write_table(compare(*map(read_csv, job.input), **job.params.options), job.output[0])
