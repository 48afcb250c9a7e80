"""Test each claim of the question and its answer on a study's tables: supported, refuted or inconclusive."""

from filtertwins.claims import check_claims, read_claims, tables_needed
from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv, write_csv, write_text
from filtertwins.page.answer import as_text


@run_job
def main(job: Job) -> None:
    claims = read_claims(job.root / "config" / "claims.yaml")
    tables = {path.stem: read_csv(path) for path in job.input if path.stem in tables_needed(claims)}
    table = check_claims(claims, tables)
    write_csv(table, job.output.claims)
    write_text(job.output.text, as_text(table))
