"""Judge each claim of the question and its answer on a study's tables; write the captions, and the summary."""

from filtertwins.claims import check_claims, read_claims, tables_needed
from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv, write_csv, write_text
from filtertwins.page.answer import as_text
from filtertwins.page.captions import fill_caption
from filtertwins.page.summary import summarise


@run_job
def main(job: Job) -> None:
    declared = read_claims(job.root / "config" / "claims.yaml")
    needed = {*tables_needed(declared), "runs", "redundancy"}
    tables = {path.stem: read_csv(path) for path in job.input if path.stem in needed}
    claims = check_claims(declared, tables, job.params.labels)
    write_csv(claims, job.output.claims)
    write_text(job.output.text, as_text(claims))
    measured = claims[claims["n"] > 0]  # Nothing is said of claims that were not measured.
    findings = dict(zip(measured["claim"], measured["finding"], strict=True))
    for caption in job.output.captions:
        text = (job.root / "workflow" / "report" / "captions" / caption.name).read_text(encoding="utf-8")
        write_text(caption, fill_caption(text, findings))
    summary = summarise(tables["runs"], tables["redundancy"], job.params.threshold, job.params.labels)
    places = f"Figures: {job.params.figures}/   Tables: {job.output.summary.parent}/"
    write_text(job.output.summary, f"{summary}\n{places}\n")
