"""Fetch, verify and decode a dataset into one file of arrays."""

import os
from functools import partial

from pydantic import TypeAdapter

from filtertwins.data.fetching import fetch_dataset
from filtertwins.errors import Job, StudyError, run_job
from filtertwins.files import write_npz
from filtertwins.sources import AnyDataset


@partial(run_job, show=True)
def main(job: Job) -> None:
    name = job.config["dataset"]
    source = TypeAdapter(AnyDataset).validate_python(job.config["datasets"][name])
    if source.identity != job.params.dataset:
        raise StudyError(f"{name}: its files changed since Snakemake started; run it again")
    write_npz(job.output[0], fetch_dataset(source, name, job.params.raw, os.environ).to_arrays())
