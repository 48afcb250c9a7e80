# What each filter is worth: the loss without it, against how near its nearest filter is.
if plan.removal()["architectures"]:
    TABLES += ["removal"]
    FIGURE_SOURCES["removal"] = {
        "tables": ["removal"],
        "options": {"threshold": settings.measures.near_duplicate_threshold},
    }


rule measure_removal:
    input:
        chunks=plan.chunk_files(WEIGHTS, plan.removal()),
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        report(RESULTS / "removal.csv", category="tables"),
    log:
        LOGS / "measure_removal.log",
    benchmark:
        BENCHMARKS / "measure_removal.tsv"
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.removal(), base=3000)),
        runtime=minutes(plan.measuring_minutes(plan.removal())),
    params:
        study=as_json(plan.removal()),
        weights=WEIGHTS,
        threshold=settings.measures.near_duplicate_threshold,
        code=code("measure_removal"),
    message:
        "remove each filter, and measure what that costs"
    shell:
        "run_script measure_removal --dataset {input.dataset:q} --weights {params.weights:q} --study {params.study:q}"
        " --threshold {params.threshold} --output {output:q} > {log:q} 2>&1"
