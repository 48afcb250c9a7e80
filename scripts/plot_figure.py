"""Draw a figure, by its module in the room ``figures``."""

import importlib

from filtertwins.errors import Job, run_job
from filtertwins.figures.output import save
from filtertwins.figures.style import Look
from filtertwins.files import read_csv


@run_job
def main(job: Job) -> None:
    module = importlib.import_module(job.params.module)
    tables = {path.stem: read_csv(path) for path in job.input}
    save(module.draw(**tables, look=Look(**job.params.look)), job.output[0].with_suffix(""))
