"""Remove each filter of every network, or merge it into its nearest one: what does that cost?"""

import pandas as pd

from filtertwins.data.datasets import DATASET_SHAPES, Dataset
from filtertwins.errors import Job, run_job
from filtertwins.experiments.removal import removal_rows
from filtertwins.files import read_npz, write_csv
from filtertwins.networks.weights import study_chunks


@run_job
def main(job: Job) -> None:
    dataset = Dataset.from_arrays(read_npz(job.input.dataset, DATASET_SHAPES))
    images, labels = dataset.validation_images, dataset.validation_labels
    chunks = study_chunks(job.params.weights, job.params.study)
    rows = [row for chunk in chunks for row in removal_rows(chunk, images, labels, job.params.threshold)]
    write_csv(pd.DataFrame(rows), job.output[0])
