# Pruning: filters are removed from trained networks, or merged, and the networks trained on. Beside that: what becomes of
# size and latency, and Optimal Brain Damage weight by weight.
PRUNING = RESULTS / "pruning" / "{architecture}" / "filters-{filters}"
CRITERIA = [name for name in settings.pruning.methods if name in criteria.CRITERIA]
PARTS["pruning"] = plan.pruned_files(RESULTS / "pruning")
PARTS["importance"] = plan.importance_files(RESULTS / "pruning")


wildcard_constraints:
    kept="[0-9]+",


rule measure_importance:
    input:
        chunk=WEIGHTS / f"{CHUNK}.npz",
        dataset=ancient(DATASET_FILE),
    output:
        PRUNING / "importance_seeds-{first}-{last}.csv",
    log:
        LOGS / "measure_importance" / f"{CHUNK}.log",
    benchmark:
        BENCHMARKS / "measure_importance" / f"{CHUNK}.tsv"
    priority: LONG
    conda:
        ENVIRONMENT
    resources:
        **asks(of_chunk(plan.importance_mem_mb), of_chunk(plan.importance_minutes)),
    params:
        **code_of("measure_importance"),
        condition=of_chunk(plan.condition),
        criteria=CRITERIA,
        images=settings.pruning.images,
    message:
        "measure how important each filter is: {wildcards.architecture}, {wildcards.filters} filters"
    script:
        "../../scripts/measure_importance.py"


rule prune_filters:
    input:
        chunk=WEIGHTS / f"{CHUNK}.npz",
        importance=rules.measure_importance.output[0],
        dataset=ancient(DATASET_FILE),
    output:
        PRUNING / "kept-{kept}_seeds-{first}-{last}.csv",
    log:
        LOGS / "prune_filters" / f"{CHUNK}_kept-{{kept}}.log",
    benchmark:
        BENCHMARKS / "prune_filters" / f"{CHUNK}_kept-{{kept}}.tsv"
    priority: lambda wildcards: int(wildcards.kept)  # after all training, and the longest first
    conda:
        ENVIRONMENT
    resources:
        **asks(of_chunk(plan.pruning_mem_mb), of_chunk(plan.pruning_minutes)),
    params:
        **code_of("prune_filters"),
        condition=of_chunk(plan.condition),
        methods=settings.pruning.methods,
        steps=settings.pruning.fine_tuning_steps,
    message:
        "prune and train on: {wildcards.architecture}, {wildcards.kept} of {wildcards.filters} filters"
    script:
        "../../scripts/prune_filters.py"


rule measure_cost:
    input:
        dataset=ancient(DATASET_FILE),
    output:
        **made("cost"),
    log:
        LOGS / "measure_cost.log",
    benchmark:
        BENCHMARKS / "measure_cost.tsv"
    priority: ALONE
    conda:
        ENVIRONMENT
    threads: workflow.resource_settings.cores or 1  # It uses one, but measures time: nothing may run beside it.
    resources:
        **asks(3000, 20),
    params:
        **code_of("measure_cost"),
        networks=plan.costed_networks(),
        dataset=DATASET,
    message:
        "measure size and latency of the networks before and after pruning"
    script:
        "../../scripts/measure_cost.py"


if plan.from_scratch()["architectures"]:  # small networks, to compare pruned ones with
    code = code_of("collect_from_scratch")
    measure("collect_from_scratch", ["from_scratch"], plan.from_scratch(), code)
if deletion := settings.weight_deletion:
    chunks = plan.chunk_files(WEIGHTS, plan.weight_deletion())
    parameters = code_of("delete_weights") | dict(
        conditions=plan.weight_deletion_conditions(),
        shares=deletion.shares,
        images=settings.pruning.images,
        steps=deletion.retraining_steps,
    )
    make_table(
        "delete_weights",
        ["obd"],
        {"chunks": chunks, "dataset": ancient(DATASET_FILE)},
        parameters,
        asks(4000, plan.weight_deletion_minutes()),
    )
