# Tables from weights. No job here imports TensorFlow.


TABLES += ["runs", "redundancy", "near_duplicates", "clusters", "kernels"]


rule collect_runs:
    input:
        plan.chunk_files(WEIGHTS, plan.study()),
    output:
        report(RESULTS / "runs.csv", category="tables"),
    log:
        LOGS / "collect_runs.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.study())),
        runtime=minutes(plan.measuring_minutes(plan.study())),
    params:
        study=as_json(plan.study()),
        weights=WEIGHTS,
        code=code("collect_runs"),
    message:
        "collect the runs' scores"
    shell:
        "run_script collect_runs --weights {params.weights:q} --study {params.study:q}"
        " --output {output:q} > {log:q} 2>&1"


rule measure_redundancy:
    input:
        plan.chunk_files(WEIGHTS, plan.study()),
    output:
        redundancy=report(RESULTS / "redundancy.csv", category="tables"),
        near_duplicates=RESULTS / "near_duplicates.csv",
        clusters=RESULTS / "clusters.csv",
    log:
        LOGS / "measure_redundancy.log",
    benchmark:
        BENCHMARKS / "measure_redundancy.tsv"
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.study())),
        runtime=minutes(plan.measuring_minutes(plan.study())),
    params:
        study=as_json(plan.study()),
        weights=WEIGHTS,
        measures=as_json(settings.measures.model_dump(mode="json")),
        code=code("measure_redundancy"),
    message:
        "measure redundancy, against its null, and cluster the kernels"
    shell:
        "run_script measure_redundancy --weights {params.weights:q} --study {params.study:q}"
        " --measures {params.measures:q} --redundancy {output.redundancy:q}"
        " --near-duplicates {output.near_duplicates:q} --clusters {output.clusters:q} > {log:q} 2>&1"


rule collect_kernels:
    input:
        plan.chunk_files(WEIGHTS, plan.gallery()),
    output:
        RESULTS / "kernels.csv",
    log:
        LOGS / "collect_kernels.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.gallery())),
        runtime=minutes(plan.measuring_minutes(plan.gallery())),
    params:
        study=as_json(plan.gallery()),
        weights=WEIGHTS,
        seed=settings.gallery.seed,
        code=code("collect_kernels"),
    message:
        "collect the kernels that the gallery shows"
    shell:
        "run_script collect_kernels --weights {params.weights:q} --study {params.study:q}"
        " --seed {params.seed} --output {output:q} > {log:q} 2>&1"


rule summarise_study:
    input:
        runs=RESULTS / "runs.csv",
        redundancy=RESULTS / "redundancy.csv",
    output:
        report(RESULTS / "summary.txt", category="summary"),
    log:
        LOGS / "summarise_study.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=minutes(10),
    params:
        figures=FIGURES,
        threshold=settings.measures.near_duplicate_threshold,
        code=code("summarise_study"),
    message:
        "write the study's summary"
    shell:
        "run_script summarise_study --runs {input.runs:q} --redundancy {input.redundancy:q}"
        " --figures {params.figures:q} --threshold {params.threshold} --output {output:q} > {log:q} 2>&1"
