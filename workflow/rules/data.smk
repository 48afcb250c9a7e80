# Raw files are fetched, verified and decoded in one job, on the machine where Snakemake runs: compute nodes often have
# no internet. The files stay in data/raw/<dataset>, where they may also be put by hand.


localrules:
    fetch_dataset,


rule fetch_dataset:
    output:
        DATASET_FILE,
    log:
        LOGS / "fetch_dataset.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        raw=Path("data") / "raw" / DATASET,
        dataset=as_json(plan.dataset),
    message:
        f"fetch and verify the dataset {DATASET}"
    shell:
        "run_script fetch_dataset --dataset {params.dataset:q} --raw {params.raw:q} --output {output:q}"
        ' --mirrors ${{mirrors[@]+"${{mirrors[@]}}"}} 2>&1 | tee {log:q}'
