# Raw files are fetched, verified and decoded in one job, on the machine where Snakemake runs: compute nodes often have no
# internet. They stay in data/raw/<dataset>, where they may also be put by hand.


localrules:
    fetch_dataset,


def dataset_identity():
    """What a dataset's content depends on: not where it was fetched from."""
    return settings.dataset_settings.model_dump(mode="json", exclude={"mirrors"})


rule fetch_dataset:
    output:
        DATA / DATASET / "dataset.npz",
    params:
        raw=DATA / "raw" / DATASET,
        dataset=as_json(dataset_identity()),
        mirrors=[shlex.quote(mirror) for mirror in getattr(settings.dataset_settings, "mirrors", ())],
        code=code("fetch_dataset"),
        script=script("fetch_dataset"),
    log:
        LOGS / "fetch_dataset.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    message:
        f"fetch and verify the dataset {DATASET}"
    shell:
        "{params.script} --dataset {params.dataset:q} --mirrors {params.mirrors} --raw {params.raw:q}"
        " --output {output:q} 2>&1 | tee {log:q}"
