# Tables of networks. No job here imports TensorFlow. Each makes several tables, since starting Python takes longer than
# most of them. What is switched off has no networks, and so no tables.
MEASURES = settings.measures.model_dump(mode="json")
THRESHOLD = settings.measures.near_duplicate_threshold
OPTIONS = {"condensation": {"threshold": THRESHOLD}}  # of these functions
ROWS = {  # of experiments with networks of their own, what makes the rows of a chunk
    "twins": "experiments.twins.twin_rows",
    "planted": "experiments.twins.twin_rows",
    "condensation": "experiments.condensation.condensation_rows",
    "exact_reading": "tables.runs.run_rows",
    "one_fewer": "experiments.one_fewer.one_fewer_rows",
    "replanted": "experiments.one_fewer.one_fewer_rows",
}


def tables_of(tables, study, function, **options):
    """Tables that a function makes of a study: of its ``chunks`` or, row by row, of each ``chunk``."""
    return function_of(function, **options) | {"tables": tables, "study": study}


def redundancy_of(table, study, prefix=""):
    """The tables about redundancy of a study."""
    others = [
        f"{prefix}{name}" for name in ("near_duplicates", "clusters", "functional")
    ]
    function = "tables.redundancy.redundancy_tables"
    return tables_of([table, *others], study, function, measures=MEASURES)


def strangers_of(table, study):
    """The two tables about strangers of a study."""
    function = "tables.strangers.stranger_tables"
    return tables_of([table, f"{table}_by_threshold"], study, function)


def beside_chance(name, function):
    """The table of an experiment that has what chance gives beside each network."""
    return tables_of([name], plan.experiment(name), function, measures=MEASURES)


small = plan.pruning.small_networks()  # to compare pruned ones with
measure(
    "collect_networks",
    tables_of(["runs"], plan.study(), "tables.runs.run_rows"),
    tables_of(
        ["kernels"],
        plan.gallery(),
        "tables.runs.kernel_rows",
        seed=settings.gallery_seed,
    ),
    *(
        tables_of([name], plan.experiment(name), function, **OPTIONS.get(name, {}))
        for name, function in ROWS.items()
    ),
    tables_of(
        ["from_scratch"],
        plan.pruning.from_scratch(),
        "tables.pruned.from_scratch_table",
        compared={name: network.compared for name, network in small.items()},
    ),
)

measure(
    "measure_redundancy",
    redundancy_of("redundancy", plan.study()),
    strangers_of("strangers", plan.study()),
    dataset=IMAGES,
    modules=extensions.files("measure"),
)
measure(
    "measure_experiments",
    # More shapes than the study's own networks have.
    redundancy_of("kernel_shapes", plan.experiment("kernel_shapes"), "kernel_shapes_"),
    # Each layer of networks of several.
    redundancy_of("depth", plan.experiment("depth"), "depth_"),
    strangers_of("depth_strangers", plan.experiment("depth")),
    # Filters that are not trained, and labels that mean nothing.
    beside_chance("controls", "tables.controls.control_table"),
    # What keeps filters apart.
    beside_chance("preventers", "tables.preventers.preventer_table"),
    strangers_of("preventers_strangers", plan.experiment("preventers")),
    # Strangers that share their batches or their initial weights.
    strangers_of("shared_seeds", plan.experiment("shared_seeds")),
    dataset=IMAGES,
)
measure(
    "measure_filters",
    tables_of(
        ["removal"],
        plan.removal(),
        "experiments.removal.removal_rows",
        threshold=THRESHOLD,
    ),
    # A linear network merges exactly into as few filters as its function needs; one with an activation does not.
    tables_of(["merging"], plan.merging(), "experiments.lossless_merge.merging_rows"),
    dataset=IMAGES,
)

# Without an activation all filter counts are one model. This is its convex optimum.
if "collapse" in plan.experiments:
    make_tables(
        "fit_optimum",
        ["optimum"],
        {"dataset": IMAGES},
        {"dataset": DATASET, "penalties": [0.0, 1e-4, 1e-3]},
        Need(3000, 300),
    )
