# Condensation: small initial weights make filters alike.
TABLES += ["condensation"]
FIGURE_SOURCES["condensation"] = {"tables": ["condensation"]}


rule measure_condensation:
    input:
        plan.chunk_files(WEIGHTS, plan.experiment("condensation")),
    output:
        report(RESULTS / "condensation.csv", category="tables"),
    log:
        LOGS / "measure_condensation.log",
    priority: TABLE
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.experiment("condensation"))),
        runtime=minutes(plan.measuring_minutes(plan.experiment("condensation"))),
    params:
        study=as_json(plan.experiment("condensation")),
        weights=WEIGHTS,
        code=code("measure_condensation"),
    message:
        "measure condensation"
    shell:
        "run_script measure_condensation --weights {params.weights:q} --study {params.study:q} --output {output:q} > {log:q} 2>&1"
