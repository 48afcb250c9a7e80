"""Rate the filters of a chunk's networks, remove the least important ones by several methods, and train on."""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.files import write_csv
from filtertwins.networks.weights import load_chunk, stacked
from filtertwins.pruning.networks import chunk_importances, prune_chunk
from filtertwins.tables.pruned import IMPORTANCE_COLUMNS, importance_rows, pruning_rows


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    chunk, dataset = load_chunk(job.input.chunk, job.params.condition), load_dataset(job.input.dataset)
    images, labels = dataset.train_images[: job.params.images], dataset.train_labels[: job.params.images]
    rated = list(chunk_importances(chunk, images, labels, job.params.criteria))
    training.one_thread()
    rows, steps = [], job.params.steps
    for kept in job.params.kept:
        pruned = prune_chunk(chunk, [importances for _, importances in rated], job.params.methods, kept)
        names = [name for name, _ in pruned]
        with interrupts_end_at_once():
            before, after = training.fine_tune(
                dataset,
                training.architecture_of(chunk.condition, kept),
                stacked([network for _, network in pruned]),
                [name["seed"] for name in names],
                steps,
                f"{chunk.condition['architecture']} filters={chunk.condition['filters']} kept={kept}",
                report=print,
            )
        rows += [pruning_rows(names, 0, before), pruning_rows(names, steps, after)]
    importance = [row for run, importances in rated for row in importance_rows(run, importances)]
    write_csv(pd.DataFrame(importance, columns=list(IMPORTANCE_COLUMNS)), job.output.importance)
    write_csv(pd.concat(rows), job.output.pruned)
