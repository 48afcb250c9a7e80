"""filter-twins: does anything guarantee that convolutional filters don't end up the same?

    snakemake                                        the MNIST study of config/config.yaml, on all cores
    snakemake --configfile config/quickstart.yaml    a small one, without a download
    snakemake figures                                only (re)draw the figures

Data flows one way: data -> training -> measures -> tables -> figures and claims.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.10")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/measures.smk"


if settings.pruned:

    include: "workflow/rules/pruning.smk"


include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/verdicts.smk"
include: "workflow/rules/jobs.smk"


localrules:
    all,
    tables,
    figures,


rule tables:
    input:
        [path_of(table) for table in TABLES],
    message:
        "all tables are there"


rule figures:
    input:
        [multiext(str(FIGURES / name), ".pdf", ".svg", ".png") for name in DRAWN],
    message:
        "all figures are there"


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.check_claims.output,
        rules.write_page.output,
    message:
        "the study is complete"


onstart:
    products = [
        Path(file) for job in workflow.dag.needrun_jobs() for file in job.products()
    ]
    or_end(require_writable, {path.parent for path in products})
    if CLAIMS:
        from filtertwins.claims.declared import read_claims  # slow to import

        or_end(read_claims, *CLAIMS)


onsuccess:
    for text in (RESULTS / "claims.txt", RESULTS / "summary.txt"):
        if text.exists():
            print(text.read_text(encoding="utf-8"))
