"""Merge every network's filters into few, as if it were linear, and measure how its answers change."""

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.experiments.lossless_merge import merging_rows
from filtertwins.networks.weights import study_chunks
from filtertwins.tables.means import write_table

TEST_IMAGES = 500  # A merge is lossless on all images or on hardly any.


@run_job
def main(job: Job) -> None:
    dataset = load_dataset(job.input.dataset)
    images, labels = dataset.test_images[:TEST_IMAGES], dataset.test_labels[:TEST_IMAGES]
    chunks = study_chunks(job.params.weights, job.params.study)
    write_table([row for chunk in chunks for row in merging_rows(chunk, images, labels)], job.output.merging)
