"""Measure the controls: what networks learn, and how redundant their filters are, beside the null."""

from filtertwins.errors import Job, run_job
from filtertwins.networks.weights import study_chunks
from filtertwins.settings import Measures
from filtertwins.tables.controls import control_rows
from filtertwins.tables.means import write_table
from filtertwins.tables.redundancy import Nulls


@run_job
def main(job: Job) -> None:
    nulls = Nulls.of_measures(Measures.model_validate(job.params.measures))
    names = job.params.study["names"]
    rows = [
        row
        for chunk in study_chunks(job.params.weights, job.params.study)
        for row in control_rows(chunk, nulls, names.get(chunk.condition["architecture"]))
    ]
    write_table(rows, job.output.controls)
