# Figures from tables: fast, and without TensorFlow. The module filtertwins.figures.<figure> draws each.
LOOK = {
    "labels": plan.labels(),
    "threshold": settings.measures.near_duplicate_threshold,
    "margins": settings.margins.model_dump(mode="json"),
}

# Category in the report: the figures in the order of the argument, with the tables that each is drawn from, and those
# that it can do without.
ARGUMENT = {
    "2 More filters": {
        "accuracy_vs_filters": (["runs_means"], ["optimum"]),
        "redundancy_vs_accuracy": (
            ["redundancy_means", "runs_means"],
            [],
        ),
    },
    "3 More than chance?": {
        "similarity_vs_chance": (["clusters", "redundancy"], []),
        "excess_over_chance": (["excess"], []),
        "kernel_gallery": (["kernels", "clusters", "redundancy"], []),
        "controls": (["controls_means"], []),
    },
    "4 What keeps filters apart": {
        "strangers": (["strangers"], []),
        "twins": (["twins_means"], []),
        "condensation": (["condensation_means"], []),
        "one_fewer": (["one_fewer_means"], []),
    },
    "5 What redundant filters are worth": {
        "lossless_merge": (["merging"], []),
        "removal": (["removal", "removal_means", "removal_correlations"], []),
    },
    "6 Pruning": {
        "pruning": (["pruning_means"], []),
        "criteria": (["criteria_means"], []),
        "cost": (["cost_means"], []),
        "small_or_pruned": (["small_or_pruned"], []),
        "obd": (["obd_means"], []),
    },
}
# Figure: its category, its place in the argument, and its tables, of the figures that this study has the tables for.
DRAWN = {}
for category, figures in ARGUMENT.items():
    for place, (name, (tables, optional)) in enumerate(figures.items(), start=1):
        if set(tables) <= set(TABLES):
            tables = [*tables, *(table for table in optional if table in TABLES)]
            DRAWN[name] = category, place, tables


localrules:
    write_captions,


# A figure does not wait for the claims; its caption does.
rule write_captions:
    input:
        claims=path_of("claims"),
    output:
        [FIGURES / f"{name}.rst" for name in DRAWN],
    log:
        LOGS / "write_captions.log",
    conda:
        ENVIRONMENT
    params:
        **code_of("write_captions"),
        texts=digest(
            {
                name: (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
                for name in DRAWN
            }
        ),
    message:
        "write the figures' captions, with what the claims found"
    script:
        "../../scripts/write_captions.py"


for name, (category, place, tables) in DRAWN.items():

    rule:
        name:
            f"plot_{name}"
        input:
            [path_of(table) for table in tables],
        output:
            report(
                FIGURES / f"{name}.png",
                caption=str(Path.cwd() / FIGURES / f"{name}.rst"),
                category=category,
                labels={"figure": f"{place} {name.replace('_', ' ')}"},
            ),
            multiext(str(FIGURES / name), ".pdf", ".svg"),
        log:
            LOGS / f"plot_{name}.log",
        localrule: True  # It takes seconds, which is no work for a cluster.
        conda:
            ENVIRONMENT
        params:
            **code_of("plot_figure", f"filtertwins.figures.{name}"),
            module=f"filtertwins.figures.{name}",
            look=LOOK,
        message:
            f"draw {name}"
        script:
            "../../scripts/plot_figure.py"
