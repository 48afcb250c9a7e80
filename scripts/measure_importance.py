"""Measure how important each filter of a chunk's networks is, by several criteria."""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.files import write_csv
from filtertwins.networks.weights import load_chunk
from filtertwins.pruning.networks import chunk_importances
from filtertwins.tables.pruning import IMPORTANCE_COLUMNS, importance_rows


@run_job
def main(job: Job) -> None:
    chunk = load_chunk(job.input.chunk, job.params.condition)
    dataset = load_dataset(job.input.dataset)
    images, labels = dataset.train_images[: job.params.images], dataset.train_labels[: job.params.images]
    rows = [
        row
        for run, importances in chunk_importances(chunk, images, labels, job.params.criteria)
        for row in importance_rows(run, importances)
    ]
    write_csv(pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS)), job.output[0])
