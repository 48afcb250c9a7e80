# What each filter is worth: the loss without it, against how near its nearest filter is.
if plan.removal()["architectures"]:
    TABLES += ["removal"]
    FIGURE_SOURCES["removal"] = {
        "tables": ["removal"],
        "options": {"threshold": settings.measures.near_duplicate_threshold},
    }


rule measure_removal:
    input:
        chunks=lambda wildcards: plan.chunk_files(
            WEIGHTS, plan.removal(wildcards.architecture)
        ),
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        RESULTS / "removal" / "{architecture}.csv",
    log:
        LOGS / "measure_removal" / "{architecture}.log",
    benchmark:
        BENCHMARKS / "measure_removal" / "{architecture}.tsv"
    priority: LONG
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(
            lambda wildcards: plan.measuring_mem_mb(
                plan.removal(wildcards.architecture)
            )
        ),
        runtime=minutes(
            lambda wildcards: plan.measuring_minutes(
                plan.removal(wildcards.architecture)
            )
        ),
    params:
        study=lambda wildcards: as_json(plan.removal(wildcards.architecture)),
        weights=WEIGHTS,
        threshold=settings.measures.near_duplicate_threshold,
        code=code("measure_removal"),
    message:
        "remove each filter, and measure what that costs: {wildcards.architecture}"
    shell:
        "run_script measure_removal --dataset {input.dataset:q} --weights {params.weights:q} --study {params.study:q}"
        " --threshold {params.threshold} --output {output:q} > {log:q} 2>&1"


PARTS["removal"] = expand(
    rules.measure_removal.output, architecture=plan.removal()["architectures"]
)
