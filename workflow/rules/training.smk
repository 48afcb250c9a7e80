# A chunk is one process that trains some seeds of one condition together.
import hashlib


def model(architecture):
    """An architecture's settings but its list of filter counts: adding one must not touch the others' runs."""
    return settings.studied[architecture].model_dump(mode="json", exclude={"filters"})


def condition(wildcards):
    """All that a chunk's result depends on. Stored in its file too."""
    first, last = int(wildcards.first), int(wildcards.last)
    return as_json(
        {
            "dataset": DATASET,
            "dataset_digest": hashlib.sha256(as_json(dataset_identity()).encode()).hexdigest()[:16],
            "architecture": wildcards.architecture,
            "model": model(wildcards.architecture),
            "filters": int(wildcards.filters),
            "seeds": list(range(first, last + 1)),
            "snapshots": settings.snapshots,
        }
    )


def head_weights(wildcards):
    """Weights of the dense layers of a chunk: what its memory and time grow with."""
    height, width = settings.studied[wildcards.architecture].kernel
    seeds = int(wildcards.last) - int(wildcards.first) + 1
    return (29 - height) * (29 - width) * int(wildcards.filters) * 10 * seeds


def training_mem_mb(wildcards, attempt):
    return attempt * (1500 + head_weights(wildcards) * 4 * 12 // 10**6)


def training_runtime(wildcards, attempt):
    """Minutes, generously: 40 ns for each dense weight of each step, on a slow core."""
    setting = settings.studied[wildcards.architecture]
    steps = setting.steps or setting.epochs * 60000 // setting.batch
    return attempt * (10 + round(head_weights(wildcards) * steps * 40e-9 / 60))


rule train_chunk:
    input:
        # ancient: what the dataset holds is part of the condition, whatever its file's time.
        dataset=ancient(DATA / DATASET / "dataset.npz"),
    output:
        RESULTS / "weights" / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.npz",
    params:
        condition=condition,
        code=code("train_chunk"),
        script=script("train_chunk"),
    log:
        LOGS / "train_chunk" / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.log",
    benchmark:
        BENCHMARKS / "train_chunk" / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.tsv"
    threads: 1
    priority: lambda wildcards: head_weights(wildcards)  # the longest first, so that the cores end together
    resources:
        mem_mb=training_mem_mb,
        runtime=training_runtime,
    message:
        "train {wildcards.architecture}, {wildcards.filters} filters, seeds {wildcards.first} to {wildcards.last}"
    shell:
        "{params.script} --dataset {input.dataset:q} --condition {params.condition:q} --output {output:q} > {log:q} 2>&1"
