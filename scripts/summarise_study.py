"""Write a study's summary: the three numbers that matter, and where the figures are."""

from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv, write_text
from filtertwins.page.summary import summarise


@run_job
def main(job: Job) -> None:
    text = summarise(read_csv(job.input.runs), read_csv(job.input.redundancy), job.params.threshold)
    places = f"Figures: {job.params.figures}/   Tables: {job.output[0].parent}/"
    write_text(job.output[0], f"{text}\n{places}\n")
