"""Compare filters of one network with strangers, filters of networks that differ in the seed alone."""

from filtertwins.errors import Job, run_job
from filtertwins.networks.weights import study_chunks
from filtertwins.tables.means import write_table
from filtertwins.tables.strangers import stranger_rows


@run_job
def main(job: Job) -> None:
    chunks = study_chunks(job.params.weights, job.params.study)
    write_table(stranger_rows(chunks, job.params.threshold), job.output[0])
