"""Rate the filters of a chunk's networks, remove the least important ones by several methods, and train on."""

import pandas as pd

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.extensions import load_for
from filtertwins.files import write_csv
from filtertwins.names import Row
from filtertwins.networks.weights import Parameters, load_chunk, stacked
from filtertwins.pruning.networks import chunk_importances, prune_chunk
from filtertwins.tables.pruned import IMPORTANCE_COLUMNS, importance_rows, pruning_rows
from filtertwins.tables.selection import chosen_ways


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    load_for(job)
    chunk, dataset = load_chunk(job.input.chunk, job.params.condition), load_dataset(job.input.dataset)
    images, labels = dataset.train_images[: job.params.images], dataset.train_labels[: job.params.images]

    def trained_on(pruned: list[tuple[Row, Parameters]], scored: list[int]) -> list[pd.DataFrame]:
        names, networks = zip(*pruned, strict=True)
        with interrupts_end_at_once():
            found = training.fine_tune(
                dataset,
                training.architecture_of(chunk.condition, names[0]["kept"]),
                stacked(networks),
                [name["seed"] for name in names],
                scored[-1],
                "{architecture} filters={filters} kept={kept}".format_map(names[0]),
                also_scored=scored[1:-1],
                report=print,
            )
        return [pruning_rows(names, step, scores) for step, scores in zip(scored, found, strict=True)]

    rated = list(chunk_importances(chunk, images, labels, job.params.criteria))
    training.one_thread()
    rows, longer, steps = [], [], job.params.steps
    for kept in job.params.kept:
        pruned = prune_chunk(chunk, [importances for _, importances in rated], job.params.methods, kept)
        rows += trained_on(pruned, [0, steps])
        if kept in job.params.longer["kept"]:
            ways = chosen_ways(rows[-1])
            chosen = [own for own in pruned if (kept, own[0]["method"]) in ways.get(own[0]["seed"], ())]
            longer += trained_on(chosen, [0, *job.params.longer["steps"]])[1:] if chosen else []
    importance = [row for run, importances in rated for row in importance_rows(run, importances)]
    write_csv(pd.DataFrame(importance, columns=list(IMPORTANCE_COLUMNS)), job.output.importance)
    write_csv(pd.concat(rows), job.output.pruned)
    write_csv(pd.concat(longer or [rows[0][:0]]), job.output.longer)
