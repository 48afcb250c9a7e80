# Tables from their parts. A rule collect_<table> puts each together.
for table, parts in PARTS.items():

    rule:
        name:
            f"collect_{table}"
        input:
            parts,
        output:
            report(path_of(table), category="tables"),
        log:
            LOGS / f"collect_{table}.log",
        priority: TABLE
        localrule: True  # a second each, so no work for a cluster
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            code=code("collect_rows"),
        message:
            f"collect {table}"
        shell:
            "run_script collect_rows --parts {input:q} --output {output:q} > {log:q} 2>&1"
