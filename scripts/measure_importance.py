"""Measure how important each filter of a chunk's networks is, by several criteria."""

import argparse
import json
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from filtertwins.data.datasets import DATASET_SHAPES, Dataset
from filtertwins.errors import run_script
from filtertwins.files import read_npz, write_csv
from filtertwins.networks.weights import load_chunk
from filtertwins.pruning.networks import chunk_importances
from filtertwins.tables.pruning import IMPORTANCE_COLUMNS, importance_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--chunk", type=Path, required=True, help="trained networks")
    parser.add_argument("--condition", type=json.loads, required=True, help="what the chunk must be, as JSON")
    parser.add_argument("--criteria", nargs="*", required=True)
    parser.add_argument("--images", type=int, required=True, help="how many training images, the first ones")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    chunk = load_chunk(arguments.chunk, arguments.condition)
    dataset = Dataset.from_arrays(read_npz(arguments.dataset, DATASET_SHAPES))
    images, labels = dataset.train_images[: arguments.images], dataset.train_labels[: arguments.images]
    with threadpool_limits(1):  # so that the last bits don't depend on how many cores there are
        rows = [
            row
            for run, importances in chunk_importances(chunk, images, labels, arguments.criteria)
            for row in importance_rows(run, importances)
        ]
    write_csv(pd.DataFrame(rows, columns=list(IMPORTANCE_COLUMNS)), arguments.output)


if __name__ == "__main__":
    run_script(main)
