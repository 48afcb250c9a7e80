# Tables of tables.
PARTS = {"pruning": PRUNED, "importance": IMPORTANCE} if settings.pruned else {}
if "from_scratch" in TABLES and any(own.doublings for own in settings.pruned.values()):
    PARTS |= {"pruning_longer": LONGER}
COMPARED = []


def compare(table, tables, function, **options):
    """Have a table made of others, by a function of the library."""
    COMPARED.append(
        function_of(function, **options) | {"table": table, "tables": tables}
    )


for table in PARTS:
    compare(table, [f"{table}_parts"], "tables.pruning.put_together")
if plan.pruning.rated_by_several():
    compare("criteria", ["importance"], "tables.pruning.criteria_rows")
if "from_scratch" in TABLES:
    sides = ["pruning", "from_scratch", *({"pruning_longer"} & PARTS.keys())]
    function = "tables.pruning.compare_with_small"
    margins = {"margin": settings.margins.accuracy, "loss": settings.margins.loss}
    compare("small_or_pruned", sides, function, **margins)
measured = [table for table in ("redundancy", "kernel_shapes") if table in TABLES]
compare("excess", measured, "tables.excess.excess_table")

make_tables(
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
    modules={each["module"] for each in COMPARED},
)
