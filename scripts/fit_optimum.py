"""Fit softmax regression, the model that all linear networks are, to its convex optimum."""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.experiments.collapse import optimum_row
from filtertwins.files import write_csv

MAX_ITERATIONS = 200


@run_job
def main(job: Job) -> None:
    dataset = load_dataset(job.input.dataset)
    row = optimum_row(job.params.dataset, dataset, float(job.wildcards.penalty), MAX_ITERATIONS)
    print(f"penalty {row['penalty']:g}: {row['iterations']} iterations, gradient {row['gradient_norm']:.1e}")
    write_csv(pd.DataFrame([row]), job.output[0])
