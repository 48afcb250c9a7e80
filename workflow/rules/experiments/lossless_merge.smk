# A linear network merges exactly into as few filters as its function needs; one with an activation does not.
if plan.merging()["architectures"]:
    TABLES += ["merging"]
    FIGURE_SOURCES["lossless_merge"] = {"tables": ["merging"]}


rule merge_filters:
    input:
        chunks=plan.chunk_files(WEIGHTS, plan.merging()),
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        RESULTS / "merging.csv",
    log:
        LOGS / "merge_filters.log",
    benchmark:
        BENCHMARKS / "merge_filters.tsv"
    priority: LONG
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.merging(), base=3000)),
        runtime=minutes(plan.measuring_minutes(plan.merging())),
    params:
        study=as_json(plan.merging()),
        weights=WEIGHTS,
        code=code("merge_filters"),
    message:
        "merge filters, and measure what that changes"
    shell:
        "run_script merge_filters --dataset {input.dataset:q} --weights {params.weights:q} --study {params.study:q}"
        " --output {output:q} > {log:q} 2>&1"
