"""Make tables of other tables, each by a function of the library; a later one may need an earlier one."""

from filtertwins.errors import Job, library_function, run_job
from filtertwins.files import read_csv
from filtertwins.tables.means import write_table


@run_job
def main(job: Job) -> None:
    files = vars(job.input) | vars(job.output)
    for made in job.params.comparisons:
        found = [files[name] for name in made["tables"]]
        paths = [path for own in found for path in (own if isinstance(own, list) else [own])]
        write_table(library_function(made)(*map(read_csv, paths), **made["options"]), files[made["table"]])
