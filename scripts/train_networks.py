"""Train some conditions for some seeds, in this process; those that are trained just so already are left out."""

from filtertwins.architectures import described_by
from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, interrupts_end_at_once, run_job
from filtertwins.networks.weights import holds_condition, save_chunk


@run_job
def main(job: Job) -> None:
    paths = iter(job.output)
    families = [
        [(next(paths), condition | {"code": job.params.code}) for condition in family] for family in job.params.families
    ]
    missing = [[own for own in family if not holds_condition(*own)] for family in families]
    if not any(missing):
        print("all these networks are there, and were trained just so")
        return
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    dataset = load_dataset(job.input.dataset)
    training.one_thread()
    diverged: list[training.DivergedError] = []
    for family in filter(None, missing):
        condition = family[0][1]
        model = described_by(condition)
        steps = training.total_steps(model.steps, model.epochs, len(dataset.train_labels), model.batch)
        snapshots = training.snapshot_steps(steps, condition["snapshots"])
        try:
            with interrupts_end_at_once():
                chunks = training.train_chunks(dataset, [own for _, own in family], snapshots, report=print)
        except training.DivergedError as error:
            diverged.append(error)  # The other families are trained all the same.
            continue
        for (path, _), chunk in zip(family, chunks, strict=True):
            save_chunk(chunk, path)
    if diverged:
        raise diverged[0]
