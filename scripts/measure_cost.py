"""Size and latency of networks before and after pruning, on one thread."""

from filtertwins.architectures import Architecture
from filtertwins.data.datasets import load_dataset
from filtertwins.errors import Job, run_job
from filtertwins.tables.means import write_table
from filtertwins.tables.pruned import cost_rows

BATCHES, ROUNDS = (1, 256), 20
NOT_TRAINED = {"learning_rate": 1.0, "batch": 1, "steps": 1}  # Time does not depend on the weights.


@run_job
def main(job: Job) -> None:
    from filtertwins import training  # Here, so that what TensorFlow prints goes to the log.

    dataset = load_dataset(job.input.dataset)
    shape, classes = dataset.image_shape, dataset.classes
    training.one_thread()
    models = []
    for network in job.params.networks:
        layers = {name: network[name] for name in ("kernel", "activation")} | {"filters": [network["kept"]]}
        model = Architecture.model_validate(layers | NOT_TRAINED)
        models.append(training.plain_model(model, network["kept"], 0, shape, classes))
    rows = []
    for batch in BATCHES:
        latency_s = training.measure_latency(models, dataset.test_images[:batch], ROUNDS)
        rows += cost_rows(job.params.dataset, job.params.networks, shape, classes, batch, latency_s)
    write_table(rows, job.output.cost)
