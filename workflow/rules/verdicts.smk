# From tables to verdicts, in words and numbers.


rule summarise_study:
    input:
        runs=path_of("runs"),
        redundancy=path_of("redundancy"),
    output:
        report(
            RESULTS / "summary.txt",
            category="1 Answer",
            labels={"text": "1 summary"},
        ),
    log:
        LOGS / "summarise_study.log",
    conda:
        ENVIRONMENT
    params:
        **code_of("summarise_study"),
        figures=FIGURES,
        threshold=settings.measures.near_duplicate_threshold,
    message:
        "write the study's summary"
    script:
        "../../scripts/summarise_study.py"


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
    log:
        LOGS / "check_claims.log",
    priority: TABLE
    conda:
        ENVIRONMENT
    params:
        **code_of("check_claims"),
        declared=digest(CLAIMS.read_text(encoding="utf-8")),
    message:
        "judge the claims of the question and its answer"
    script:
        "../../scripts/check_claims.py"
