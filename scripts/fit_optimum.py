"""Fit softmax regression, the model that all linear networks are, to its convex optimum."""

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.experiments.collapse import optimum_row
from filtertwins.tables.means import write_table

MAX_ITERATIONS = 200


@run_job
def main(job: Job) -> None:
    dataset = load_dataset(job.input.dataset)
    rows = []
    for penalty in job.params.penalties:
        row = optimum_row(job.params.dataset, dataset, penalty, MAX_ITERATIONS)
        print(f"penalty {penalty:g}: {row['iterations']} iterations, gradient {row['gradient_norm']:.1e}")
        rows.append(row)
    write_table(rows, job.output.optimum)
