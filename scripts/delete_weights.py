"""Optimal Brain Damage weight by weight: delete, compare the loss with what was predicted, and train on."""

import argparse
import json
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from filtertwins import files, training
from filtertwins.data import datasets
from filtertwins.errors import interrupts_end_at_once, run_script
from filtertwins.networks.weights import load_chunk, stacked
from filtertwins.pruning.networks import chunk_deletions, obd_rows
from filtertwins.settings import Architecture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--chunks", nargs="+", type=Path, required=True, help="trained networks")
    parser.add_argument(
        "--conditions", nargs="+", type=json.loads, required=True, help="what each chunk must be, as JSON"
    )
    parser.add_argument("--shares", nargs="+", type=float, required=True, help="of the weights, that are deleted")
    parser.add_argument("--images", type=int, required=True, help="how many training images, the first ones")
    parser.add_argument("--retraining-steps", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    dataset = datasets.Dataset.from_arrays(files.read_npz(arguments.dataset, datasets.DATASET_SHAPES))
    images, labels = dataset.train_images[: arguments.images], dataset.train_labels[: arguments.images]
    training.one_thread()
    rows = []
    for path, condition in zip(arguments.chunks, arguments.conditions, strict=True):
        chunk = load_chunk(path, condition)
        with threadpool_limits(1):  # so that the last bits don't depend on how many cores there are
            deletions = chunk_deletions(chunk, images, labels, [0.0, *arguments.shares])
        with interrupts_end_at_once():
            before, after = training.fine_tune(
                dataset,
                Architecture.model_validate(chunk.condition["model"] | {"filters": [chunk.condition["filters"]]}),
                stacked([network for _, _, network in deletions]),
                [name["seed"] for name, _, _ in deletions],
                arguments.retraining_steps,
                f"{chunk.condition['architecture']} filters={chunk.condition['filters']}",
                trainable=stacked([deletion.kept for _, deletion, _ in deletions]),
                report=lambda line: print(line, flush=True),
            )
        rows += obd_rows(deletions, arguments.retraining_steps, before, after)
    files.write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
