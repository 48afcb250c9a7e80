"""Make tables of networks, each by a function of the library."""

from inspect import signature

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, library_function, run_job
from filtertwins.extensions import load_for
from filtertwins.networks.weights import study_chunks
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    load_for(job)
    dataset = load_dataset(job.input.dataset) if hasattr(job.input, "dataset") else None
    for made in job.params.made:
        function, options = library_function(made), made["options"]
        looks_at = signature(function).parameters
        if "dataset" in looks_at:
            options |= {"dataset": dataset}
        chunks = study_chunks(job.params.weights, made["study"])
        if "chunk" in looks_at:
            found = [row for chunk in chunks for row in function(chunk, **options)]
        else:
            found = function(chunks, **options)
        for table, rows in zip(made["tables"], found if len(made["tables"]) > 1 else [found], strict=True):
            write_table(rows, getattr(job.output, table))
