"""Draw figures, each by its module in the room ``figures``."""

import importlib
from pathlib import Path

from filtertwins.errors import Job, run_job
from filtertwins.figures.output import save
from filtertwins.figures.style import Look
from filtertwins.files import read_csv
from filtertwins.tables.by_layer import by_layer


@run_job
def main(job: Job) -> None:
    tables = {path.stem: by_layer(read_csv(path)) for path in job.input}
    for name, own in job.params.figures.items():
        module = importlib.import_module(f"filtertwins.figures.{name}")
        figure = module.draw(**{table: tables[table] for table in own}, look=Look(**job.params.look))
        save(figure, Path(job.params.folder) / name)
