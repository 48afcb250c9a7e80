# From tables to verdicts, in words and numbers; and the figures' captions, with what the claims found.

PAGE = SOURCE / "filtertwins" / "page" / "templates" / "answer.html.j2"
FACTS = {
    "dataset": DATASET,
    "seeds of each condition": settings.seeds,
    "config": ", ".join(Path(file).name for file in workflow.configfiles),
    "digest of the config": digest(settings.model_dump(mode="json")),
}


rule check_claims:
    input:
        [path_of(table) for table in TABLES],
    output:
        claims=report(
            path_of("claims"),
            category="1 Answer",
            labels={"text": "3 claims, as a table"},
        ),
        text=report(
            RESULTS / "claims.txt",
            category="1 Answer",
            labels={"text": "2 claims"},
        ),
        summary=report(
            RESULTS / "summary.txt",
            category="1 Answer",
            labels={"text": "1 summary"},
        ),
        captions=[FIGURES / f"{name}.rst" for name in DRAWN],
    log:
        LOGS / "check_claims.log",
    localrule: True  # It takes seconds, which is no work for a cluster.
    conda:
        ENVIRONMENT
    params:
        **code_of("check_claims"),
        claims=settings.claims,
        declared=digest(CLAIMS.read_text(encoding="utf-8") if CLAIMS else None),
        texts=digest(
            [(CAPTIONS / f"{name}.rst").read_text(encoding="utf-8") for name in DRAWN]
        ),
        labels=LOOK["labels"],
        margins=LOOK["margins"],
    message:
        "judge the claims of the question and its answer, and write the captions and the summary"
    script:
        "../../scripts/check_claims.py"


rule write_page:
    input:
        [path_of(table) for table in page.TABLES if table in TABLES],
        claims=path_of("claims"),
        captions=[FIGURES / f"{name}.rst" for name in DRAWN],
        drawn=[multiext(str(FIGURES / name), ".svg", ".png") for name in DRAWN],
    output:
        report(
            RESULTS / "answer.html",
            category="1 Answer",
            labels={"text": "0 the answer as a page"},
        ),
    log:
        LOGS / "write_page.log",
    localrule: True  # It takes seconds, which is no work for a cluster.
    conda:
        ENVIRONMENT
    params:
        **code_of("write_page"),
        template=digest(PAGE.read_text(encoding="utf-8")),
        look=LOOK,
        facts=FACTS,
    message:
        "write the answer as one page"
    script:
        "../../scripts/write_page.py"
