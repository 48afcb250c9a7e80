"""Write every figure's caption, with what the claims found in this study."""

from filtertwins.errors import Job, run_job
from filtertwins.files import read_csv, write_text
from filtertwins.page.captions import fill_caption


@run_job
def main(job: Job) -> None:
    claims = read_csv(job.input.claims).query("n > 0")  # Nothing is said of claims that were not measured.
    findings = dict(zip(claims["claim"], claims["finding"], strict=True))
    for caption in job.output:
        text = (job.root / "workflow" / "report" / "captions" / caption.name).read_text(encoding="utf-8")
        write_text(caption, fill_caption(text, findings))
