"""Fit softmax regression, the model that all linear networks are, to its convex optimum."""

import argparse
import time
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits

from filtertwins.data.datasets import DATASET_SHAPES, Dataset
from filtertwins.errors import run_script
from filtertwins.experiments.collapse import optimum_row
from filtertwins.files import read_npz, write_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the dataset")
    parser.add_argument("--penalty", type=float, required=True, help="on the weights")
    parser.add_argument("--max-iterations", type=int, default=200)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    dataset = Dataset.from_arrays(read_npz(arguments.dataset, DATASET_SHAPES))
    start = time.perf_counter()
    with threadpool_limits(1):  # so that the last bits don't depend on how many cores there are
        row = optimum_row(arguments.name, dataset, arguments.penalty, arguments.max_iterations)
    print(
        f"penalty {arguments.penalty:g}: {row['iterations']} iterations, loss {row['train_loss']:.6f}, "
        f"gradient {row['gradient_norm']:.1e}, {time.perf_counter() - start:.0f} s"
    )
    write_csv(pd.DataFrame([row]), arguments.output)


if __name__ == "__main__":
    run_script(main)
