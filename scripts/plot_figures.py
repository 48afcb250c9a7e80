"""Draw figures, each by its module in the room ``figures``."""

from pathlib import Path

from filtertwins.errors import Job, run_job
from filtertwins.extensions import load_for
from filtertwins.figures.output import save
from filtertwins.figures.registry import drawing
from filtertwins.figures.style import Look
from filtertwins.files import read_csv
from filtertwins.tables.by_layer import by_layer


@run_job
def main(job: Job) -> None:
    load_for(job)
    tables = {path.stem: by_layer(read_csv(path)) for path in job.input}
    for name, own in job.params.figures.items():
        figure = drawing(name)(**{table: tables[table] for table in own}, look=Look(**job.params.look))
        save(figure, Path(job.params.folder) / name)
