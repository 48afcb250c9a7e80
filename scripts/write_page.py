"""Write the study's answer as one HTML file."""

import platform
from importlib.metadata import version

from filtertwins.errors import Job, run_job
from filtertwins.figures.style import Look
from filtertwins.files import read_csv, write_text
from filtertwins.page.html import Figure, answer_page, image_address
from filtertwins.tables.by_layer import by_layer


@run_job
def main(job: Job) -> None:
    tables = {path.stem: by_layer(read_csv(path)) for path in job.input if path.suffix == ".csv"}
    figures = [
        Figure(
            caption.stem,
            image_address(*(caption.with_suffix(kind).read_bytes() for kind in (".svg", ".png"))),
            caption.read_text(encoding="utf-8").strip().split("\n\n"),
        )
        for caption in job.input.captions
    ]
    packages = ("tensorflow", "scikit-learn", "numpy", "scipy", "snakemake")
    facts = job.params.facts | {
        "Python and packages": ", ".join(
            [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
        ),
        "kind of machine": f"{platform.system()}, {platform.machine()}",
    }
    look = Look(**job.params.look)
    write_text(job.output[0], answer_page(tables, tables.pop("claims"), figures, facts, look))
