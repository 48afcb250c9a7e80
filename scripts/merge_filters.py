"""Merge every network's filters into few, as if it were linear, and measure how its answers change."""

import argparse
import json
from pathlib import Path

import pandas as pd

from filtertwins.data.datasets import DATASET_SHAPES, Dataset
from filtertwins.errors import run_script
from filtertwins.experiments.lossless_merge import merging_rows
from filtertwins.files import read_npz, write_csv
from filtertwins.networks.weights import study_chunks

TEST_IMAGES = 500  # a merge is lossless on all images or on hardly any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="folder of the chunks")
    parser.add_argument("--study", type=json.loads, required=True, help="which chunks, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    dataset = Dataset.from_arrays(read_npz(arguments.dataset, DATASET_SHAPES))
    images, labels = dataset.test_images[:TEST_IMAGES], dataset.test_labels[:TEST_IMAGES]
    chunks = study_chunks(arguments.weights, arguments.study)
    rows = [row for chunk in chunks for row in merging_rows(chunk, images, labels)]
    write_csv(pd.DataFrame(rows), arguments.output)


if __name__ == "__main__":
    run_script(main)
