# Tables of tables; and the rules of all that make whole tables.
MARGIN = {"margin": settings.margins.accuracy}
PARTS = {"pruning": PRUNED, "importance": IMPORTANCE} if settings.pruned else {}
COMPARED = []


def compare(table, tables, function, **options):
    """Have a table made of others, by a function of the library."""
    COMPARED.append(
        function_of(function, **options) | {"table": table, "tables": tables}
    )


for table in PARTS:
    compare(table, [f"{table}_parts"], "tables.pruning.put_together")
if "collapse" in plan.experiments:
    compare(
        "equivalence", ["runs"], "tables.equivalence.compare_filter_counts", **MARGIN
    )
if settings.pruned and len(CRITERIA) > 1:
    compare("criteria", ["importance"], "tables.pruning.criteria_rows")
if "from_scratch" in TABLES:
    both = ["pruning", "from_scratch"]
    compare("small_or_pruned", both, "tables.pruning.compare_with_small", **MARGIN)
redundancy, near_duplicates, *_ = zip(*(own for own in REDUNDANCY if own[0] in TABLES))
compare("excess", redundancy, "tables.excess.excess_table")
curves = "tables.excess.excess_by_threshold_table"
compare("excess_by_threshold", near_duplicates, curves)

make_tables(
    "compare_tables",
    "compare_tables",
    [each["table"] for each in COMPARED],
    {
        name: path_of(name)
        for name in dict.fromkeys(name for each in COMPARED for name in each["tables"])
        if name in TABLES
    }
    | {f"{table}_parts": parts for table, parts in PARTS.items()},
    {"comparisons": COMPARED},
    Need(1500, 60),
    {each["module"] for each in COMPARED},
)

for name, job in JOBS.items():

    rule:
        name:
            name
        input:
            **job["inputs"],
        output:
            **job["outputs"],
        log:
            LOGS / f"{name}.log",
        benchmark:
            BENCHMARKS / f"{name}.tsv"
        priority: job["priority"]
        conda:
            ENVIRONMENT
        resources:
            **job["resources"],
        params:
            **job["parameters"],
        message:
            f"{name.replace('_', ' ')}: {', '.join(job['outputs'])}"
        script:
            "../../scripts/{params.script}.py"
