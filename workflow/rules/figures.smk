# Figures from tables: fast, and without TensorFlow. The script plot_<figure>.py draws each, from the tables named here.
threshold = {"threshold": settings.measures.near_duplicate_threshold}
FIGURE_SOURCES |= {
    "redundancy_vs_accuracy": {"tables": ["runs", "redundancy"]},
    "accuracy_vs_filters": {
        "tables": ["runs"],
        "optional": ["optimum", "equivalence"],
    },
    "similarity_vs_chance": {
        "tables": ["clusters", "redundancy"],
        "options": threshold,
    },
    "excess_over_chance": {
        "tables": ["redundancy", "excess"],
        "optional": ["kernel_shapes"],
    },
    "kernel_gallery": {
        "tables": ["kernels", "clusters", "redundancy"],
        "options": threshold,
    },
}


rule figures:
    input:
        [
            FIGURES / f"{name}.{suffix}"
            for name in FIGURE_SOURCES
            for suffix in ("pdf", "svg", "png", "rst")
        ],
    message:
        "all figures are there"


for name, source in FIGURE_SOURCES.items():

    rule:
        name:
            f"plot_{name}"
        input:
            [path_of(table) for table in source["tables"]],
            [path_of(table) for table in source.get("optional", ()) if table in TABLES],
        output:
            report(
                FIGURES / f"{name}.png",
                caption=str(ROOT / FIGURES / f"{name}.rst"),
                category="figures",
            ),
            multiext(str(FIGURES / name), ".pdf", ".svg", ".rst"),
        log:
            LOGS / f"plot_{name}.log",
        localrule: True  # seconds each, so no work for a cluster
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=1500,
            runtime=10,
        params:
            name=name,
            stem=FIGURES / name,
            options=[
                f"--{option}={value}"
                for option, value in source.get("options", {}).items()
            ],
            code=code(f"plot_{name}"),
        message:
            f"draw {name}"
        shell:
            "run_script plot_{params.name} --tables {input:q} {params.options:q} --output {params.stem:q}"
            " > {log:q} 2>&1"
