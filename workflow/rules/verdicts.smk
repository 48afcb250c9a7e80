# From tables to verdicts: is it more than chance, and what becomes of each claim?
EVIDENCE = [*TABLES, "excess", "excess_by_threshold"]
TABLES += ["excess", "excess_by_threshold", "claims"]


rule compare_with_chance:
    input:
        redundancy=[path_of(table) for table, _ in REDUNDANCY],
        near_duplicates=[path_of(table) for _, table in REDUNDANCY],
    output:
        excess=report(RESULTS / "excess.csv", category="tables"),
        by_threshold=RESULTS / "excess_by_threshold.csv",
    log:
        LOGS / "compare_with_chance.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=minutes(20),
    params:
        code=code("compare_with_chance"),
    message:
        "test redundancy against chance, over seeds"
    shell:
        "run_script compare_with_chance --redundancy {input.redundancy:q} --near-duplicates {input.near_duplicates:q}"
        " --excess {output.excess:q} --excess-by-threshold {output.by_threshold:q} > {log:q} 2>&1"


rule check_claims:
    input:
        [path_of(table) for table in EVIDENCE],
    output:
        claims=report(RESULTS / "claims.csv", category="claims"),
        text=report(RESULTS / "claims.txt", category="claims"),
    log:
        LOGS / "check_claims.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=minutes(10),
    params:
        declared=digest(CLAIMS.read_text(encoding="utf-8")),
        code=code("check_claims"),
    message:
        "judge the claims of the question and its answer"
    shell:
        'run_script check_claims --claims "$claims" --tables {input:q} --output {output.claims:q}'
        " > {output.text:q} 2> {log:q}"
