# The dataset, and the networks that are trained on it.


localrules:
    fetch_dataset,


# Raw files are fetched, verified and decoded in one job where Snakemake runs: compute nodes often have no internet. The
# files stay in data/raw/<dataset>, where they may also be put by hand.
rule fetch_dataset:
    output:
        DATASET_FILE,
    log:
        LOGS / "fetch_dataset.log",
    conda:
        ENVIRONMENT
    params:
        raw=Path("data") / "raw" / DATASET,
        dataset=plan.dataset,
    message:
        f"fetch and verify the dataset {DATASET}"
    script:
        "../../scripts/fetch_dataset.py"


# A chunk is one process that trains some seeds of one condition together.
rule train_chunk:
    input:
        dataset=ancient(DATASET_FILE),
    output:
        WEIGHTS / f"{CHUNK}.npz",
    log:
        LOGS / "train_chunk" / f"{CHUNK}.log",
    benchmark:
        BENCHMARKS / "train_chunk" / f"{CHUNK}.tsv"
    priority: of_chunk(plan.head_weights)
    conda:
        ENVIRONMENT
    resources:
        **asks(of_chunk(plan.training_mem_mb), of_chunk(plan.training_minutes)),
    params:
        **code_of("train_chunk"),
        condition=of_chunk(plan.condition),
    message:
        "train {wildcards.architecture}, {wildcards.filters} filters, seeds {wildcards.first} to {wildcards.last}"
    script:
        "../../scripts/train_chunk.py"
