# Tables of networks. No job here imports TensorFlow.
MEASURES = {"measures": settings.measures.model_dump(mode="json")}
REDUNDANCY = code_of("measure_redundancy") | MEASURES
PARTS = {}  # by table, the files that it is put together from
ROWS = {  # of the experiments with networks of their own, what makes their table
    "twins": "experiments.twins.twin_rows",
    "condensation": "experiments.condensation.condensation_rows",
    "one_fewer": "experiments.one_fewer.one_fewer_rows",
}


runs = rows_by("tables.runs.run_rows")
measure("collect_runs", ["runs"], plan.study(), runs)
shown = rows_by("tables.runs.kernel_rows", seed=settings.gallery.seed)
measure("collect_kernels", ["kernels"], plan.gallery(), shown)
tables = ["redundancy", "near_duplicates", "clusters"]
measure("measure_redundancy", tables, plan.study(), REDUNDANCY)
strangers = code_of("compare_with_strangers")
strangers["threshold"] = settings.measures.near_duplicate_threshold
measure("compare_with_strangers", ["strangers"], plan.study(), strangers)
for name in [name for name in ROWS if name in plan.experiments]:
    measure(f"measure_{name}", [name], plan.experiment(name), rows_by(ROWS[name]))
# More shapes of kernels than the study's own architectures have.
if "kernel_shapes" in plan.experiments:
    tables = [f"kernel_shapes{part}" for part in ("", "_near_duplicates", "_clusters")]
    study = plan.experiment("kernel_shapes")
    measure("measure_kernel_shapes", tables, study, REDUNDANCY)
# Filters that are not trained, and labels that mean nothing.
if "controls" in plan.experiments:
    controls = code_of("measure_controls") | MEASURES
    measure("measure_controls", ["controls"], plan.controls(), controls)
# A linear network merges exactly into as few filters as its function needs; one with an activation does not.
if "lossless_merge" in plan.experiments and plan.merging()["architectures"]:
    merging, images = code_of("merge_filters"), {"dataset": ancient(DATASET_FILE)}
    measure("merge_filters", ["merging"], plan.merging(), merging, **images)


# What each filter is worth: the loss without it, against how near its nearest filter is.
if "removal" in plan.experiments and plan.removal()["architectures"]:

    rule measure_removal:
        input:
            chunks=lambda wildcards: plan.chunk_files(
                WEIGHTS, plan.removal(wildcards.architecture)
            ),
            dataset=ancient(DATASET_FILE),
        output:
            RESULTS / "removal" / "{architecture}.csv",
        log:
            LOGS / "measure_removal" / "{architecture}.log",
        benchmark:
            BENCHMARKS / "measure_removal" / "{architecture}.tsv"
        priority: LONG
        conda:
            ENVIRONMENT
        resources:
            **asks(
                plan.measuring_mem_mb(plan.removal()),
                plan.measuring_minutes(plan.removal()),
            ),
        params:
            **code_of("measure_removal"),
            study=lambda wildcards: plan.removal(wildcards.architecture),
            weights=WEIGHTS,
            threshold=settings.measures.near_duplicate_threshold,
        message:
            "remove each filter, and measure what that costs: {wildcards.architecture}"
        script:
            "../../scripts/measure_removal.py"

    PARTS["removal"] = [
        RESULTS / "removal" / f"{architecture}.csv"
        for architecture in plan.removal()["architectures"]
    ]


# Without an activation all filter counts are one model. This is its convex optimum.
if "collapse" in plan.experiments:

    rule fit_optimum:
        input:
            dataset=ancient(DATASET_FILE),
        output:
            RESULTS / "optimum" / "penalty-{penalty}.csv",
        log:
            LOGS / "fit_optimum" / "penalty-{penalty}.log",
        benchmark:
            BENCHMARKS / "fit_optimum" / "penalty-{penalty}.tsv"
        wildcard_constraints:
            penalty="[0-9.e-]+",
        priority: LONG
        conda:
            ENVIRONMENT
        resources:
            **asks(3000, 60),
        params:
            **code_of("fit_optimum"),
            dataset=DATASET,
        message:
            "fit softmax regression to its optimum: penalty {wildcards.penalty}"
        script:
            "../../scripts/fit_optimum.py"

    PARTS["optimum"] = expand(
        rules.fit_optimum.output, penalty=["0", "1e-4", "1e-3"]
    )
