# The redundancy of more shapes of kernels than the study's own architectures have.
TABLES += ["kernel_shapes"]
REDUNDANCY += [("kernel_shapes", "kernel_shapes_near_duplicates")]


rule measure_kernel_shapes:
    input:
        plan.chunk_files(WEIGHTS, plan.experiment("kernel_shapes")),
    output:
        redundancy=report(RESULTS / "kernel_shapes.csv", category="tables"),
        near_duplicates=RESULTS / "kernel_shapes_near_duplicates.csv",
        clusters=RESULTS / "kernel_shapes_clusters.csv",
    log:
        LOGS / "measure_kernel_shapes.log",
    benchmark:
        BENCHMARKS / "measure_kernel_shapes.tsv"
    priority: TABLE
    conda:
        "../../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(plan.measuring_mem_mb(plan.experiment("kernel_shapes"))),
        runtime=minutes(plan.measuring_minutes(plan.experiment("kernel_shapes"))),
    params:
        study=as_json(plan.experiment("kernel_shapes")),
        weights=WEIGHTS,
        measures=as_json(settings.measures.model_dump(mode="json")),
        code=code("measure_redundancy"),
    message:
        "measure the redundancy of more kernel shapes, against its null"
    shell:
        "run_script measure_redundancy --weights {params.weights:q} --study {params.study:q}"
        " --measures {params.measures:q} --redundancy {output.redundancy:q}"
        " --near-duplicates {output.near_duplicates:q} --clusters {output.clusters:q} > {log:q} 2>&1"
