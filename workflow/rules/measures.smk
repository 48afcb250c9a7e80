# Tables from weights. No job here imports TensorFlow.


def study():
    """Which runs belong to the study: the filter counts of each architecture, and the chunks of seeds."""
    return {
        "architectures": {name: list(item.filters) for name, item in settings.studied.items()},
        "chunks": settings.chunks(),
    }


def gallery_study():
    """The part of the study that the gallery shows: some filter counts, and the chunk that holds its seed."""
    gallery, whole = settings.gallery, study()
    return {
        "architectures": {
            name: [filters for filters in counts if filters in gallery.filters]
            for name, counts in whole["architectures"].items()
        },
        "chunks": [(first, seeds) for first, seeds in whole["chunks"] if first <= gallery.seed < first + seeds],
    }


def chunks(study):
    """The files of a study's chunks."""
    return [
        RESULTS / "weights" / architecture / chunk_name(filters, first, seeds)
        for architecture, counts in study["architectures"].items()
        for filters in counts
        for first, seeds in study["chunks"]
    ]


rule tables:
    input:
        RESULTS / "runs.csv",
        RESULTS / "redundancy.csv",
        RESULTS / "clusters.csv",
        RESULTS / "near_duplicates.csv",
        RESULTS / "kernels.csv",


rule collect_runs:
    input:
        chunks(study()),
    output:
        RESULTS / "runs.csv",
    params:
        study=as_json(study()),
        weights=RESULTS / "weights",
        code=code("collect_runs"),
        script=script("collect_runs"),
    log:
        LOGS / "collect_runs.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "collect the runs' scores"
    shell:
        "{params.script} --weights {params.weights:q} --study {params.study:q} --output {output:q} > {log:q} 2>&1"


rule measure_redundancy:
    input:
        chunks(study()),
    output:
        redundancy=RESULTS / "redundancy.csv",
        near_duplicates=RESULTS / "near_duplicates.csv",
        clusters=RESULTS / "clusters.csv",
    params:
        study=as_json(study()),
        weights=RESULTS / "weights",
        measures=as_json(settings.measures.model_dump(mode="json")),
        code=code("measure_redundancy"),
        script=script("measure_redundancy"),
    log:
        LOGS / "measure_redundancy.log",
    benchmark:
        BENCHMARKS / "measure_redundancy.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "measure redundancy, against its null, and cluster the kernels"
    shell:
        "{params.script} --weights {params.weights:q} --study {params.study:q} --measures {params.measures:q}"
        " --redundancy {output.redundancy:q} --near-duplicates {output.near_duplicates:q}"
        " --clusters {output.clusters:q} > {log:q} 2>&1"


rule collect_kernels:
    input:
        chunks(gallery_study()),
    output:
        RESULTS / "kernels.csv",
    params:
        study=as_json(gallery_study()),
        weights=RESULTS / "weights",
        seed=settings.gallery.seed,
        code=code("collect_kernels"),
        script=script("collect_kernels"),
    log:
        LOGS / "collect_kernels.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "collect the kernels that the gallery shows"
    shell:
        "{params.script} --weights {params.weights:q} --study {params.study:q} --seed {params.seed}"
        " --output {output:q} > {log:q} 2>&1"


rule summarise_study:
    input:
        runs=RESULTS / "runs.csv",
        redundancy=RESULTS / "redundancy.csv",
    output:
        RESULTS / "summary.txt",
    params:
        figures=FIGURES,
        threshold=settings.measures.near_duplicate_threshold,
        code=code("summarise_study"),
        script=script("summarise_study"),
    log:
        LOGS / "summarise_study.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "write the study's summary"
    shell:
        "{params.script} --runs {input.runs:q} --redundancy {input.redundancy:q} --figures {params.figures:q}"
        " --threshold {params.threshold} --output {output:q} > {log:q} 2>&1"


def print_summary():
    summary = RESULTS / "summary.txt"
    if summary.exists():
        print(summary.read_text())
