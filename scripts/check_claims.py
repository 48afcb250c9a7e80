"""Judge each claim of the question and its answer on a study's tables; write the captions, and the summary."""

from textwrap import fill

from filtertwins.claims.check import check_claims, tables_needed
from filtertwins.claims.declared import Claims, read_claims
from filtertwins.errors import Job, run_job
from filtertwins.extensions import entries, load_for
from filtertwins.files import read_csv, write_csv, write_text
from filtertwins.page.answer import as_text
from filtertwins.page.captions import fill_caption, findings_of
from filtertwins.page.summary import in_sentences
from filtertwins.settings import Margins
from filtertwins.tables.by_layer import by_layer


@run_job
def main(job: Job) -> None:
    load_for(job)
    files = [job.config["claims"][name] for name in job.params.claims]
    declared = read_claims(*files) if files else Claims.model_construct(fewest_seeds=1, claims={})
    needed = {*tables_needed(declared), "runs", "redundancy"}
    tables = {path.stem: read_csv(path) for path in job.input if path.stem in needed}
    margins = Margins.model_validate(job.params.margins)
    claims = check_claims(declared, tables, margins, job.params.labels, fixed=job.params.fixed)
    write_csv(claims, job.output.claims)
    write_text(job.output.text, as_text(claims))
    findings, own = findings_of(claims), entries("figure")
    for caption in job.output.captions:
        file = job.root / "workflow" / "report" / "captions" / caption.name
        text = own[caption.stem].caption if caption.stem in own else file.read_text(encoding="utf-8")
        write_text(caption, fill_caption(text, findings, {path.stem for path in job.input}))
    sentences = in_sentences(tables["runs"], by_layer(tables["redundancy"]), job.params.labels)
    page = job.output.summary.with_name("answer.html")
    write_text(job.output.summary, "\n".join([*map(fill, sentences), "", f"The answer as a page: {page}"]) + "\n")
