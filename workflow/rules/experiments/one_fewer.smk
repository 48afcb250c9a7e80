# A network with two equal filters, beside networks of as many and of one fewer different ones.
TABLES += ["one_fewer"]
FIGURE_SOURCES["one_fewer"] = {
    "tables": ["one_fewer"],
    "options": {"margin": settings.margins.loss},
}


rule measure_one_fewer:
    input:
        plan.chunk_files(WEIGHTS, plan.experiment("one_fewer")),
    output:
        report(RESULTS / "one_fewer.csv", category="tables"),
    log:
        LOGS / "measure_one_fewer.log",
    priority: TABLE
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.experiment("one_fewer"))),
        runtime=minutes(plan.measuring_minutes(plan.experiment("one_fewer"))),
    params:
        study=as_json(plan.experiment("one_fewer")),
        weights=WEIGHTS,
        code=code("measure_one_fewer"),
    message:
        "compare networks with two equal filters to smaller ones"
    shell:
        "run_script measure_one_fewer --weights {params.weights:q} --study {params.study:q} --output {output:q} > {log:q} 2>&1"
