"""Make a table of networks, by a function of the library that makes rows of a chunk."""

import importlib

from filtertwins.errors import Job, run_job
from filtertwins.networks.weights import study_chunks
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    rows_of = getattr(importlib.import_module(job.params.module), job.params.function)
    chunks = study_chunks(job.params.weights, job.params.study)
    write_table([row for chunk in chunks for row in rows_of(chunk, **job.params.options)], job.output[0])
