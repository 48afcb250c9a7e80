"""Collect the scores of small networks that are trained from scratch, to compare pruned ones with."""

from filtertwins.errors import Job, run_job
from filtertwins.networks.weights import study_chunks
from filtertwins.pruning.networks import from_scratch_rows
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    chunks = study_chunks(job.params.weights, job.params.study)
    compared = job.params.study["compared"]
    rows = [
        row
        for chunk in chunks
        for row in from_scratch_rows(chunk, compared[f"pruning/{chunk.condition['architecture']}"])
    ]
    write_table(rows, job.output.from_scratch)
