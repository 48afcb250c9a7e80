# From tables to verdicts, in words and numbers; and the figures' captions, with what the claims found.


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
        figures=FIGURES,
        labels=LOOK["labels"],
        margins=LOOK["margins"],
        threshold=THRESHOLD,
    message:
        "judge the claims of the question and its answer, and write the captions and the summary"
    script:
        "../../scripts/check_claims.py"
