"""Train a chunk: some seeds of one condition, together in this process."""

from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.networks.weights import save_chunk
from filtertwins.settings import Architecture, Start


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    condition = job.params.condition
    model = Architecture.model_validate(condition["model"] | {"filters": [condition["filters"]]})
    dataset = load_dataset(job.input.dataset)
    steps = training.total_steps(model.steps, model.epochs, len(dataset.train_labels), model.batch)
    training.one_thread()
    with interrupts_end_at_once():
        chunk = training.train_chunk(
            dataset,
            model,
            condition["filters"],
            condition["seeds"],
            training.snapshot_steps(steps, condition["snapshots"]),
            condition,
            [Start.model_validate(start) for start in condition["starts"]],
            condition["also_scored"],
            report=print,
        )
    save_chunk(chunk, job.output[0])
