# Pruning: filters are removed from trained networks, or merged, and the networks trained on. Beside that: what becomes of
# size and latency, and Optimal Brain Damage weight by weight.
PRUNING = RESULTS / "pruning"
PRUNED, IMPORTANCE, LONGER = [], [], []  # the parts of these tables

# One job rates the filters of a chunk's networks, removes the least important ones, and trains what is left on. A criterion
# of one's own has jobs of its own.
for name, network, first, seeds, how in plan.pruning.jobs(
    extensions.added("criterion")
):
    chunk = chunk_name(network.filters, first, seeds).removesuffix(".npz")
    place = name if network.filters in how["kept"] else f"{name}/{how['methods'][0]}"
    PRUNED += [PRUNING / place / f"{chunk}.csv"]
    IMPORTANCE += [PRUNING / place / f"{chunk}_importance.csv"]
    LONGER += [PRUNING / place / f"{chunk}_longer.csv"]
    add_job(
        f"prune_{'_'.join(Path(place).parts)}_{chunk.replace('filters-', '')}",
        {"chunk": WEIGHTS / name / f"{chunk}.npz", "dataset": IMAGES},
        {"pruned": PRUNED[-1], "importance": IMPORTANCE[-1], "longer": LONGER[-1]},
        how
        | dict(
            condition=plan.condition(name, network.filters, first, seeds),
            images=settings.pruning.images,
            steps=settings.pruning.fine_tuning_steps,
        ),
        f"prune {name} with {network.filters} filters, and train on",
        script="prune_filters",
        place=f"prune_filters/{place}_{chunk}",
        modules=extensions.files("criterion", among=how["methods"]),
        need=plan.pruning_need(name, network, seeds, how["methods"]),
    )

# It measures time on one thread, so that nothing may run beside it. The earlier it comes, the fewer wait for it.
if settings.pruning.latency:
    add_job(
        "measure_cost",
        {"dataset": IMAGES},
        made("cost"),
        {"networks": plan.pruning.costed_networks(), "dataset": DATASET},
        "measure size and latency of the networks before and after pruning",
        need=Need(3000, 200),
        threads=workflow.resource_settings.cores or 1,
        priority=10**8,
    )

if deletion := settings.weight_deletion:
    make_tables(
        "delete_weights",
        ["obd"],
        {
            "chunks": plan.chunk_files(WEIGHTS, plan.pruning.weight_deletion()),
            "dataset": IMAGES,
        },
        dict(
            conditions=plan.conditions(plan.pruning.weight_deletion()),
            shares=deletion.shares,
            images=settings.pruning.images,
            steps=deletion.retraining_steps,
        ),
        deletion_need(settings.seeds),
    )
