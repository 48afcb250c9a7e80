# Figures from tables: fast, and without TensorFlow. The script plot_<figure>.py draws each from the tables named here.
FIGURE_TABLES = {
    "redundancy_vs_accuracy": ["runs", "redundancy"],
    "accuracy_vs_filters": ["runs"],
    "similarity_vs_chance": ["redundancy", "clusters"],
    "kernel_gallery": ["kernels", "clusters"],
}


rule figures:
    input:
        [
            FIGURES / f"{name}.{suffix}"
            for name in FIGURE_TABLES
            for suffix in ("pdf", "svg", "png", "rst")
        ],


for name, tables in FIGURE_TABLES.items():

    rule:
        name:
            f"plot_{name}"
        input:
            [RESULTS / f"{table}.csv" for table in tables],
        output:
            report(
                FIGURES / f"{name}.png",
                caption=str(ROOT / FIGURES / f"{name}.rst"),
                category="figures",
            ),
            multiext(str(FIGURES / name), ".pdf", ".svg", ".rst"),
        log:
            LOGS / f"plot_{name}.log",
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=1500,
            runtime=10,
        params:
            name=name,
            stem=FIGURES / name,
            code=code(f"plot_{name}"),
        message:
            f"draw {name}"
        shell:
            "run_script plot_{params.name} --tables {input:q} --output {params.stem:q} > {log:q} 2>&1"
