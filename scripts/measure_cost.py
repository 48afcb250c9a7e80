"""Size and latency of networks before and after pruning, on one thread."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins import files, training
from filtertwins.data import datasets
from filtertwins.errors import run_script
from filtertwins.pruning.networks import cost_rows
from filtertwins.settings import Architecture

BATCHES = (1, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--dataset-name", required=True)
    parser.add_argument("--networks", type=json.loads, required=True, help="their layers, as JSON")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    images = files.read_npz(arguments.dataset, datasets.DATASET_SHAPES)["test_images"]
    training.one_thread()
    models = [
        training.plain_model(
            Architecture(
                kernel=network["kernel"],
                activation=network["activation"],
                learning_rate=1.0,  # not trained: time does not depend on the weights
                batch=1,
                steps=1,
                filters=(network["kept"],),
            ),
            network["kept"],
            seed=0,
            image_shape=images.shape[1:],
        )
        for network in arguments.networks
    ]
    rows = []
    for batch in BATCHES:
        latency_s = training.measure_latency(models, images[:batch], arguments.rounds)
        rows += cost_rows(arguments.dataset_name, arguments.networks, images.shape[1:], batch, latency_s)
    files.write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
