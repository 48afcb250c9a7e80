"""Fetch, verify and decode a dataset into one file of arrays."""

import os
from functools import partial

from filtertwins.data import datasets, downloads
from filtertwins.errors import Job, run_job
from filtertwins.files import write_npz
from filtertwins.sources import IdxDataset


@partial(run_job, show=True)
def main(job: Job) -> None:
    if job.params.dataset["kind"] == "embedded":
        dataset = datasets.load_digits()
    else:
        name = job.config["dataset"]
        settings = IdxDataset.model_validate(job.config["datasets"][name])
        mirrors = downloads.mirrors_with_site_mirror(settings.mirrors, name, os.environ)
        files = [file for _, file in settings.files]
        downloads.fetch_idx_files(files, mirrors, job.params.raw)
        dataset = datasets.decode_idx_dataset(job.params.raw, files, validation_images=settings.validation_images)
    write_npz(job.output[0], dataset.to_arrays())
