# Without an activation all filter counts are one model: their accuracies compared, and the model's convex optimum.
TABLES += ["optimum", "equivalence"]
PENALTIES = ["0", "1e-4", "1e-3"]


wildcard_constraints:
    penalty="[0-9.e-]+",


rule fit_optimum:
    input:
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        ancient(DATASET_FILE),
    output:
        RESULTS / "optimum" / "penalty-{penalty}.csv",
    log:
        LOGS / "fit_optimum" / "penalty-{penalty}.log",
    benchmark:
        BENCHMARKS / "fit_optimum" / "penalty-{penalty}.tsv"
    priority: LONG
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
        "fit softmax regression to its optimum: penalty {wildcards.penalty}"
    shell:
        "run_script fit_optimum --dataset {input:q} --name {params.dataset:q} --penalty {wildcards.penalty}"
        " --output {output:q} > {log:q} 2>&1"


PARTS["optimum"] = expand(rules.fit_optimum.output, penalty=PENALTIES)


rule compare_filter_counts:
    input:
        RESULTS / "runs.csv",
    output:
        report(RESULTS / "equivalence.csv", category="tables"),
    log:
        LOGS / "compare_filter_counts.log",
    priority: TABLE
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
