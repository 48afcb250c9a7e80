# Pruning: filters are removed from trained networks, or merged, and the networks trained on. Beside that: what becomes of
# size and latency, and Optimal Brain Damage weight by weight.
PRUNING = RESULTS / "pruning"
PRUNED, IMPORTANCE = [], []  # the parts of these tables
CRITERIA = [name for name in settings.pruning.methods if name in criteria.CRITERIA]


# One job rates the filters of a chunk's networks, removes the least important ones, and trains what is left on.
for name, network, first, seeds in plan.pruned_chunks():
    chunk = chunk_name(network.filters, first, seeds).removesuffix(".npz")
    PRUNED += [PRUNING / name / f"{chunk}.csv"]
    IMPORTANCE += [PRUNING / name / f"{chunk}_importance.csv"]
    need = plan.pruning_need(name, network, seeds)

    rule:
        name:
            f"prune_{name}_{chunk.replace('filters-', '')}"
        input:
            chunk=WEIGHTS / name / f"{chunk}.npz",
            dataset=ancient(DATASET_FILE),
        output:
            pruned=PRUNED[-1],
            importance=IMPORTANCE[-1],
        log:
            LOGS / "prune_filters" / f"{name}_{chunk}.log",
        benchmark:
            BENCHMARKS / "prune_filters" / f"{name}_{chunk}.tsv"
        priority: int(need.seconds)
        conda:
            ENVIRONMENT
        resources:
            **asks(need),
        params:
            **code_of("prune_filters"),
            condition=plan.condition(name, network.filters, first, first + seeds - 1),
            kept=[*network.kept, network.filters],
            methods=settings.pruning.methods,
            criteria=CRITERIA,
            images=settings.pruning.images,
            steps=settings.pruning.fine_tuning_steps,
        message:
            f"prune {name} with {network.filters} filters, and train on"
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
        **asks(Need(3000, 200)),
    params:
        **code_of("measure_cost"),
        networks=plan.costed_networks(),
        dataset=DATASET,
    message:
        "measure size and latency of the networks before and after pruning"
    script:
        "../../scripts/measure_cost.py"


if deletion := settings.weight_deletion:
    make_tables(
        "delete_weights",
        "delete_weights",
        ["obd"],
        {
            "chunks": plan.chunk_files(WEIGHTS, plan.weight_deletion()),
            "dataset": ancient(DATASET_FILE),
        },
        dict(
            conditions=plan.weight_deletion_conditions(),
            shares=deletion.shares,
            images=settings.pruning.images,
            steps=deletion.retraining_steps,
        ),
        deletion_need(settings.seeds),
    )
