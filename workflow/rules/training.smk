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


# Each of these jobs trains some conditions for some seeds. It leaves out those whose file is there and was trained just
# so: `update` keeps the files for it. To train a network again, delete its file.
for bundle in plan.bundles():

    rule:
        name:
            f"train_{bundle.name}"
        input:
            dataset=ancient(DATASET_FILE),
        output:
            [update(path) for path in bundle.files(WEIGHTS)],
        log:
            LOGS / "train_networks" / f"{bundle.name}.log",
        benchmark:
            BENCHMARKS / "train_networks" / f"{bundle.name}.tsv"
        priority: int(plan.urgency_s(bundle))
        conda:
            ENVIRONMENT
        resources:
            **asks(plan.training_need(bundle)),
        params:
            **code_of("train_networks"),
            families=plan.bundle_conditions(bundle),
        message:
            f"train {bundle.words}"
        script:
            "../../scripts/train_networks.py"
