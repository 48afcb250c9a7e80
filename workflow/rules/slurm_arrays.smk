# Job arrays on Slurm, for the rules that the profile names in `slurm-array-jobs`.
#
# The executor's own arrays (2.6 to 2.8) cannot be used: every task but the first looks for, and deletes, the first
# one's output (snakemake-executor-plugin-slurm, issue 447); all get the first one's memory and time; and with a limit
# on the number of jobs some are never submitted. Here an array is of jobs of one rule that ask for the same resources,
# and its script runs for each task just what the executor would submit for that job alone.
import subprocess
import sys


def submit_alike(executor, jobs):
    """Submit jobs, those of a rule that ask for the same together. In the place of the executor's `run_jobs`."""
    alike = {}
    for job in sorted(jobs, key=lambda job: -job.priority):  # the longest first
        chosen = not job.is_group() and {"all", job.rule.name} & executor.array_jobs
        asks = (job.rule.name, *sorted(job.resources.items())) if chosen else (job,)
        alike.setdefault(asks, []).append(job)
    for group in alike.values():
        for start in range(0, len(group), executor.max_array_size):
            tasks = group[start : start + executor.max_array_size]
            if len(tasks) == 1:
                executor._submit_job(tasks[0])
            else:
                executor._submit_array_jobs(tasks)


def submit_array(executor, jobs):
    """Submit jobs as the tasks of one array. In the place of the executor's `run_array_jobs`."""
    from snakemake_executor_plugin_slurm import (
        SubmittedJobInfo,
        get_submit_command,
        set_gres_string,
        validate_or_get_slurm_job_id,
        validate_slurm_extra,
    )

    first = jobs[0]  # all ask for the same
    logs = executor.slurm_logdir / f"rule_{first.name}"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        validate_slurm_extra(first)
        command = get_submit_command(
            first,
            {
                "run_uuid": executor.run_uuid,
                "slurm_logfile": logs / "%A_%a.log",
                "comment_str": f"rule_{first.name}",
                "account": next(executor.get_account_arg(first)),
                "partition": executor.get_partition_arg(first),
                "workdir": executor.workflow.workdir_init,
            },
            settings=executor.workflow.executor_settings,
            failed_nodes=executor._failed_nodes,
        )
        command += f"{set_gres_string(first)} --array=1-{len(jobs)} /dev/stdin"
        tasks = [
            f"{index}) {executor.format_job_exec(job)} ;;"
            for index, job in enumerate(jobs, start=1)
        ]
        script = ["#!/bin/sh", 'case "$SLURM_ARRAY_TASK_ID" in', *tasks, "esac", ""]
        done = subprocess.run(
            command,
            shell=True,
            input="\n".join(script),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise WorkflowError(f"sbatch failed: {done.stderr.strip()}\n    {command}")
        array = validate_or_get_slurm_job_id(
            done.stdout.strip().split(";")[0], done.stdout
        )
    except Exception as error:
        for job in jobs:
            executor._report_job_error_threadsafe(SubmittedJobInfo(job), f"{error}\n")
        return
    numbers = ", ".join(str(job.jobid) for job in jobs)
    executor.logger.info(
        f"Jobs {numbers} have been submitted as tasks 1 to {len(jobs)} of Slurm's array {array}."
    )
    for index, job in enumerate(jobs, start=1):
        executor._report_job_submission_threadsafe(
            SubmittedJobInfo(
                job,
                external_jobid=f"{array}_{index}",
                aux={"slurm_logfile": logs / f"{array}_{index}.log"},
            )
        )


if slurm := sys.modules.get("snakemake_executor_plugin_slurm"):
    slurm.Executor.run_jobs = submit_alike
    slurm.Executor.run_array_jobs = submit_array
