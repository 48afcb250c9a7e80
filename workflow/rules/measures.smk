# Tables of networks. No job here imports TensorFlow. Each makes several tables, since starting Python takes longer than
# most of them.
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


def rows_of(table, study, function, **options):
    """A table whose rows a function makes of each chunk of a study."""
    made = function_of(function, **options)
    return made | {"tables": [table], "study": study, "each_chunk": True}


def tables_of(tables, study, function, **options):
    """Tables that a function makes of all chunks of a study."""
    made = function_of(function, **options)
    return made | {"tables": tables, "study": study, "each_chunk": False}


def redundancy_of(study, table, prefix=""):
    """The tables about redundancy of a study."""
    others = [
        f"{prefix}{name}" for name in ("near_duplicates", "clusters", "functional")
    ]
    function = "tables.redundancy.redundancy_tables"
    return tables_of([table, *others], study, function, measures=MEASURES)


def strangers_of(study, table):
    """The two tables about strangers of a study."""
    function = "tables.strangers.stranger_tables"
    tables = [table, f"{table}_by_threshold"]
    return tables_of(tables, study, function)


collected = [
    rows_of("runs", plan.study(), "tables.runs.run_rows"),
    rows_of(
        "kernels", plan.gallery(), "tables.runs.kernel_rows", seed=settings.gallery_seed
    ),
    *(
        rows_of(name, plan.experiment(name), function, **OPTIONS.get(name, {}))
        for name, function in ROWS.items()
        if name in plan.experiments
    ),
]
if plan.from_scratch()["architectures"]:  # small networks, to compare pruned ones with
    function, study = "tables.pruned.from_scratch_table", plan.from_scratch()
    compared = study.pop("compared")
    collected += [tables_of(["from_scratch"], study, function, compared=compared)]
measure("collect_networks", *collected)

images = ancient(DATASET_FILE)
measure(
    "measure_redundancy",
    redundancy_of(plan.study(), "redundancy"),
    strangers_of(plan.study(), "strangers"),
    dataset=images,
    modules=extensions.files("measure"),
)

beside = []
# More shapes than the study's own networks have.
if "kernel_shapes" in plan.experiments:
    study = plan.experiment("kernel_shapes")
    beside += [redundancy_of(study, "kernel_shapes", "kernel_shapes_")]
# Each layer of networks of several.
if "depth" in plan.experiments:
    study = plan.experiment("depth")
    beside += [redundancy_of(study, "depth", "depth_")]
    beside += [strangers_of(study, "depth_strangers")]
# Filters that are not trained, and labels that mean nothing.
if "controls" in plan.experiments:
    function, study = "tables.controls.control_table", plan.beside_study("controls")
    beside += [tables_of(["controls"], study, function, measures=MEASURES)]
# What keeps filters apart.
if "preventers" in plan.experiments:
    function = "tables.preventers.preventer_table"
    study = plan.beside_study("preventers")
    beside += [tables_of(["preventers"], study, function, measures=MEASURES)]
    beside += [strangers_of(study, "preventers_strangers")]
# Strangers that share their batches or their initial weights.
if "shared_seeds" in plan.experiments:
    beside += [strangers_of(plan.experiment("shared_seeds"), "shared_seeds")]
if beside:
    measure("measure_experiments", *beside, dataset=images)

worth = []
if "removal" in plan.experiments and plan.removal()["architectures"]:
    function = "experiments.removal.removal_rows"
    worth += [rows_of("removal", plan.removal(), function, threshold=THRESHOLD)]
# A linear network merges exactly into as few filters as its function needs; one with an activation does not.
if "lossless_merge" in plan.experiments and plan.merging()["architectures"]:
    function = "experiments.lossless_merge.merging_rows"
    worth += [rows_of("merging", plan.merging(), function)]
if worth:
    measure("measure_filters", *worth, dataset=images)

# Without an activation all filter counts are one model. This is its convex optimum.
if "collapse" in plan.experiments:
    make_tables(
        "fit_optimum",
        ["optimum"],
        {"dataset": ancient(DATASET_FILE)},
        {"dataset": DATASET, "penalties": [0.0, 1e-4, 1e-3]},
        Need(3000, 300),
    )
