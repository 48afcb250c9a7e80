# A chunk is one process that trains some seeds of one condition together.


rule train_chunk:
    input:
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        WEIGHTS / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.npz",
    log:
        LOGS
        / "train_chunk"
        / "{architecture}"
        / "filters-{filters}_seeds-{first}-{last}.log",
    benchmark:
        BENCHMARKS
        / "train_chunk"
        / "{architecture}"
        / "filters-{filters}_seeds-{first}-{last}.tsv"
    priority: of_chunk(plan.head_weights)  # the longest first, so that the cores end together
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(of_chunk(plan.training_mem_mb)),
        runtime=minutes(of_chunk(plan.training_minutes)),
    params:
        condition=lambda wildcards: as_json(of_chunk(plan.condition)(wildcards)),
        code=code("train_chunk"),
    message:
        "train {wildcards.architecture}, {wildcards.filters} filters, seeds {wildcards.first} to {wildcards.last}"
    shell:
        "run_script train_chunk --dataset {input.dataset:q} --condition {params.condition:q}"
        " --output {output:q} > {log:q} 2>&1"
