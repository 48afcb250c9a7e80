"""Measure every run's redundancy against its null, and cluster its kernels."""

import pandas as pd

from filtertwins.errors import Job, run_job
from filtertwins.networks.weights import study_chunks
from filtertwins.settings import Measures
from filtertwins.tables.means import write_table
from filtertwins.tables.redundancy import Nulls, redundancy_rows

TABLES = ("redundancy", "near_duplicates", "clusters")


@run_job
def main(job: Job) -> None:
    nulls = Nulls.of_measures(Measures.model_validate(job.params.measures))
    chunks = study_chunks(job.params.weights, job.params.study)
    measured = [redundancy_rows(chunk, nulls) for chunk in chunks]
    outputs = [path for path in job.output if not path.stem.endswith("_means")]
    for table, path in zip(TABLES, outputs, strict=True):
        rows = [row for rows in measured for row in getattr(rows, table)]
        write_table(pd.DataFrame(rows).convert_dtypes(convert_floating=False), path)
