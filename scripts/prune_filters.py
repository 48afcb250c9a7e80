"""Prune a chunk's networks to some number of filters by several methods, and train on all of them together."""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.files import read_csv, write_csv
from filtertwins.networks.weights import load_chunk, stacked
from filtertwins.pruning.networks import prune_chunk, pruning_rows
from filtertwins.settings import Architecture


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    chunk = load_chunk(job.input.chunk, job.params.condition)
    kept, steps = int(job.wildcards.kept), job.params.steps
    pruned = prune_chunk(chunk, read_csv(job.input.importance), job.params.methods, kept)
    names = [name for name, _ in pruned]
    dataset = load_dataset(job.input.dataset)
    training.one_thread()
    with interrupts_end_at_once():
        before, after = training.fine_tune(
            dataset,
            Architecture.model_validate(chunk.condition["model"] | {"filters": [kept]}),
            stacked([network for _, network in pruned]),
            [name["seed"] for name in names],
            steps,
            f"{chunk.condition['architecture']} filters={chunk.condition['filters']} kept={kept}",
            report=print,
        )
    rows = [*pruning_rows(names, 0, before), *pruning_rows(names, steps, after)]
    write_csv(pd.DataFrame(rows), job.output[0])
