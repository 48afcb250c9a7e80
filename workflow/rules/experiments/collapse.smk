# Without an activation all filter counts are one model: their accuracies compared, and the model's convex optimum.
TABLES += ["optimum", "equivalence"]


rule fit_optimum:
    input:
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        ancient(DATASET_FILE),
    output:
        report(RESULTS / "optimum.csv", category="tables"),
    log:
        LOGS / "fit_optimum.log",
    benchmark:
        BENCHMARKS / "fit_optimum.tsv"
    priority: 10**9  # long, and no other core can help
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(3000),
        runtime=minutes(60),
    params:
        dataset=DATASET,
        code=code("fit_optimum"),
    message:
        "fit softmax regression to its optimum"
    shell:
        "run_script fit_optimum --dataset {input:q} --name {params.dataset:q} --output {output:q} > {log:q} 2>&1"


rule compare_filter_counts:
    input:
        RESULTS / "runs.csv",
    output:
        report(RESULTS / "equivalence.csv", category="tables"),
    log:
        LOGS / "compare_filter_counts.log",
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=minutes(10),
    params:
        margin=settings.margins.accuracy,
        code=code("compare_filter_counts"),
    message:
        "test whether accuracy depends on the number of filters"
    shell:
        "run_script compare_filter_counts --runs {input:q} --margin {params.margin} --output {output:q}"
        " > {log:q} 2>&1"
