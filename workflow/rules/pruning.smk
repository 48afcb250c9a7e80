# Pruning: filters are removed from trained networks, or merged, and the networks trained on. Beside them: small networks
# trained from scratch, what size and latency become of, and Optimal Brain Damage weight by weight.
PRUNING = RESULTS / "pruning"
CRITERIA = [name for name in settings.pruning.methods if name in criteria.CRITERIA]

TABLES += ["pruning", "importance", "cost"]
FIGURE_SOURCES |= {
    "pruning": {"tables": ["pruning"]},
    "cost": {"tables": ["cost", "pruning"]},
}
PARTS |= {
    "pruning": plan.pruned_files(PRUNING),
    "importance": plan.importance_files(PRUNING),
}
if len(CRITERIA) > 1:
    TABLES += ["criteria"]
    FIGURE_SOURCES["criteria"] = {"tables": ["criteria"]}
if plan.from_scratch()["architectures"]:
    TABLES += ["from_scratch", "small_or_pruned"]
    FIGURE_SOURCES["small_or_pruned"] = {"tables": ["small_or_pruned"]}
if settings.weight_deletion:
    TABLES += ["obd"]
    FIGURE_SOURCES["obd"] = {"tables": ["obd"]}


wildcard_constraints:
    kept="[0-9]+",


rule measure_importance:
    input:
        chunk=WEIGHTS / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.npz",
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        PRUNING
        / "{architecture}"
        / "filters-{filters}"
        / "importance_seeds-{first}-{last}.csv",
    log:
        LOGS
        / "measure_importance"
        / "{architecture}"
        / "filters-{filters}_seeds-{first}-{last}.log",
    benchmark:
        BENCHMARKS
        / "measure_importance"
        / "{architecture}"
        / "filters-{filters}_seeds-{first}-{last}.tsv"
    priority: LONG
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(of_chunk(plan.importance_mem_mb)),
        runtime=minutes(of_chunk(plan.importance_minutes)),
    params:
        condition=lambda wildcards: as_json(of_chunk(plan.condition)(wildcards)),
        criteria=CRITERIA,
        images=settings.pruning.images,
        code=code("measure_importance"),
    message:
        "measure how important each filter is: {wildcards.architecture}, {wildcards.filters} filters"
    shell:
        "run_script measure_importance --dataset {input.dataset:q} --chunk {input.chunk:q}"
        " --condition {params.condition:q} --criteria {params.criteria:q} --images {params.images}"
        " --output {output:q} > {log:q} 2>&1"


rule prune_filters:
    input:
        chunk=WEIGHTS / "{architecture}" / "filters-{filters}_seeds-{first}-{last}.npz",
        importance=rules.measure_importance.output,
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        dataset=ancient(DATASET_FILE),
    output:
        PRUNING
        / "{architecture}"
        / "filters-{filters}"
        / "kept-{kept}_seeds-{first}-{last}.csv",
    log:
        LOGS
        / "prune_filters"
        / "{architecture}"
        / "filters-{filters}_kept-{kept}_seeds-{first}-{last}.log",
    benchmark:
        BENCHMARKS
        / "prune_filters"
        / "{architecture}"
        / "filters-{filters}_kept-{kept}_seeds-{first}-{last}.tsv"
    priority: lambda wildcards: int(wildcards.kept)  # after all training, and the longest first
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(of_chunk(plan.pruning_mem_mb)),
        runtime=minutes(of_chunk(plan.pruning_minutes)),
    params:
        condition=lambda wildcards: as_json(of_chunk(plan.condition)(wildcards)),
        methods=settings.pruning.methods,
        steps=settings.pruning.fine_tuning_steps,
        code=code("prune_filters"),
    message:
        "prune and train on: {wildcards.architecture}, {wildcards.kept} of {wildcards.filters} filters"
    shell:
        "run_script prune_filters --dataset {input.dataset:q} --chunk {input.chunk:q} --importance {input.importance:q}"
        " --condition {params.condition:q} --methods {params.methods:q} --kept {wildcards.kept}"
        " --fine-tuning-steps {params.steps} --output {output:q} > {log:q} 2>&1"


rule compare_criteria:
    input:
        RESULTS / "importance.csv",
    output:
        report(RESULTS / "criteria.csv", category="tables"),
    log:
        LOGS / "compare_criteria.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=minutes(10),
    params:
        code=code("compare_criteria"),
    message:
        "compare the criteria's rankings"
    shell:
        "run_script compare_criteria --importance {input:q} --output {output:q} > {log:q} 2>&1"


rule collect_from_scratch:
    input:
        plan.chunk_files(WEIGHTS, plan.from_scratch()),
    output:
        report(RESULTS / "from_scratch.csv", category="tables"),
    log:
        LOGS / "collect_from_scratch.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=minutes(10),
    params:
        study=as_json(plan.from_scratch()),
        weights=WEIGHTS,
        code=code("collect_from_scratch"),
    message:
        "collect the scores of the small networks"
    shell:
        "run_script collect_from_scratch --weights {params.weights:q} --study {params.study:q}"
        " --output {output:q} > {log:q} 2>&1"


rule compare_with_small:
    input:
        pruning=RESULTS / "pruning.csv",
        from_scratch=RESULTS / "from_scratch.csv",
    output:
        report(RESULTS / "small_or_pruned.csv", category="tables"),
    log:
        LOGS / "compare_with_small.log",
    priority: TABLE
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=minutes(10),
    params:
        margin=settings.margins.accuracy,
        code=code("compare_with_small"),
    message:
        "compare pruned networks to small ones"
    shell:
        "run_script compare_with_small --pruning {input.pruning:q} --from-scratch {input.from_scratch:q}"
        " --margin {params.margin} --output {output:q} > {log:q} 2>&1"


rule measure_cost:
    input:
        # ancient: its name tells what the dataset holds, so that its time does not matter.
        ancient(DATASET_FILE),
    output:
        report(RESULTS / "cost.csv", category="tables"),
    log:
        LOGS / "measure_cost.log",
    benchmark:
        BENCHMARKS / "measure_cost.tsv"
    priority: ALONE
    conda:
        "../../environment.yml"
    threads: workflow.resource_settings.cores or 1  # it takes one, but measures time: nothing may run beside it
    resources:
        mem_mb=mem_mb(3000),
        runtime=minutes(20),
    params:
        networks=as_json(plan.costed_networks()),
        dataset_name=DATASET,
        code=code("measure_cost"),
    message:
        "measure size and latency of the networks before and after pruning"
    shell:
        "run_script measure_cost --dataset {input:q} --dataset-name {params.dataset_name:q}"
        " --networks {params.networks:q} --output {output:q} > {log:q} 2>&1"


if settings.weight_deletion:

    rule delete_weights:
        input:
            chunks=plan.chunk_files(WEIGHTS, plan.weight_deletion()),
            # ancient: its name tells what the dataset holds, so that its time does not matter.
            dataset=ancient(DATASET_FILE),
        output:
            report(RESULTS / "obd.csv", category="tables"),
        log:
            LOGS / "delete_weights.log",
        benchmark:
            BENCHMARKS / "delete_weights.tsv"
        priority: LONG
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=mem_mb(4000),
            runtime=minutes(plan.weight_deletion_minutes()),
        params:
            conditions=[
                as_json(condition) for condition in plan.weight_deletion_conditions()
            ],
            shares=settings.weight_deletion.shares,
            images=settings.pruning.images,
            steps=settings.weight_deletion.retraining_steps,
            code=code("delete_weights"),
        message:
            "delete weights as Optimal Brain Damage does"
        shell:
            "run_script delete_weights --dataset {input.dataset:q} --chunks {input.chunks:q}"
            " --conditions {params.conditions:q} --shares {params.shares} --images {params.images} --retraining-steps {params.steps}"
            " --output {output:q} > {log:q} 2>&1"
