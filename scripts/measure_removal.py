"""Remove each filter of every network, or merge it into its nearest one: what does that cost?"""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.experiments.removal import removal_rows
from filtertwins.files import write_csv
from filtertwins.networks.weights import study_chunks


@run_job
def main(job: Job) -> None:
    dataset = load_dataset(job.input.dataset)
    images, labels = dataset.validation_images, dataset.validation_labels
    chunks = study_chunks(job.params.weights, job.params.study)
    rows = [row for chunk in chunks for row in removal_rows(chunk, images, labels, job.params.threshold)]
    write_csv(pd.DataFrame(rows), job.output[0])
