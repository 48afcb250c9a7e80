# Tables of tables; and the rules of all that make whole tables.
MARGIN = {"margin": settings.margins.accuracy}


# It takes a second to put the parts of a table together, which is no work for a cluster.
for table, parts in PARTS.items():
    code = code_of("collect_rows")
    make_table(f"collect_{table}", [table], {"parts": parts}, code, local=True)


if "collapse" in plan.experiments:
    function = "tables.equivalence.compare_filter_counts"
    compare("compare_filter_counts", "equivalence", ["runs"], function, **MARGIN)
if "importance" in TABLES and len(CRITERIA) > 1:
    function = "tables.pruning.criteria_rows"
    compare("compare_criteria", "criteria", ["importance"], function)
if "from_scratch" in TABLES:
    function, both = "tables.pruning.compare_with_small", ["pruning", "from_scratch"]
    compare("compare_with_small", "small_or_pruned", both, function, **MARGIN)
redundancy = [table for table in ("redundancy", "kernel_shapes") if table in TABLES]
curves = [table for table in TABLES if table.endswith("near_duplicates")]
make_table(
    "compare_with_chance",
    ["excess", "excess_by_threshold"],
    {"redundancy": map(path_of, redundancy), "near_duplicates": map(path_of, curves)},
    code_of("compare_with_chance"),
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
        priority: TABLE
        localrule: job.get("local", False)
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
