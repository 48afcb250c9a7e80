# Twins: two filters that start equal, or nearly so.
TABLES += ["twins"]
FIGURE_SOURCES["twins"] = {"tables": ["twins"]}


rule measure_twins:
    input:
        plan.chunk_files(WEIGHTS, plan.experiment("twins")),
    output:
        report(RESULTS / "twins.csv", category="tables"),
    log:
        LOGS / "measure_twins.log",
    priority: TABLE
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.experiment("twins"))),
        runtime=minutes(plan.measuring_minutes(plan.experiment("twins"))),
    params:
        study=as_json(plan.experiment("twins")),
        weights=WEIGHTS,
        code=code("measure_twins"),
    message:
        "measure how twins part"
    shell:
        "run_script measure_twins --weights {params.weights:q} --study {params.study:q} --output {output:q} > {log:q} 2>&1"
