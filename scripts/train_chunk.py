"""Train a chunk: some seeds of one condition, together in this process."""

import argparse
import json
from pathlib import Path

from filtertwins import files, training
from filtertwins.data import datasets
from filtertwins.errors import interrupts_end_at_once, run_script
from filtertwins.networks.weights import save_chunk
from filtertwins.settings import Architecture, Start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--condition", type=json.loads, required=True, help="all that the result depends on, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    condition = arguments.condition
    model = Architecture.model_validate(condition["model"] | {"filters": [condition["filters"]]})
    dataset = datasets.Dataset.from_arrays(files.read_npz(arguments.dataset, datasets.DATASET_SHAPES))
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
            report=lambda line: print(line, flush=True),
        )
    save_chunk(chunk, arguments.output)


if __name__ == "__main__":
    run_script(main)
