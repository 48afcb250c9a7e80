"""Optimal Brain Damage weight by weight: delete, compare the loss with what was predicted, and train on."""

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.networks.weights import load_chunk, stacked
from filtertwins.pruning.networks import chunk_deletions
from filtertwins.tables.means import write_table
from filtertwins.tables.pruned import obd_rows


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    dataset = load_dataset(job.input.dataset)
    images, labels = dataset.train_images[: job.params.images], dataset.train_labels[: job.params.images]
    training.one_thread()
    rows = []
    for path, condition in zip(job.input.chunks, job.params.conditions, strict=True):
        chunk = load_chunk(path, condition)
        deletions = chunk_deletions(chunk, images, labels, [0.0, *job.params.shares])
        with interrupts_end_at_once():
            before, after = training.fine_tune(
                dataset,
                training.architecture_of(condition),
                stacked([network for _, _, network in deletions]),
                [name["seed"] for name, _, _ in deletions],
                job.params.steps,
                f"{condition['architecture']} filters={condition['filters']}",
                trainable=stacked([deletion.kept for _, deletion, _ in deletions]),
                report=print,
            )
        rows += obd_rows(deletions, job.params.steps, before, after)
    write_table(rows, job.output.obd)
