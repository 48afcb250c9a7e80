# What redundancy is without learning, beside what it is with: filters that are not trained, labels that mean nothing.
TABLES += ["controls"]
FIGURE_SOURCES["controls"] = {"tables": ["controls"]}


rule measure_controls:
    input:
        plan.chunk_files(WEIGHTS, plan.controls()),
    output:
        report(RESULTS / "controls.csv", category="tables"),
    log:
        LOGS / "measure_controls.log",
    priority: TABLE
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.controls())),
        runtime=minutes(plan.measuring_minutes(plan.controls())),
    params:
        study=as_json(plan.controls()),
        weights=WEIGHTS,
        measures=as_json(settings.measures.model_dump(mode="json")),
        code=code("measure_controls"),
    message:
        "measure the controls"
    shell:
        "run_script measure_controls --weights {params.weights:q} --study {params.study:q}"
        " --measures {params.measures:q} --output {output:q} > {log:q} 2>&1"
