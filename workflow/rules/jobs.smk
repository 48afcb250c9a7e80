# The rules of all jobs. Each runs a script; what they have in common is decided here.
for job in JOBS:

    rule:
        name:
            job["name"]
        input:
            **job["inputs"],
        output:
            **job["outputs"],
        log:
            LOGS / f"{job['place']}.log",
        benchmark:
            BENCHMARKS / f"{job['place']}.tsv"
        priority: job["priority"]
        localrule: job["local"]
        conda:
            ENVIRONMENT
        threads: job["threads"]
        resources:
            **job["resources"],
        params:
            **job["parameters"],
        message:
            job["message"]
        script:
            "../../scripts/{params.script}.py"
