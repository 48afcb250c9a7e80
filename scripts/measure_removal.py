"""Remove each filter of every network, or merge it into its nearest one: what does that cost on validation images?"""

import argparse
import json
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from filtertwins.data.datasets import DATASET_SHAPES, Dataset
from filtertwins.errors import run_script
from filtertwins.experiments.removal import removal_rows
from filtertwins.files import read_npz, write_csv
from filtertwins.networks.weights import study_chunks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--threshold", type=float, required=True, help="nearest cosine of a near duplicate")
    parser.add_argument("--images", type=int, help="how many of the validation split, at most (default: all)")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    dataset = Dataset.from_arrays(read_npz(arguments.dataset, DATASET_SHAPES))
    images = dataset.validation_images[: arguments.images]
    labels = dataset.validation_labels[: arguments.images]
    with threadpool_limits(1):  # so that the last bits don't depend on how many cores there are
        chunks = study_chunks(arguments.weights, arguments.study)
        rows = [row for chunk in chunks for row in removal_rows(chunk, images, labels, arguments.threshold)]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
